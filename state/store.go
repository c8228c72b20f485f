package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/bootid"
)

// The files of a working folder.
const (
	File       = "diyform.state.json"
	BackupFile = "diyform.state.json.backup" // the document before the last save

	privateDir  = ".diyform"
	journalFile = ".diyform/journal"
	lockFile    = ".diyform/lock"
	lineageFile = ".diyform/lineage" // until the first save: what the first plan promised
)

var (
	// ErrNotLocked says that a change was asked for by a store that does not hold the lock.
	ErrNotLocked = errors.New("the state is not locked, which is a bug")

	// ErrStale says that what is on disk is not what the caller's state was made from.
	ErrStale = errors.New("the recorded state is another one than this was made from")
)

// Store keeps the state of one working folder, or of one workspace of it. It is for one
// goroutine; the Journal that it gives is for many.
type Store struct {
	dir       string
	workspace string // "" for the default one
	lock      *Lock
	journal   *Journal // of the run under way
}

// Open names the working folder, in its default workspace. Nothing is read or made yet.
func Open(dir string) *Store { return &Store{dir: dir} }

// Backup is where the document from before the last save is.
func (s *Store) Backup() string { return s.path(BackupFile) }

// JournalFile is where the journal of a run is, until the run is saved.
func (s *Store) JournalFile() string { return s.path(journalFile) }

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// Recovery tells of a run that was interrupted: its journal was found.
type Recovery struct {
	Command    string        // the run that was interrupted
	Unfinished []Interrupted // by address
}

// Load gives the document with the journal of an interrupted run folded in; then the serial
// is the one with which that will be saved, and the Recovery is not nil. Without a document
// it gives an empty state with a new lineage and serial 0. A file that cannot be used gives a
// *DamagedError or a *NewerFormatError.
//
// Load writes nothing and needs no lock. Without it, a run under way looks like one that was
// interrupted, so a plan that is to be applied is made under the lock.
func (s *Store) Load() (*State, *Recovery, error) {
	// The journal is read first: if a run ends in between, the document's serial says that
	// the journal is in it. The other way round, its entries would be missed.
	j, err := s.readJournal()
	if err != nil {
		return nil, nil, err
	}
	st, err := s.readDocument()
	if err != nil {
		return nil, nil, err
	}
	if j == nil {
		if st != nil {
			return st, nil, nil
		}
		boot, err := bootid.Read()
		if err != nil {
			return nil, nil, fmt.Errorf("load state: %w", err)
		}
		st, err := s.first(boot)
		return st, nil, err
	}
	if st == nil {
		st = New(j.bootID)
		st.Lineage = j.lineage
	}
	if st.Serial > j.serial && st.Lineage == j.lineage {
		return st, nil, nil // killed between saving the document and removing the journal
	}
	if err := j.fits(st); err != nil {
		return nil, nil, err
	}
	if len(j.entries) == 0 {
		return st, nil, nil // killed before the kernel was asked for anything
	}
	return st, j.fold(st), nil
}

// first gives the empty state of a folder that has none. Its lineage is kept, if the store has
// the lock: marks and MAC addresses follow from it, so that a plan says what the apply after
// it will make.
func (s *Store) first(bootID string) (*State, error) {
	st := New(bootID)
	kept, err := readRegular(s.path(lineageFile))
	if err == nil && uuid.Validate(string(kept)) == nil {
		st.Lineage = string(kept)
		return st, nil
	}
	if s.lock == nil {
		return st, nil
	}
	if err := writeSynced(s.path(lineageFile), []byte(st.Lineage)); err != nil {
		return nil, fmt.Errorf("keep lineage: %w", err)
	}
	return st, nil
}

// readDocument gives nil where there is none.
func (s *Store) readDocument() (*State, error) {
	data, err := readRegular(s.path(File))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	return decode(s.path(File), data)
}

