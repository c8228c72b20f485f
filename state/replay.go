package state

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"

	"github.com/diyform/diyform/internal/addr"
)

// Interrupted is an intent that has no outcome: the run was killed while the kernel was asked.
type Interrupted struct {
	Address addr.Instance
	Action  Action
}

const journalAdvice = "To go on without it, move it away and run a plan; " +
	"what the interrupted run made is then not on record."

const fitAdvice = "If " + File + " was removed or replaced, put it back; " +
	"to go on without what the journal records, move the journal away and run a plan."

var (
	beginShape = shape{"a begin entry", []member{
		{"entry", true}, {"format", true}, {"lineage", true}, {"serial", true}, {"boot_id", true},
		{"command", true},
	}}
	stepShape = shape{"an intent or outcome", []member{
		{"entry", true}, {"action", true}, {"address", true}, {"deposed", false}, {"error", false}, {"resource", true},
	}}
	endShape = shape{"an end entry", []member{{"entry", true}}}
)

// recorded is a journal as it was read.
type recorded struct {
	begin
	file    string
	entries []Entry
	ended   bool
}

// decodeJournal gives nil for a journal that was killed before its first line was whole.
// A last line without its newline was being written when the process was killed; so nobody
// relied on it, and it is left out.
func decodeJournal(file string, data []byte) (*recorded, error) {
	j := &recorded{file: file}
	for number := 1; ; number++ {
		line, rest, whole := bytes.Cut(data, []byte{'\n'})
		if !whole {
			break
		}
		data = rest
		if err := j.readLine(number, line); err != nil {
			return nil, err
		}
	}
	if j.format == 0 {
		return nil, nil
	}
	return j, nil
}

func (j *recorded) readLine(number int, line []byte) error {
	err := checkSum(line)
	if err == nil {
		c := newCursor(line)
		c.pos = sumLength
		if err = j.readEntry(c); err == nil {
			err = c.end()
		}
	}
	if err == nil {
		return nil
	}
	err = damaged(j.file, line, journalAdvice, err)
	if d := (*DamagedError)(nil); errors.As(err, &d) {
		d.Line = number
	}
	return err
}

// sumLength is that of the checksum and the space at the begin of a line.
const sumLength = 9

func checkSum(line []byte) error {
	if len(line) < sumLength || line[sumLength-1] != ' ' {
		return problemAt(0, "the line does not begin with a checksum")
	}
	want, err := strconv.ParseUint(string(line[:sumLength-1]), 16, 32)
	if err != nil {
		return problemAt(0, "the line does not begin with a checksum")
	}
	if got := crc32.Checksum(line[sumLength:], castagnoli); uint64(got) != want {
		return problemAt(0, "the line's checksum is %08x, and %08x is recorded: the file was damaged or edited", got, want)
	}
	return checkText(line)
}

func (j *recorded) readEntry(c *cursor) error {
	start := c.start()
	if err := c.seek("a journal entry", "entry"); err != nil {
		return err
	}
	kind, err := c.string()
	if err != nil {
		return err
	}
	c.pos = start
	switch {
	case (kind == kindBegin) != (j.format == 0):
		return problemAt(start, "the journal has its begin entry first, and only there; found %q", kind)
	case j.ended:
		return problemAt(start, "an entry %q stands after the end entry", kind)
	}
	switch kind {
	case kindBegin:
		return c.begin(j)
	case kindEnd:
		j.ended = true
		return c.object(&endShape, func(string) error { return c.skip() })
	case kindIntent, kindOutcome:
		entry, err := c.step(kind)
		j.entries = append(j.entries, entry)
		return err
	}
	return problemAt(start, "unknown entry %q", kind)
}

func (c *cursor) begin(j *recorded) error {
	return c.object(&beginShape, func(key string) (err error) {
		switch key {
		case "entry":
			err = c.skip()
		case "format":
			err = c.journalFormat(j)
		case "lineage":
			j.lineage, err = c.lineage()
		case "serial":
			j.serial, err = c.number(64)
		case "boot_id":
			j.bootID, err = c.string()
		case "command":
			j.command, err = c.string()
		}
		return err
	})
}

