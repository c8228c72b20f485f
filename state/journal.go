package state

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/failpoint"
)

// The journal is a text file. Each line is one entry: the CRC-32C of its JSON in eight hex
// digits, a space, the JSON.
//
//	begin    first; what the journal builds on
//	intent   what the kernel is about to be asked
//	outcome  what is now recorded of the resource
//	end      last; the run ended in order
const (
	kindBegin   = "begin"
	kindIntent  = "intent"
	kindOutcome = "outcome"
	kindEnd     = "end"
)

// Action is what is done to a resource.
type Action string

const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

func (a Action) valid() bool { return a == Create || a == Update || a == Delete }

// Entry is an intent or an outcome: see Intent and Outcome.
type Entry struct {
	kind     string
	action   Action
	address  addr.Instance
	resource *Resource
	problem  string
	deposed  bool // see Depose
}

// Intent says that the kernel is about to be asked. The resource is what will be recorded if
// that succeeds, as far as it is known: unknown attributes are null. Its identity is what a
// probe can find the object by, with what a destroy needs to give back; it replaces the
// recorded identity if the run is killed here, so that of an update holds what is still
// needed from before. A delete may leave the resource nil.
func Intent(action Action, address addr.Instance, resource *Resource) Entry {
	return Entry{kind: kindIntent, action: action, address: address, resource: resource}
}

// Outcome says what is now recorded of the resource, nil if it is gone. A failure has the
// error's text in problem, and the resource as the failure has left it.
func Outcome(action Action, address addr.Instance, resource *Resource, problem string) Entry {
	return Entry{kind: kindOutcome, action: action, address: address, resource: resource, problem: strings.ToValidUTF8(problem, "\uFFFD")}
}

// begin is the first line: the document that the journal builds on, and who builds.
type begin struct {
	format  int
	lineage string
	serial  uint64
	bootID  string
	command string
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Journal records a run while it is under way. It may be used by several goroutines.
type Journal struct {
	mu     sync.Mutex
	file   *os.File
	size   int64
	broken error // the first write that failed, after which nothing is written
}

// createJournal makes the file and its first line last through a power loss.
func createJournal(path string, b begin) (*Journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("begin journal: %w", err)
	}
	f, err := openRegular(path, os.O_WRONLY|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("begin journal: %w", err)
	}
	j := &Journal{file: f}
	line, err := b.line()
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		err = j.write(line)
	}
	if err == nil {
		err = errors.Join(f.Sync(), syncDir(filepath.Dir(path)))
	}
	if err != nil {
		return nil, fmt.Errorf("begin journal: %w", errors.Join(err, f.Close()))
	}
	return j, nil
}

// Append records entries by one write(2) for all of them, before it returns. After a write
// that failed, every Append fails.
//
// It does not sync. A process that is killed leaves what it has written in the page cache,
// where the next run reads it. Only a power loss takes that, and with it all that the entries
// speak of: links, namespaces, rules, processes, sysctls live in the kernel's memory.
// fdatasync(2) would make an entry more than 20 times as dear, for nothing.
func (j *Journal) Append(entries ...Entry) error {
	if len(entries) == 0 {
		return nil
	}
	var lines []byte
	for _, entry := range entries {
		line, err := entry.line()
		if err != nil {
			return err
		}
		lines = append(lines, line...)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.write(lines)
}

// Close records that the run ended in order. What follows is Store.Save.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	var err error
	if j.broken == nil {
		var e encoder
		e.open('{')
		e.key("entry").string(kindEnd)
		e.close('}')
		err = j.write(e.line())
	}
	err = errors.Join(err, j.file.Close())
	j.file = nil
	return err
}

func (j *Journal) write(lines []byte) error {
	if j.file == nil {
		return errors.New("write journal: it is closed, which is a bug")
	}
	if j.broken != nil {
		return j.broken
	}
	failpoint.Hit("journal.before")
	n, err := j.file.Write(lines)
	failpoint.Hit("journal.after")
	if err == nil {
		j.size += int64(n)
		return nil
	}
	// A torn line may only be the last one.
	j.broken = fmt.Errorf("write journal: %w", errors.Join(err, j.file.Truncate(j.size)))
	return j.broken
}

func (b begin) line() ([]byte, error) {
	var e encoder
	e.open('{')
	e.key("entry").string(kindBegin)
	e.key("format").int(b.format)
	e.key("lineage").string(b.lineage)
	e.key("serial").uint(b.serial)
	e.key("boot_id").string(b.bootID)
	e.key("command").string(b.command)
	e.close('}')
	return e.line(), e.err
}

func (entry Entry) line() ([]byte, error) {
	if err := entry.check(); err != nil {
		return nil, fmt.Errorf("journal %s: %w", entry.address, err)
	}
	var e encoder
	e.open('{')
	e.key("entry").string(entry.kind)
	e.key("action").string(string(entry.action))
	e.key("address").string(entry.address.String())
	if entry.deposed {
		e.key("deposed").bool(true)
	}
	if entry.problem != "" {
		e.key("error").string(entry.problem)
	}
	switch e.key("resource"); entry.resource {
	case nil:
		e.null()
	default:
		e.open('{')
		e.resource(entry.resource)
		e.close('}')
	}
	e.close('}')
	if e.err != nil {
		return nil, fmt.Errorf("journal %s: %w", entry.address, e.err)
	}
	return e.line(), nil
}

// check finds what the reader would refuse.
func (entry Entry) check() error {
	switch {
	case entry.kind != kindIntent && entry.kind != kindOutcome:
		return errors.New("the entry is neither an intent nor an outcome, which is a bug")
	case !entry.action.valid():
		return fmt.Errorf("the action %q is unknown, which is a bug", entry.action)
	case entry.deposed && entry.action == Update:
		return errors.New("an update of a deposed object, which is a bug")
	case entry.resource != nil:
		return entry.resource.check(entry.address)
	case entry.kind == kindIntent && entry.action != Delete:
		return fmt.Errorf("an intent to %s without a resource, which is a bug", entry.action)
	}
	return nil
}

// line gives what was encoded as a line of the journal.
func (e *encoder) line() []byte {
	json := e.buf.Bytes()
	line := make([]byte, 0, len(json)+10)
	line = fmt.Appendf(line, "%08x ", crc32.Checksum(json, castagnoli))
	line = append(line, json...)
	return append(line, '\n')
}
