package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// began gives a journal on a saved document.
func began(t testing.TB, dir string, base *State) *Journal {
	t.Helper()
	_, j := beganStore(t, dir, base)
	return j
}

func beganStore(t testing.TB, dir string, base *State) (*Store, *Journal) {
	t.Helper()
	s := locked(t, dir)
	save(t, s, base)
	j, err := s.Begin(base)
	if err != nil {
		t.Fatal(err)
	}
	return s, j
}

func record(t testing.TB, j *Journal, entries ...Entry) {
	t.Helper()
	if err := j.Append(entries...); err != nil {
		t.Fatal(err)
	}
}

func TestJournalGolden(t *testing.T) {
	const file = "testdata/golden.journal"
	dir := t.TempDir()
	a, b := link(t, "veth_pair.a", "1500"), link(t, `veth_pair.b["x"]`, "1500")
	b.Attributes = json.RawMessage("{\n  \"mtu\": null\n}")
	b.Dependencies = []string{"veth_pair.a"}
	b.KnownAs = address(t, "veth_pair.c")
	j := began(t, dir, stateOf(a))
	record(t, j, Intent(Create, b.Address, b), Intent(Update, a.Address, a))
	record(t, j, Outcome(Create, b.Address, b, "set the MTU: \"no\"\nsuch device"))
	record(t, j, Outcome(Update, a.Address, a, ""), Intent(Delete, a.Address, nil))
	record(t, j, Outcome(Delete, a.Address, nil, ""))
	record(t, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if err := j.Append(Intent(Delete, a.Address, nil)); err == nil {
		t.Error("appended to a closed journal")
	}
	got := read(t, dir, journalFile)
	if *update {
		write(t, file, got)
	}
	equal(t, "journal", string(got), string(read(t, file)))

	b.Attributes = json.RawMessage(`{"mtu":null}`)
	st, recovery := load(t, dir)
	equal(t, "folded", text(t, st), text(t, folded(b)))
	equal(t, "recovery", recovery, &Recovery{Command: "diyform apply"})
}

// folded gives what a state of serial 1 is after folding a journal.
func folded(resources ...*Resource) *State {
	st := stateOf(resources...)
	st.Serial++
	return st
}

func TestFold(t *testing.T) {
	a := func(mtu string) *Resource { return link(t, "veth_pair.a", mtu) }
	is := func(r *Resource, status Status) *Resource { return r.withStatus(status) }
	at := a("0").Address
	known := func(r *Resource, identity string) *Resource {
		r.Identity = json.RawMessage(identity)
		return r
	}
	moved := func(r *Resource) *Resource {
		r.KnownAs = address(t, "veth_pair.old")
		return r
	}
	tests := []struct {
		name         string
		before, want *Resource
		entries      []Entry
		unfinished   []Interrupted
	}{
		{"created", nil, a("2"), []Entry{Intent(Create, at, a("1")), Outcome(Create, at, a("2"), "")}, nil},
		{"create failed", nil, nil, []Entry{Intent(Create, at, a("1")), Outcome(Create, at, nil, "no")}, nil},
		{"create failed half way", nil, is(a("1"), Tainted), []Entry{
			Intent(Create, at, a("1")), Outcome(Create, at, is(a("1"), Tainted), "no")}, nil},
		{"create interrupted", nil, is(a("1"), Unfinished), []Entry{Intent(Create, at, a("1"))},
			[]Interrupted{{at, Create}}},
		{"updated", a("1"), a("2"), []Entry{Intent(Update, at, a("2")), Outcome(Update, at, a("2"), "")}, nil},
		{"update failed", a("1"), a("1"), []Entry{Intent(Update, at, a("2")), Outcome(Update, at, a("1"), "no")}, nil},
		{"update interrupted", a("1"), is(a("1"), Unfinished), []Entry{Intent(Update, at, a("2"))},
			[]Interrupted{{at, Update}}},
		{"update interrupted that had saved an old value", a("1"), known(is(a("1"), Unfinished), `{"old":1}`),
			[]Entry{Intent(Update, at, known(a("2"), `{"old":1}`))}, []Interrupted{{at, Update}}},
		{"update without identity interrupted", a("1"), is(a("1"), Unfinished),
			[]Entry{Intent(Update, at, known(a("2"), ""))}, []Interrupted{{at, Update}}},
		{"marked anew", moved(a("1")), a("1"), []Entry{Intent(Update, at, a("1")), Outcome(Update, at, a("1"), "")}, nil},
		{"marking anew interrupted", moved(a("1")), is(moved(a("1")), Unfinished), []Entry{Intent(Update, at, a("1"))},
			[]Interrupted{{at, Update}}},
		{"failed with an error that is not UTF-8", nil, nil, []Entry{
			Intent(Create, at, a("1")), Outcome(Create, at, nil, "no \xff")}, nil},
		{"update of what is not recorded interrupted", nil, is(a("2"), Unfinished),
			[]Entry{Intent(Update, at, a("2"))}, []Interrupted{{at, Update}}},
		{"deleted", a("1"), nil, []Entry{Intent(Delete, at, nil), Outcome(Delete, at, nil, "")}, nil},
		{"delete failed", a("1"), a("1"), []Entry{Intent(Delete, at, a("1")), Outcome(Delete, at, a("1"), "no")}, nil},
		{"delete interrupted", a("1"), is(a("1"), Unfinished), []Entry{Intent(Delete, at, nil)},
			[]Interrupted{{at, Delete}}},
		{"delete of what is not recorded interrupted", nil, nil, []Entry{Intent(Delete, at, nil)},
			[]Interrupted{{at, Delete}}},
		{"replaced", a("1"), a("2"), []Entry{
			Intent(Delete, at, nil), Outcome(Delete, at, nil, ""),
			Intent(Create, at, a("2")), Outcome(Create, at, a("2"), "")}, nil},
		{"replacement interrupted", a("1"), is(a("2"), Unfinished), []Entry{
			Intent(Delete, at, nil), Outcome(Delete, at, nil, ""), Intent(Create, at, a("2"))},
			[]Interrupted{{at, Create}}},
		{"outcome without intent", a("1"), a("2"), []Entry{Outcome(Update, at, a("2"), "")}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			with := func(r *Resource) *State {
				other := link(t, "bridge.other", "9000")
				if r == nil {
					return stateOf(other)
				}
				return stateOf(other, r)
			}
			dir := t.TempDir()
			j := began(t, dir, with(tt.before))
			record(t, j, tt.entries...)
			got, recovery := load(t, dir)
			want := with(tt.want)
			want.Serial++
			equal(t, "state", text(t, got), text(t, want))
			equal(t, "unfinished", recovery.Unfinished, tt.unfinished)

			replayed, err := decodeJournal(journalFile, read(t, dir, journalFile))
			if err != nil {
				t.Fatal(err)
			}
			replayed.fold(got)
			equal(t, "state folded twice", text(t, got), text(t, want))
		})
	}
}