// readJournal gives nil where there is none, or none that has begun.
func (s *Store) readJournal() (*recorded, error) {
	data, err := readRegular(s.path(journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	return decodeJournal(s.path(journalFile), data)
}

// Begin starts the journal of a run that changes what base describes: the state that Load
// gave. Where the document on disk does not say the same, base becomes the document first:
// when a journal was folded in, and when the caller has given base another boot id, having
// dropped from it what the reboot has; then its serial grows. ErrStale says that base is not
// what Load gives now. Begin needs the lock.
func (s *Store) Begin(base *State) (*Journal, error) {
	if s.lock == nil {
		return nil, fmt.Errorf("begin journal: %w", ErrNotLocked)
	}
	if s.journal != nil {
		return nil, errors.New("begin journal: one is open already, which is a bug")
	}
	onDisk, recovery, err := s.Load()
	if err != nil {
		return nil, err
	}
	if onDisk.Serial != base.Serial || onDisk.Serial > 0 && onDisk.Lineage != base.Lineage {
		return nil, fmt.Errorf("begin journal: %w", ErrStale)
	}
	rebooted := onDisk.Serial > 0 && onDisk.BootID != base.BootID
	if rebooted && recovery == nil {
		base.Serial++
	}
	if rebooted || recovery != nil {
		if err := s.Save(base); err != nil {
			return nil, err
		}
	}
	j, err := createJournal(s.path(journalFile), begin{
		format:  Format,
		lineage: base.Lineage,
		serial:  base.Serial,
		bootID:  base.BootID,
		command: s.lock.info.Command,
	})
	if err != nil {
		return nil, err
	}
	s.journal = j
	return j, nil
}

// Save makes st the document, keeps the one before as the backup, and then removes the
// journal, which st must contain. st.Serial must be greater than the recorded one, and the
// lineage the same, else Save gives ErrStale. Save needs the lock.
func (s *Store) Save(st *State) error {
	if s.lock == nil {
		return fmt.Errorf("save state: %w", ErrNotLocked)
	}
	data, err := encode(st)
	if err != nil {
		return err
	}
	if err := s.checkSerial(st); err != nil {
		return err
	}
	if s.journal != nil {
		if err := s.journal.Close(); err != nil {
			return err
		}
		s.journal = nil
	}
	if err := s.replaceDocument(data); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	if err := removeIfThere(s.path(lineageFile)); err != nil {
		return fmt.Errorf("remove lineage: %w", err)
	}
	// Only now: until the document is in place, the journal is the only record.
	failpoint.Hit("state.remove_journal.before")
	if err := removeIfThere(s.path(journalFile)); err != nil {
		return fmt.Errorf("remove journal: %w", err)
	}
	failpoint.Hit("state.remove_journal.after")
	return nil
}

func (s *Store) checkSerial(st *State) error {
	if st.Serial == 0 {
		return errors.New("save state: serial 0 is that of a state never saved, which is a bug")
	}
	data, err := readRegular(s.path(File))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	lineage, serial, err := decodeHeader(s.path(File), data)
	if err != nil {
		return err
	}
	if lineage != st.Lineage || serial >= st.Serial {
		return fmt.Errorf("save state with serial %d over serial %d: %w", st.Serial, serial, ErrStale)
	}
	return nil
}

func (s *Store) replaceDocument(data []byte) error {
	temp := s.path(File + ".tmp")
	failpoint.Hit("state.write.before")
	if err := writeSynced(temp, data); err != nil {
		return err
	}
	failpoint.Hit("state.write.after")
	if err := s.keepBackup(); err != nil {
		return err
	}
	failpoint.Hit("state.rename.before")
	if err := os.Rename(temp, s.path(File)); err != nil {
		return err
	}
	failpoint.Hit("state.rename.after")
	return syncDir(s.dir)
}

// keepBackup gives the present document its second name. It is never out of its first one.
func (s *Store) keepBackup() error {
	temp := s.path(BackupFile + ".tmp")
	if err := removeIfThere(temp); err != nil {
		return err
	}
	failpoint.Hit("state.backup.before")
	if err := linkOrCopy(s.path(File), temp); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the first save
		}
		return err
	}
	failpoint.Hit("state.backup.after")
	return os.Rename(temp, s.path(BackupFile))
}

// linkOrCopy copies only on a file system without hard links.
func linkOrCopy(from, to string) error {
	linkErr := os.Link(from, to)
	if linkErr == nil || errors.Is(linkErr, fs.ErrNotExist) {
		return linkErr
	}
	data, err := readRegular(from)
	if err != nil {
		return errors.Join(linkErr, err)
	}
	return writeSynced(to, data)
}

// writeSynced makes a new file, readable by its owner alone: attributes may be secrets.
func writeSynced(path string, data []byte) error {
	if err := removeIfThere(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes a new name in the folder last: fsync(2) of the file alone does not.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
