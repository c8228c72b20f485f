package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/linux/bootid"
)

func TestLoadWithoutDocument(t *testing.T) {
	dir := t.TempDir()
	st, recovery := load(t, dir)
	boot, err := bootid.Read()
	if err != nil {
		t.Fatal(err)
	}
	if st.Serial != 0 || st.BootID != boot || len(st.Lineage) != 36 || recovery != nil {
		t.Errorf("got %+v, %+v", st, recovery)
	}
	if again, _ := load(t, dir); again.Lineage == st.Lineage {
		t.Error("two new states have one lineage")
	}
	equal(t, "files", names(t, dir), []string(nil))
}

func TestFirstPlanKeepsLineage(t *testing.T) {
	dir := t.TempDir()
	s := locked(t, dir)
	planned, _, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	applied, _ := load(t, dir)
	equal(t, "lineage", applied.Lineage, planned.Lineage)
	applied.Serial++
	save(t, s, applied)
	equal(t, "files", names(t, dir), []string{".diyform/lock", File})
}

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	s := locked(t, dir)
	first := stateOf(link(t, "veth_pair.a", "1500"))
	save(t, s, first)
	got, recovery := load(t, dir)
	equal(t, "loaded", text(t, got), text(t, first))
	if recovery != nil {
		t.Errorf("recovery: %+v", recovery)
	}
	equal(t, "files", names(t, dir), []string{".diyform/lock", File})

	before := read(t, dir, File)
	got.Serial++
	delete(got.Resources, address(t, "veth_pair.a"))
	save(t, s, got)
	equal(t, "backup", string(read(t, dir, BackupFile)), string(before))
	equal(t, "files", names(t, dir), []string{".diyform/lock", File, BackupFile})
	for _, name := range names(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "mode of "+name, info.Mode().String(), "-rw-------")
	}
	got.Serial++
	save(t, s, got) // over a backup that exists
}

func TestSaveRefuses(t *testing.T) {
	dir := t.TempDir()
	s := locked(t, dir)
	save(t, s, stateOf(link(t, "veth_pair.a", "1500")))
	before := read(t, dir, File)
	changed := func(change func(*State)) *State {
		st := stateOf()
		st.Serial = 2
		change(st)
		return st
	}
	tests := []struct {
		name  string
		store *Store
		state *State
		want  error
	}{
		{"without the lock", Open(dir), changed(func(*State) {}), ErrNotLocked},
		{"the same serial", s, changed(func(st *State) { st.Serial = 1 }), ErrStale},
		{"another lineage", s, changed(func(st *State) { st.Lineage = otherLineage }), ErrStale},
		{"serial 0", s, changed(func(st *State) { st.Serial = 0 }), nil},
		{"what cannot be written", s, changed(func(st *State) { st.Lineage = "" }), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.store.Save(tt.state)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			equal(t, "document", string(read(t, dir, File)), string(before))
		})
	}
}

// A damaged document is neither used nor overwritten nor made the backup.
func TestDamagedDocument(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, File), []byte(`{"format": 1}`))
	s := locked(t, dir)
	damaged := (*DamagedError)(nil)
	if _, _, err := s.Load(); !errors.As(err, &damaged) {
		t.Errorf("Load: %v", err)
	}
	if _, err := s.Begin(stateOf()); !errors.As(err, &damaged) {
		t.Errorf("Begin: %v", err)
	}
	if err := s.Save(stateOf()); !errors.As(err, &damaged) {
		t.Errorf("Save: %v", err)
	}
	equal(t, "files", names(t, dir), []string{".diyform/lock", File})
}

func TestUnreadableFiles(t *testing.T) {
	for _, name := range []string{File, journalFile} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
			s := locked(t, dir)
			if _, _, err := s.Load(); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("Load: %v", err)
			}
			if _, err := s.Begin(stateOf()); err == nil {
				t.Error("Begin: no error")
			}
		})
	}
}

// A folder that is missing or not a folder is named by the error.
func TestNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	if _, err := Open(file).Lock(t.Context(), LockInfo{}, 0, nil); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}