// journalFormat refuses an older format too: a journal lives until the next run only, and the
// version that wrote it can fold it into the document, which is migrated.
func (c *cursor) journalFormat(j *recorded) (err error) {
	at := c.start()
	if j.format, err = c.int(); err != nil {
		return err
	}
	if j.format > Format {
		return &NewerFormatError{File: j.file, Format: j.format, Known: Format}
	}
	if j.format < Format {
		return problemAt(at, "the journal has format %d, and this diyform folds only format %d: run an apply with the version that wrote it", j.format, Format)
	}
	return nil
}

func (c *cursor) step(kind string) (Entry, error) {
	start := c.start()
	entry := Entry{kind: kind}
	err := c.object(&stepShape, func(key string) (err error) {
		switch key {
		case "entry":
			err = c.skip()
		case "action":
			entry.action, err = c.action()
		case "address":
			entry.address, err = c.address()
		case "deposed":
			entry.deposed, err = c.bool()
		case "error":
			entry.problem, err = c.string()
		case "resource":
			entry.resource, err = c.journalResource()
		}
		return err
	})
	if err != nil {
		return entry, err
	}
	if entry.resource != nil {
		entry.resource.Address = entry.address
	}
	if err := entry.check(); err != nil {
		return entry, problemAt(start, "%s", err)
	}
	return entry, nil
}

func (c *cursor) action() (Action, error) {
	at := c.start()
	s, err := c.string()
	if err != nil {
		return "", err
	}
	if !Action(s).valid() {
		return "", problemAt(at, "unknown action %q; it is one of %q, %q, %q", s, Create, Update, Delete)
	}
	return Action(s), nil
}

// journalResource gives nil for null: the resource is gone.
func (c *cursor) journalResource() (*Resource, error) {
	if c.peek() == 'n' {
		raw, err := c.raw()
		if err == nil && !absent(raw) {
			err = c.unexpected("null")
		}
		return nil, err
	}
	r := &Resource{}
	err := c.object(&journalResourceShape, func(key string) error { return c.resourceMember(r, key) })
	return r, err
}

// fits checks that the journal was begun on this document.
func (j *recorded) fits(st *State) error {
	var text string
	switch {
	case j.lineage != st.Lineage:
		text = fmt.Sprintf("the journal is of another state: its lineage is %s, the document's %s", j.lineage, st.Lineage)
	case j.serial != st.Serial:
		text = fmt.Sprintf("the journal builds on serial %d, and the document has serial %d", j.serial, st.Serial)
	case j.bootID != st.BootID:
		text = "the journal and the document are of different boots"
	default:
		return nil
	}
	return &DamagedError{File: j.file, Line: 1, Column: 1, Problem: text, Advice: fitAdvice}
}

// fold brings what the journal records into the state. The serial grows: a plan made from the
// state without the journal is stale.
func (j *recorded) fold(st *State) *Recovery {
	st.Serial = j.serial + 1
	open := map[step]Entry{}
	for _, entry := range j.entries {
		if entry.kind == kindIntent {
			open[entry.of()] = entry
			continue
		}
		delete(open, entry.of())
		st.settleEntry(entry)
	}
	recovery := &Recovery{Command: j.command}
	for of, intent := range open {
		recovery.Unfinished = append(recovery.Unfinished, Interrupted{of.address, intent.action})
		st.settleOpen(intent)
	}
	slices.SortFunc(recovery.Unfinished, func(a, b Interrupted) int { return a.Address.Compare(b.Address) })
	return recovery
}

// unfinished gives what is recorded of a resource whose intent has no outcome. The identity
// is the intended one: it holds what had to be on record before the kernel was asked, such as
// the old value that a destroy gives back. The attributes of an update are those from before,
// until the kernel is read.
func (entry Entry) unfinished(before *Resource) *Resource {
	intended := entry.resource
	switch {
	case entry.action == Create || before == nil:
		if intended == nil {
			return nil
		}
		return intended.withStatus(Unfinished)
	case intended == nil || absent(intended.Identity):
		return before.withStatus(Unfinished)
	}
	r := before.withStatus(Unfinished)
	r.Identity = intended.Identity
	return r
}
