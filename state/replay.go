package state

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"

	"github.com/diyform/diyform/internal/addr"
)

// Unfinished is an intent that has no outcome: the run was killed while the kernel was asked.
type Unfinished struct {
	Address addr.Instance
	Action  Action
}

const journalAdvice = "What it records from there on is lost. To go on without it, move it away " +
	"and run a plan: objects that carry the owner mark are then refused until they are removed or imported."

var (
	beginShape = shape{"a begin entry", []member{
		{"entry", true}, {"format", true}, {"lineage", true}, {"serial", true}, {"boot_id", true},
		{"command", true},
	}}
	stepShape = shape{"an intent or outcome", []member{
		{"entry", true}, {"action", true}, {"address", true}, {"error", false}, {"resource", true},
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
	body, err := checked(line)
	if err == nil {
		err = j.readEntry(newCursor(body))
	}
	if err == nil {
		return nil
	}
	at := damaged(j.file, line, journalAdvice, err)
	if d, ok := at.(*DamagedError); ok {
		d.Line = number
	}
	return at
}