// On a file system without hard links the backup is a copy. Linking across file systems
// fails in the same way.
func TestBackupByCopy(t *testing.T) {
	const proc = "/proc/self/cmdline"
	to := filepath.Join(t.TempDir(), "copy")
	if err := linkOrCopy(proc, to); err != nil {
		t.Fatal(err)
	}
	equal(t, "copy", string(read(t, to)), string(read(t, proc)))
}

func TestBegin(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir).Begin(stateOf()); !errors.Is(err, ErrNotLocked) {
		t.Errorf("without the lock: %v", err)
	}
	s := locked(t, dir)
	st := stateOf(link(t, "veth_pair.a", "1500"))
	save(t, s, st)

	for name, change := range map[string]func(*State){
		"serial":  func(st *State) { st.Serial = 5 },
		"lineage": func(st *State) { st.Lineage = otherLineage },
	} {
		other := stateOf()
		change(other)
		if _, err := s.Begin(other); !errors.Is(err, ErrStale) {
			t.Errorf("another %s: %v", name, err)
		}
	}

	if _, err := s.Begin(st); err != nil {
		t.Fatal(err)
	}
	equal(t, "serial", st.Serial, uint64(1))
	if _, err := s.Begin(st); err == nil {
		t.Error("a second journal was begun")
	}
}

// After a reboot base holds what the refresh found, and becomes the document before the
// journal mixes identities of two boots.
func TestBeginAfterReboot(t *testing.T) {
	dir := t.TempDir()
	s := locked(t, dir)
	st := stateOf(link(t, "veth_pair.a", "1500"))
	save(t, s, st)
	now := stateOf()
	now.BootID = "another boot"
	if _, err := s.Begin(now); err != nil {
		t.Fatal(err)
	}
	equal(t, "serial", now.Serial, uint64(2))
	got, _ := load(t, dir)
	equal(t, "document", text(t, got), text(t, now))
}

// The first run has no document to build on: the journal alone carries lineage and boot.
func TestBeginWithoutDocument(t *testing.T) {
	dir := t.TempDir()
	s := locked(t, dir)
	base, _ := load(t, dir)
	j, err := s.Begin(base)
	if err != nil {
		t.Fatal(err)
	}
	got, recovery := load(t, dir)
	equal(t, "loaded", text(t, got), text(t, base))
	if recovery != nil {
		t.Errorf("nothing was asked of the kernel, but: %+v", recovery)
	}
	a := link(t, "veth_pair.a", "1500")
	if err := j.Append(Intent(Create, a.Address, a)); err != nil {
		t.Fatal(err)
	}
	got, recovery = load(t, dir)
	equal(t, "lineage", got.Lineage, base.Lineage)
	equal(t, "serial", got.Serial, uint64(1))
	equal(t, "recovery", recovery, &Recovery{
		Command:    "diyform apply",
		Unfinished: []Interrupted{{a.Address, Create}},
	})
}

// The journal is folded into the document before the next one begins.
func TestBeginFolds(t *testing.T) {
	dir := t.TempDir()
	a := link(t, "veth_pair.a", "1500")
	func() {
		s := Open(dir)
		l, err := s.Lock(t.Context(), LockInfo{Command: "diyform apply"}, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Unlock()
		save(t, s, stateOf())
		j, err := s.Begin(stateOf())
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Append(Intent(Create, a.Address, a), Outcome(Create, a.Address, a, "")); err != nil {
			t.Fatal(err)
		}
	}()

	s := locked(t, dir)
	if _, err := s.Begin(stateOf()); !errors.Is(err, ErrStale) {
		t.Errorf("a state without the journal: %v", err)
	}
	base, recovery := load(t, dir)
	equal(t, "recovery", recovery, &Recovery{Command: "diyform apply"})
	if _, err := s.Begin(base); err != nil {
		t.Fatal(err)
	}
	equal(t, "serial", base.Serial, uint64(2))
	want := stateOf(a)
	want.Serial = 2
	got, err := decode(File, read(t, dir, File))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "document", text(t, got), text(t, want))
	equal(t, "lines of the new journal", strings.Count(string(read(t, dir, journalFile)), "\n"), 1)
}