func TestAppendRefuses(t *testing.T) {
	a, b := link(t, "veth_pair.a", "1500"), link(t, "veth_pair.b", "1500")
	dir := t.TempDir()
	j := began(t, dir, stateOf(a))
	before := read(t, dir, journalFile)
	broken := link(t, "veth_pair.a", "")
	for name, entry := range map[string]Entry{
		"zero":                    {},
		"no action":               Intent("", a.Address, a),
		"another's resource":      Intent(Create, a.Address, b),
		"create without resource": Intent(Create, a.Address, nil),
		"broken attributes":       Intent(Create, a.Address, broken),
		"no status":               Outcome(Create, a.Address, a.withStatus(""), ""),
	} {
		if err := j.Append(Outcome(Delete, b.Address, nil, ""), entry); err == nil {
			t.Errorf("%s: appended", name)
		}
	}
	equal(t, "journal", string(read(t, dir, journalFile)), string(before))
}

// Whatever the last write was cut to, the journal reads as before that write, or as after
// those of its lines that are whole.
func TestTornLine(t *testing.T) {
	dir := t.TempDir()
	a, b := link(t, "veth_pair.a", "1500"), link(t, "veth_pair.b", "1500")
	j := began(t, dir, stateOf())
	record(t, j, Intent(Create, a.Address, a), Outcome(Create, a.Address, a, ""), Intent(Create, b.Address, b))
	whole := read(t, dir, journalFile)
	wants := []string{
		text(t, stateOf()), text(t, stateOf()), text(t, folded(a.withStatus(Unfinished))),
		text(t, folded(a)), text(t, folded(a, b.withStatus(Unfinished))),
	}
	for size := range len(whole) + 1 {
		torn := whole[:size]
		write(t, filepath.Join(dir, journalFile), torn)
		got, _ := load(t, dir)
		if want := wants[bytes.Count(torn, []byte("\n"))]; text(t, got) != want {
			t.Fatalf("cut to %d bytes, it gives\n%s\nnot\n%s", size, text(t, got), want)
		}
	}
	write(t, filepath.Join(dir, journalFile), append(whole, 0, 0, 0))
	got, _ := load(t, dir)
	equal(t, "with zeros at the end", text(t, got), wants[4])
}

