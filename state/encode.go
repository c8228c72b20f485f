package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/diyform/diyform/internal/addr"
)

// encode gives the document's bytes: the same state gives the same bytes.
func encode(st *State) ([]byte, error) {
	if err := checkLineage(st.Lineage); err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	var e encoder
	e.buf.Grow(sizeHint(st))
	e.open('{')
	e.key("format").int(Format)
	e.key("lineage").string(st.Lineage)
	e.key("serial").uint(st.Serial)
	e.key("boot_id").string(st.BootID)
	e.key("outputs").open('{')
	for _, name := range slices.Sorted(maps.Keys(st.Outputs)) {
		e.key(name).output(st.Outputs[name])
	}
	e.close('}')
	e.resources("resources", st.Resources)
	if len(st.Deposed) > 0 {
		e.resources("deposed", st.Deposed)
	}
	e.close('}')
	if e.err != nil {
		return nil, fmt.Errorf("encode state: %w", e.err)
	}
	var indented bytes.Buffer
	indented.Grow(2 * e.buf.Len())
	if err := json.Indent(&indented, e.buf.Bytes(), "", "  "); err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	indented.WriteByte('\n')
	return indented.Bytes(), nil
}

// sizeHint spares the buffer most of its growing.
func sizeHint(st *State) int {
	size := 4096
	for _, r := range st.Resources {
		size += 512 + len(r.Attributes) + len(r.Identity)
	}
	return size
}

// encoder writes compact JSON. encoding/json would sort out types and tags for each of many
// thousand resources again, and has no way to leave a RawMessage's key out in one place and
// to write null in the other. The first error sticks.
type encoder struct {
	buf   bytes.Buffer
	comma bool // a value stands before the next key or element
	err   error
}

func (e *encoder) open(bracket byte) {
	e.buf.WriteByte(bracket)
	e.comma = false
}

func (e *encoder) close(bracket byte) {
	e.buf.WriteByte(bracket)
	e.comma = true
}

func (e *encoder) element() *encoder {
	if e.comma {
		e.buf.WriteByte(',')
	}
	e.comma = true
	return e
}

func (e *encoder) key(name string) *encoder {
	e.element().string(name)
	e.buf.WriteByte(':')
	return e
}

func (e *encoder) int(i int) { e.buf.WriteString(strconv.Itoa(i)) }

func (e *encoder) uint(u uint64) { e.buf.WriteString(strconv.FormatUint(u, 10)) }

func (e *encoder) bool(b bool) { e.buf.WriteString(strconv.FormatBool(b)) }

func (e *encoder) null() { e.buf.WriteString("null") }

func (e *encoder) string(s string) {
	if plain(s) {
		e.buf.WriteByte('"')
		e.buf.WriteString(s)
		e.buf.WriteByte('"')
		return
	}
	if !utf8.ValidString(s) {
		e.fail(fmt.Errorf("%q is not UTF-8", s))
		return
	}
	quoted, err := json.Marshal(s)
	e.fail(err)
	e.buf.Write(quoted)
}

// plain reports whether s is a JSON string as it stands.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func (e *encoder) strings(list []string) {
	e.open('[')
	for _, s := range list {
		e.element().string(s)
	}
	e.close(']')
}

// raw takes in a provider's JSON. It is compacted, which also checks it: a journal entry is
// one line.
func (e *encoder) raw(raw json.RawMessage) {
	if !utf8.Valid(raw) {
		e.fail(errors.New("a value is not UTF-8"))
		return
	}
	e.fail(json.Compact(&e.buf, raw))
}

func (e *encoder) output(o *Output) {
	e.open('{')
	e.key("type").raw(o.Type)
	e.key("value").raw(o.Value)
	if o.Sensitive {
		e.key("sensitive").bool(true)
	}
	e.close('}')
}

func (e *encoder) resources(key string, resources map[addr.Instance]*Resource) {
	e.key(key).open('[')
	for at, r := range resources {
		e.fail(r.check(at))
	}
	for _, r := range sorted(resources) {
		e.element().open('{')
		e.key("address").string(r.Address.String())
		e.resource(r)
		e.close('}')
	}
	e.close(']')
}

// resource writes the members after the address into an object that is open.
func (e *encoder) resource(r *Resource) {
	good := e.err == nil
	e.key("schema_version").int(r.SchemaVersion)
	e.key("status").string(string(r.Status))
	if !absent(r.Attributes) {
		e.key("attributes").raw(r.Attributes)
	}
	if !absent(r.Identity) {
		e.key("identity").raw(r.Identity)
	}
	if len(r.Sensitive) > 0 {
		e.key("sensitive").strings(r.Sensitive)
	}
	if len(r.Dependencies) > 0 {
		e.key("dependencies").strings(r.Dependencies)
	}
	if r.Stays {
		e.key("stays").bool(true)
	}
	if r.Marked() != r.Address {
		e.key("known_as").string(r.KnownAs.String())
	}
	if r.Origin() != r.Address {
		e.key("made_as").string(r.MadeAs.String())
	}
	if good && e.err != nil {
		e.err = fmt.Errorf("resource %s: %w", r.Address, e.err)
	}
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}
