package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/diyform/diyform/internal/addr"
)

// DamagedError says where a file of the state cannot be used, and what to do.
type DamagedError struct {
	File         string
	Line, Column int // from 1; the column counts bytes
	Problem      string
	Advice       string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s. %s", e.File, e.Line, e.Column, e.Problem, e.Advice)
}

const documentAdvice = "If it was changed by hand, undo that; else restore it from " + BackupFile + "."

var (
	documentShape = shape{"the state", []member{
		{"format", true}, {"lineage", true}, {"serial", true}, {"boot_id", true},
		{"outputs", true}, {"resources", true}, {"deposed", false},
	}}
	outputShape = shape{"an output", []member{
		{"type", true}, {"value", true}, {"sensitive", false},
	}}
	resourceMembers = []member{
		{"schema_version", true}, {"status", true}, {"attributes", false}, {"identity", false},
		{"sensitive", false}, {"dependencies", false}, {"stays", false}, {"known_as", false}, {"made_as", false},
	}
	resourceShape        = shape{"a resource", append([]member{{"address", true}}, resourceMembers...)}
	journalResourceShape = shape{"a resource", resourceMembers}
)

// decode reads the document in any format up to Format.
func decode(file string, data []byte) (*State, error) {
	migrated, err := migrate(file, data, Format, migrations)
	if err != nil {
		return nil, err
	}
	st := &State{
		Format:    Format,
		Outputs:   map[string]*Output{},
		Resources: map[addr.Instance]*Resource{},
	}
	c := newCursor(migrated)
	err = c.object(&documentShape, func(key string) error { return c.documentMember(st, key) })
	if err == nil {
		err = c.end()
	}
	if err != nil {
		return nil, damaged(file, migrated, documentAdvice, err)
	}
	return st, nil
}

// decodeHeader reads which document it is, and stops there.
func decodeHeader(file string, data []byte) (lineage string, serial uint64, err error) {
	migrated, err := migrate(file, data, Format, migrations)
	if err != nil {
		return "", 0, err
	}
	lineageAt, serialAt := &cursor{data: migrated}, &cursor{data: migrated}
	if err = lineageAt.seek("the state", "lineage"); err == nil {
		lineage, err = lineageAt.lineage()
	}
	if err == nil {
		err = serialAt.seek("the state", "serial")
	}
	if err == nil {
		serial, err = serialAt.number(64)
	}
	if err != nil {
		return "", 0, damaged(file, migrated, documentAdvice, err)
	}
	return lineage, serial, nil
}

func (c *cursor) documentMember(st *State, key string) (err error) {
	switch key {
	case "format":
		_, err = c.int()
	case "lineage":
		st.Lineage, err = c.lineage()
	case "serial":
		st.Serial, err = c.number(64)
	case "boot_id":
		st.BootID, err = c.string()
	case "outputs":
		err = c.outputs(st.Outputs)
	case "resources":
		err = c.array("the resources", func() error { return c.documentResource(st.Resources) })
	case "deposed":
		st.Deposed = map[addr.Instance]*Resource{}
		err = c.array("the deposed objects", func() error { return c.documentResource(st.Deposed) })
	}
	return err
}

func (c *cursor) lineage() (string, error) {
	at := c.start()
	s, err := c.string()
	if err != nil {
		return "", err
	}
	if err := checkLineage(s); err != nil {
		return "", problemAt(at, "%s", err)
	}
	return s, nil
}

func (c *cursor) outputs(into map[string]*Output) error {
	return c.entries("the outputs", func(at int, name string) error {
		if into[name] != nil {
			return problemAt(at, "output %q stands twice", name)
		}
		o := &Output{}
		into[name] = o
		return c.object(&outputShape, func(key string) (err error) {
			switch key {
			case "type":
				o.Type, err = c.raw()
			case "value":
				o.Value, err = c.raw()
			case "sensitive":
				o.Sensitive, err = c.bool()
			}
			return err
		})
	})
}

func (c *cursor) documentResource(into map[addr.Instance]*Resource) error {
	r := &Resource{}
	var at int
	err := c.object(&resourceShape, func(key string) (err error) {
		if key == "address" {
			at = c.start()
			r.Address, err = c.address()
			return err
		}
		return c.resourceMember(r, key)
	})
	if err != nil {
		return err
	}
	if into[r.Address] != nil {
		return problemAt(at, "resource %s stands twice", r.Address)
	}
	into[r.Address] = r
	return nil
}

func (c *cursor) resourceMember(r *Resource, key string) (err error) {
	switch key {
	case "schema_version":
		r.SchemaVersion, err = c.int()
	case "status":
		r.Status, err = c.status()
	case "attributes":
		r.Attributes, err = c.rawObject()
	case "identity":
		r.Identity, err = c.identity()
	case "sensitive":
		r.Sensitive, err = c.strings("the sensitive paths")
	case "dependencies":
		r.Dependencies, err = c.strings("the dependencies")
	case "stays":
		r.Stays, err = c.bool()
	case "known_as":
		r.KnownAs, err = c.address()
	case "made_as":
		r.MadeAs, err = c.address()
	}
	return err
}

func (c *cursor) address() (addr.Instance, error) {
	at := c.start()
	s, err := c.string()
	if err != nil {
		return addr.Instance{}, err
	}
	a, err := addr.Parse(s)
	if err != nil {
		return addr.Instance{}, problemAt(at, "bad address: %s", err)
	}
	return a, nil
}

func (c *cursor) status() (Status, error) {
	at := c.start()
	s, err := c.string()
	if err != nil {
		return "", err
	}
	if !Status(s).valid() {
		return "", problemAt(at, "unknown status %q; it is one of %q, %q, %q", s, Ready, Tainted, Unfinished)
	}
	return Status(s), nil
}

// identity is any value but null: without one, the key is left out.
func (c *cursor) identity() (json.RawMessage, error) {
	at := c.start()
	raw, err := c.raw()
	if err == nil && absent(raw) {
		err = problemAt(at, "the identity is null")
	}
	return raw, err
}

// checkText finds what no JSON text may be.
func checkText(data []byte) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return problemAt(0, "the file is empty")
	}
	if utf8.Valid(data) {
		return nil
	}
	at := 0
	for {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			return problemAt(at, "byte 0x%02x is not UTF-8", data[at])
		}
		at += size
	}
}

// damaged turns a problem's offset into a line and a column.
func damaged(file string, data []byte, advice string, err error) error {
	p := (*problem)(nil)
	if !errors.As(err, &p) {
		return fmt.Errorf("read %s: %w", file, err)
	}
	before := data[:min(p.offset, len(data))]
	return &DamagedError{
		File:    file,
		Line:    bytes.Count(before, []byte{'\n'}) + 1,
		Column:  len(before) - bytes.LastIndexByte(before, '\n'),
		Problem: p.text,
		Advice:  advice,
	}
}