// line gives a journal line with a right checksum.
func line(body string) string {
	var e encoder
	e.buf.WriteString(body)
	return string(e.line())
}

const beginBody = `{"entry":"begin","format":1,"lineage":"` + testLineage + `","serial":1,"boot_id":"` + testBoot + `","command":"x"}`

func TestDamagedJournal(t *testing.T) {
	const good = `{"entry":"intent","action":"delete","address":"bridge.a","resource":null}`
	tests := []struct {
		name, journal string
		line, column  int
		problem       string
	}{
		{"no checksum", line(beginBody) + "hello\n" + line(good), 2, 1, "does not begin with a checksum"},
		{"checksum no number", line(beginBody) + "0123456x {}\n", 2, 1, "does not begin with a checksum"},
		{"changed by hand", line(beginBody) + strings.Replace(line(good), "bridge.a", "bridge.b", 1), 2, 1, "the line's checksum is"},
		{"empty line", line(beginBody) + "\n", 2, 1, "does not begin with a checksum"},
		{"not UTF-8", line(beginBody) + line("\xff"), 2, 10, "byte 0xff is not UTF-8"},
		{"no begin", line(good), 1, 10, `the journal has its begin entry first`},
		{"begin twice", line(beginBody) + line(beginBody), 2, 10, `the journal has its begin entry first`},
		{"after the end", line(beginBody) + line(`{"entry":"end"}`) + line(good), 3, 10, `an entry "intent" stands after the end entry`},
		{"unknown entry", line(beginBody) + line(`{"entry":"pause"}`), 2, 10, `unknown entry "pause"`},
		{"no entry", line(beginBody) + line(`{"a":[{"}":"]"}]}`), 2, 10, `a journal entry lacks the key "entry"`},
		{"entry a number", line(beginBody) + line(`{"entry":1}`), 2, 19, `expected a string, found a number`},
		{"array", line(beginBody) + line(`[]`), 2, 10, `expected a journal entry (an object)`},
		{"two values", line(beginBody) + line(good+"{}"), 2, 83, `unexpected data after the end`},
		{"unknown key", line(beginBody) + line(`{"entry":"end","when":1}`), 2, 25, `unknown key "when" in an end entry`},
		{"unknown action", line(beginBody) + line(strings.Replace(good, "delete", "move", 1)), 2, 37, `unknown action "move"`},
		{"action null", line(beginBody) + line(strings.Replace(good, `"delete"`, "null", 1)), 2, 37, `expected a string, found null`},
		{"bad address", line(beginBody) + line(strings.Replace(good, "bridge.a", "bridge", 1)), 2, 56, `bad address`},
		{"create without resource", line(beginBody) + line(strings.Replace(good, "delete", "create", 1)), 2, 10, `an intent to create without a resource`},
		{"resource no null", line(beginBody) + line(strings.Replace(good, "null", "nil", 1)), 2, 79, `invalid character`},
		{"resource incomplete", line(beginBody) + line(strings.Replace(good, "null", "{}", 1)), 2, 78, `a resource lacks the key "schema_version"`},
		{"resource with address", line(beginBody) + line(strings.Replace(good, "null", `{"address":"bridge.a"}`, 1)), 2, 79, `unknown key "address"`},
		{"older format", line(strings.Replace(beginBody, `"format":1`, `"format":0`, 1)), 1, 36, `folds only format 1`},
		{"format no number", line(strings.Replace(beginBody, `"format":1`, `"format":"1"`, 1)), 1, 36, `expected a whole number`},
		{"another lineage", line(strings.Replace(beginBody, testLineage, otherLineage, 1)), 1, 1, `the journal is of another state`},
		{"a later serial", line(strings.Replace(beginBody, `"serial":1`, `"serial":2`, 1)), 1, 1, `the journal builds on serial 2, and the document has serial 1`},
		{"another boot", line(strings.Replace(beginBody, testBoot, "x", 1)), 1, 1, `different boots`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := locked(t, dir)
			save(t, s, stateOf(link(t, "bridge.a", "1500")))
			write(t, filepath.Join(dir, journalFile), []byte(tt.journal))
			_, _, err := s.Load()
			d := (*DamagedError)(nil)
			if !errors.As(err, &d) {
				t.Fatalf("got %v, want a DamagedError", err)
			}
			if d.Line != tt.line || d.Column != tt.column || !strings.Contains(d.Problem, tt.problem) {
				t.Errorf("got %s\nwant %d:%d %s", err, tt.line, tt.column, tt.problem)
			}
			if !strings.Contains(err.Error(), filepath.Join(dir, journalFile)) || !strings.Contains(d.Advice, "move") {
				t.Errorf("the error names neither the file nor the way out: %s", err)
			}
			equal(t, "journal", string(read(t, dir, journalFile)), tt.journal)
		})
	}
}

