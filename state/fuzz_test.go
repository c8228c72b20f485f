package state

import (
	"testing"
)

// What is accepted is written and read again to the same; nothing panics.
func FuzzDecode(f *testing.F) {
	f.Add(read(f, "testdata/golden.json"))
	f.Add([]byte(document("", "")))
	f.Add([]byte(document(`{"mtu": 1}`, `{"mtu": [1, {"a": "\u0000"}], "\"": -1.5e3}`)))
	f.Add([]byte(document(`"bridge.a"`, `"module.m.data.ping.a[\"\\u2028\"]"`)))
	f.Add([]byte(document(`"attributes"`, `"known_as": "bridge.b[0]", "attributes"`)))
	f.Add([]byte(document(`"attributes"`, `"known_as": "bridge.a", "attributes"`)))
	f.Add([]byte(`{"format":1,"resources":[{"attributes":{]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		st, err := decode(File, doc)
		if err != nil {
			return
		}
		first := text(t, st)
		again, err := decode(File, []byte(first))
		if err != nil {
			t.Fatalf("what was written is refused: %v\n%s", err, first)
		}
		if second := text(t, again); second != first {
			t.Fatalf("written again it differs:\n%s\n%s", first, second)
		}
		if _, serial, err := decodeHeader(File, doc); err != nil || serial != st.Serial {
			t.Fatalf("the header is read as serial %d, %v; want %d", serial, err, st.Serial)
		}
	})
}

// Each line is fuzzed with its checksum right: behind a wrong one nothing would be reached.
func FuzzJournal(f *testing.F) {
	f.Add([]byte(beginBody), []byte(`{"entry":"intent","action":"delete","address":"bridge.a","resource":null}`), []byte{})
	f.Add([]byte(beginBody), []byte(`{"entry":"outcome","action":"create","address":"bridge.a[0]","error":"no",`+
		`"resource":{"schema_version":1,"status":"tainted","attributes":{"a":[null]},"identity":7,"dependencies":["b.c"],"known_as":"bridge.b"}}`),
		[]byte("0123abcd {"))
	f.Add([]byte(beginBody), []byte(`{"entry":"end"}`), []byte("\n"))
	f.Add([]byte(`{}`), []byte(`[`), []byte("x\n\n"))
	f.Fuzz(func(t *testing.T, first, second, tail []byte) {
		data := append([]byte(line(string(first))+line(string(second))), tail...)
		j, err := decodeJournal(journalFile, data)
		if err != nil || j == nil {
			return
		}
		written, err := j.begin.line()
		if err != nil {
			t.Fatalf("what was read is not written: %v", err)
		}
		for _, entry := range j.entries {
			line, err := entry.line()
			if err != nil {
				t.Fatalf("what was read is not written: %v", err)
			}
			written = append(written, line...)
		}
		again, err := decodeJournal(journalFile, written)
		if err != nil {
			t.Fatalf("what was written is refused: %v\n%s", err, written)
		}
		one, two := stateOf(), stateOf()
		j.fold(one)
		again.fold(two)
		if text(t, one) != text(t, two) {
			t.Fatalf("folded again it differs:\n%s\n%s", text(t, one), text(t, two))
		}
	})
}
