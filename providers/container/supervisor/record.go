package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/providers/container/output"
)

const (
	containersName = "containers"
	recordName     = "record.json"
	outputName     = "output"
	outputLogName  = "log"

	recordFormat = 1
)

// Record is what is on disk of a container. It is written before what it tells is done, and
// again after.
type Record struct {
	Format int    `json:"format"`
	BootID string `json:"boot_id"`
	// Launching says that a run may have been begun of which nothing else is recorded.
	Launching bool `json:"launching,omitempty"`
	// Init says that the first process is an init of ours, which gets all signals.
	Init bool `json:"init,omitempty"`
	// Lasting is what netns.Namespace.Lasting gives for the network namespace, where that has
	// a name of ours.
	Lasting string `json:"lasting,omitempty"`
	// Streak counts the restarts right after one another.
	Streak int `json:"streak,omitempty"`
	Status
}

// folder is a container's runtime folder.
type folder string

func folderOf(dir, id string) folder { return folder(filepath.Join(dir, containersName, id)) }

func (f folder) file(name string) string { return filepath.Join(string(f), name) }

// prepare makes the folder and its FIFOs.
func (f folder) prepare(stdin bool) error {
	failpoint.Hit("supervisor.folder.before")
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return fmt.Errorf("make container's folder: %w", err)
	}
	failpoint.Hit("supervisor.folder.after")
	if err := output.MakePipes(string(f), stdin); err != nil {
		return err
	}
	failpoint.Hit("supervisor.fifo.after")
	return nil
}

// save replaces the record at once. It is not synced: it tells of processes, which do not
// survive what a sync would help against.
func (f folder) save(r Record) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode container's record: %w", err)
	}
	failpoint.Hit("supervisor.record.before")
	next := f.file(recordName + ".next")
	if err := os.WriteFile(next, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write container's record: %w", err)
	}
	if err := os.Rename(next, f.file(recordName)); err != nil {
		return fmt.Errorf("replace container's record: %w", err)
	}
	failpoint.Hit("supervisor.record.after")
	return nil
}

// load reads the record. fs.ErrNotExist says that the folder was made just before a crash,
// or was being removed.
func (f folder) load() (Record, error) {
	text, err := os.ReadFile(f.file(recordName))
	if err != nil {
		return Record{}, fmt.Errorf("read container's record: %w", err)
	}
	var r Record
	if err := decodeStrict(text, &r); err != nil {
		return Record{}, fmt.Errorf("decode container's record %s: %w", f.file(recordName), err)
	}
	if r.Format != recordFormat {
		return Record{}, fmt.Errorf("decode container's record %s: its format is %d, and this diyform knows %d",
			f.file(recordName), r.Format, recordFormat)
	}
	return r, nil
}

// Records gives the records of all stacks whose runtime folders are below root, also of
// containers that do not run at the moment, and whoever supervises them.
func Records(root string) ([]Record, error) {
	folders, err := filepath.Glob(filepath.Join(root, "*", containersName, "*"))
	if err != nil {
		return nil, fmt.Errorf("find containers: %w", err)
	}
	var list []Record
	for _, f := range folders {
		r, err := folder(f).load()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// remove removes the folder. The record goes last but for the folder itself: as long as
// there is anything, it says what.
func (f folder) remove() error {
	entries, err := os.ReadDir(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove container's folder: %w", err)
	}
	failpoint.Hit("supervisor.remove.before")
	for _, e := range entries {
		if e.Name() == recordName {
			continue
		}
		if err := os.RemoveAll(f.file(e.Name())); err != nil {
			return fmt.Errorf("remove container's folder: %w", err)
		}
	}
	failpoint.Hit("supervisor.remove.record")
	if err := os.RemoveAll(string(f)); err != nil {
		return fmt.Errorf("remove container's folder: %w", err)
	}
	failpoint.Hit("supervisor.remove.after")
	return nil
}