// A journal without the document that it builds on is not taken for a first run's.
func TestDocumentMissing(t *testing.T) {
	dir := t.TempDir()
	began(t, dir, stateOf())
	if err := os.Remove(filepath.Join(dir, File)); err != nil {
		t.Fatal(err)
	}
	_, _, err := Open(dir).Load()
	if err == nil || !strings.Contains(err.Error(), "put it back") {
		t.Errorf("got %v", err)
	}
}

func TestNewerJournal(t *testing.T) {
	dir := t.TempDir()
	s := locked(t, dir)
	save(t, s, stateOf())
	write(t, filepath.Join(dir, journalFile), []byte(line(strings.Replace(beginBody, `"format":1`, `"format":2`, 1))))
	newer := (*NewerFormatError)(nil)
	if _, _, err := s.Load(); !errors.As(err, &newer) {
		t.Errorf("got %v", err)
	}
}

// A journal older than the document was folded in: the run was killed before removing it.
func TestFoldedJournalIsDropped(t *testing.T) {
	dir := t.TempDir()
	a := link(t, "veth_pair.a", "1500")
	s, j := beganStore(t, dir, stateOf())
	record(t, j, Intent(Create, a.Address, a))
	journal := read(t, dir, journalFile)
	st := stateOf()
	st.Serial = 2
	save(t, s, st)
	write(t, filepath.Join(dir, journalFile), journal)
	got, recovery := load(t, dir)
	equal(t, "state", text(t, got), text(t, st))
	if recovery != nil {
		t.Errorf("recovery: %+v", recovery)
	}
}

func TestAppendFromManyGoroutines(t *testing.T) {
	dir := t.TempDir()
	const workers, each = 8, 50
	j := began(t, dir, stateOf())
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				r := link(t, fmt.Sprintf("veth_pair.w%d[%d]", w, i), "1500")
				if err := j.Append(Intent(Create, r.Address, r), Outcome(Create, r.Address, r, "")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, recovery := load(t, dir)
	equal(t, "resources", len(got.Resources), workers*each)
	equal(t, "unfinished", len(recovery.Unfinished), 0)
}

// A write that fails leaves no torn line behind, and the journal takes nothing more.
func TestBrokenWrite(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	a := link(t, "veth_pair.a", "1500")
	j := &Journal{file: full}
	first := j.Append(Intent(Create, a.Address, a))
	if first == nil || !strings.Contains(first.Error(), "no space left on device") {
		t.Errorf("got %v", first)
	}
	if again := j.Append(Intent(Create, a.Address, a)); !errors.Is(again, first) {
		t.Errorf("got %v, want the first error", again)
	}
	if err := j.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
