package state

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/addr"
)

var update = flag.Bool("update", false, "write the golden files")

func goldenState(t testing.TB) *State {
	st := stateOf(
		&Resource{
			Address:       address(t, `veth_pair.h["b"]`),
			SchemaVersion: 2,
			Status:        Ready,
			Attributes:    json.RawMessage("{ \"name\": \"veth0\",\n \"addresses\": [\"10.0.0.1/24\"], \"note\": \"ä<&>\\u2028\" }"),
			Identity:      json.RawMessage(`{"namespace":4026531840,"index":7}`),
			Sensitive:     []string{"key", "peer.key"},
			Dependencies:  []string{"bridge.lan", `network_namespace.h["b"]`},
		},
		&Resource{Address: address(t, `veth_pair.h["a"]`), Status: Tainted, Attributes: json.RawMessage(`{}`)},
		&Resource{Address: address(t, "bridge.lan[10]"), Status: Unfinished, KnownAs: address(t, "bridge.old"), MadeAs: address(t, "bridge.first")},
		&Resource{Address: address(t, "bridge.lan[9]"), Status: Ready, Stays: true, Identity: json.RawMessage(`"x"`), KnownAs: address(t, "bridge.lan[9]")},
	)
	st.Serial = 7
	st.Outputs["gateway"] = &Output{Type: json.RawMessage(`"string"`), Value: json.RawMessage(`"10.0.0.1"`)}
	st.Outputs["a key\n"] = &Output{Type: json.RawMessage(`["list","number"]`), Value: json.RawMessage(`null`), Sensitive: true}
	return st
}

func TestGolden(t *testing.T) {
	const file = "testdata/golden.json"
	got := text(t, goldenState(t))
	if *update {
		write(t, file, []byte(got))
	}
	equal(t, "document", got, string(read(t, file)))

	st, err := decode(file, []byte(got))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "written again", text(t, st), got)
	r := st.Resources[address(t, `veth_pair.h["b"]`)]
	equal(t, "attributes", string(r.Attributes), `{"name":"veth0","addresses":["10.0.0.1/24"],"note":"ä<&>\u2028"}`)
	equal(t, "dependencies", r.Dependencies, []string{"bridge.lan", `network_namespace.h["b"]`})
	equal(t, "known as", st.Resources[address(t, "bridge.lan[10]")].KnownAs, address(t, "bridge.old"))
	equal(t, "stays", st.Resources[address(t, "bridge.lan[9]")].Stays, true)
	equal(t, "does not stay", st.Resources[address(t, "bridge.lan[10]")].Stays, false)
	equal(t, "known as its own address", st.Resources[address(t, "bridge.lan[9]")].KnownAs, addr.Instance{})
	equal(t, "made as", st.Resources[address(t, "bridge.lan[10]")].MadeAs, address(t, "bridge.first"))
	equal(t, "sensitive output", st.Outputs["a key\n"].Sensitive, true)
}

// document gives a valid document with one resource, changed by a replacement.
func document(old, new string) string {
	const good = `{
  "format": 1,
  "lineage": "` + testLineage + `",
  "serial": 3,
  "boot_id": "b",
  "outputs": {"o": {"type": "string", "value": 1}},
  "resources": [
    {"address": "bridge.a", "schema_version": 0, "status": "ready", "attributes": {"mtu": 1}}
  ]
}
`
	if !strings.Contains(good, old) {
		panic("nothing to replace: " + old)
	}
	return strings.Replace(good, old, new, 1)
}

func TestDecodeRefuses(t *testing.T) {
	tests := []struct {
		name, doc    string
		line, column int
		problem      string
	}{
		{"empty", "", 1, 1, "the file is empty"},
		{"white space", " \n", 1, 1, "the file is empty"},
		{"not UTF-8", document("bridge", "br\xffidge"), 8, 20, "byte 0xff is not UTF-8"},
		{"array", "[]", 1, 1, "expected the state (an object), found an array"},
		{"cut off", document("", "")[:80], 4, 11, `expected ":" after the key, found the end of the file`},
		{"cut off in a string", document("", "")[:40], 3, 14, "the string has no end"},
		{"cut off in a value", `{"format":1,"outputs":{"o":{"type":"string","value":[1`, 1, 55, "found the end of the file"},
		{"trailing garbage", document("", "") + "{}", 11, 1, "unexpected data after the end: an object"},
		{"no format", document(`"format": 1,`, ""), 1, 1, `lacks the key "format"`},
		{"format 0", document(`"format": 1`, `"format": 0`), 1, 1, "format 0 never was"},
		{"format a string", document(`"format": 1`, `"format": "1"`), 2, 13, "expected a whole number, found a string"},
		{"no lineage", document(`"lineage": "`+testLineage+`",`, ""), 1, 1, `the state lacks the key "lineage"`},
		{"lineage no UUID", document(testLineage, "lab"), 3, 14, `the lineage "lab" is not a UUID`},
		{"serial negative", document(`"serial": 3`, `"serial": -3`), 4, 13, "expected a whole number, found a number"},
		{"serial a fraction", document(`"serial": 3`, `"serial": 3.0`), 4, 13, "expected a whole number"},
		{"serial with a zero before", document(`"serial": 3`, `"serial": 03`), 4, 13, "expected a whole number"},
		{"serial too great", document(`"serial": 3`, `"serial": 18446744073709551616`), 4, 13, "expected a whole number"},
		{"unknown key", document("serial", "Serial"), 4, 3, `unknown key "Serial" in the state; it has "format"`},
		{"key twice", document(`"boot_id"`, `"serial"`), 5, 3, `key "serial" stands twice in the state`},
		{"no colon", document(`"boot_id":`, `"boot_id"`), 5, 13, `expected ":" after the key, found a string`},
		{"comma missing", document(`"b",`, `"b"`), 6, 3, `expected "," or "}" in the state, found a string`},
		{"comma too many", document("[\n", "[,\n"), 7, 17, `expected a resource (an object), found ","`},
		{"key no string", document(`"boot_id"`, `1`), 5, 3, "expected a key, found a number"},
		{"control character", document(`"b"`, "\"b\x01\""), 5, 16, "control character"},
		{"bad escape", document(`"b"`, `"\x"`), 5, 14, "bad string"},
		{"outputs null", document(`{"o": {"type": "string", "value": 1}}`, "null"), 6, 14, "expected the outputs (an object), found null"},
		{"output twice", document(`1}}`, `1}, "o": {}}`), 6, 52, `output "o" stands twice`},
		{"output without value", document(`, "value": 1`, ""), 6, 20, `an output lacks the key "value"`},
		{"output's sensitive", document(`"value": 1`, `"value": 1, "sensitive": 1`), 6, 64, "expected true or false, found a number"},
		{"output's bad value", document(`"value": 1`, `"value": [1 2]`), 6, 51, "invalid character '2' after array element"},
		{"resources an object", document("[\n", "{}\n"), 7, 16, "expected the resources (an array), found an object"},
		{"resource null", document(`{"address"`, `null, {"address"`), 8, 5, "expected a resource (an object), found null"},
		{"resource unknown key", document(`"status"`, `"state"`), 8, 50, `unknown key "state" in a resource`},
		{"address missing", document(`"address": "bridge.a", `, ""), 8, 5, `a resource lacks the key "address"`},
		{"address null", document(`"bridge.a"`, "null"), 8, 17, "expected a string, found null"},
		{"address empty", document(`"bridge.a"`, `""`), 8, 17, "bad address"},
		{"address bad", document(`"bridge.a"`, `"bridge"`), 8, 17, "expected TYPE.NAME"},
		{"address twice", document(`"address"`, `"address": "bridge.a", "schema_version": 0, "status": "ready"}, {"address"`), 8, 82, "resource bridge.a stands twice"},
		{"status unknown", document(`"ready"`, `"fine"`), 8, 60, `unknown status "fine"; it is one of`},
		{"schema version", document(`_version": 0`, `_version": true`), 8, 47, "expected a whole number, found true"},
		{"attributes an array", document(`{"mtu": 1}`, "[]"), 8, 83, "expected an object, found an array"},
		{"attributes broken", document(`{"mtu": 1}`, `{"mtu" 1}`), 8, 90, "invalid character '1' after object key"},
		{"identity null", document(`"attributes"`, `"identity": null, "attributes"`), 8, 81, "the identity is null"},
		{"dependencies", document(`"attributes"`, `"dependencies": [1], "attributes"`), 8, 86, "expected a string, found a number"},
		{"known as a number", document(`"attributes"`, `"known_as": 1, "attributes"`), 8, 81, "expected a string, found a number"},
		{"known as no address", document(`"attributes"`, `"known_as": "bridge", "attributes"`), 8, 81, "bad address"},
		{"sensitive", document(`"attributes"`, `"sensitive": "x", "attributes"`), 8, 82, "expected the sensitive paths (an array), found a string"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decode("dir/"+File, []byte(tt.doc))
			d := (*DamagedError)(nil)
			if !errors.As(err, &d) {
				t.Fatalf("got %v, want a DamagedError", err)
			}
			if d.Line != tt.line || d.Column != tt.column || !strings.Contains(d.Problem, tt.problem) {
				t.Errorf("got %s\nwant %d:%d %s", err, tt.line, tt.column, tt.problem)
			}
			if !strings.HasPrefix(err.Error(), "dir/"+File+":") || !strings.Contains(err.Error(), BackupFile) {
				t.Errorf("the error names neither the file nor the way out: %s", err)
			}
		})
	}
}

func TestNewerFormat(t *testing.T) {
	doc := document(`"format": 1,`, `"novelty": [{"a":"}"}], "format": 2,`)
	_, err := decode(File, []byte(doc))
	newer := (*NewerFormatError)(nil)
	if !errors.As(err, &newer) || newer.Format != 2 || newer.Known != Format {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(err.Error(), "use the version that wrote it, or a newer one") {
		t.Errorf("no advice: %s", err)
	}
}

func TestMigrate(t *testing.T) {
	replace := func(old, new string) migration {
		return func(doc []byte) ([]byte, error) {
			return []byte(strings.Replace(string(doc), old, new, 1)), nil
		}
	}
	steps := map[int]migration{1: replace("one", "two"), 2: replace("two", "three")}
	got, err := migrate(File, []byte(`{"key":"one","format":1}`), 3, steps)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "migrated", string(got), `{"key":"three","format":1}`)

	steps[2] = func([]byte) ([]byte, error) { return nil, os.ErrInvalid }
	if _, err := migrate(File, []byte(`{"format":2}`), 3, steps); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("a migration's error is lost: %v", err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*State, *Resource)
	}{
		{"no lineage", func(st *State, _ *Resource) { st.Lineage = "" }},
		{"no status", func(_ *State, r *Resource) { r.Status = "" }},
		{"broken attributes", func(_ *State, r *Resource) { r.Attributes = json.RawMessage(`{"a":1},"b":{}`) }},
		{"broken identity", func(_ *State, r *Resource) { r.Identity = json.RawMessage(`{`) }},
		{"attributes no object", func(_ *State, r *Resource) { r.Attributes = json.RawMessage(`[]`) }},
		{"attributes not UTF-8", func(_ *State, r *Resource) { r.Attributes = json.RawMessage("{\"a\":\"\xff\"}") }},
		{"dependency not UTF-8", func(_ *State, r *Resource) { r.Dependencies = []string{"\xff"} }},
		{"negative schema version", func(_ *State, r *Resource) { r.SchemaVersion = -1 }},
		{"filed elsewhere", func(st *State, r *Resource) { st.Resources[address(t, "a.b")] = r }},
		{"output without type", func(st *State, _ *Resource) { st.Outputs["o"] = &Output{Value: json.RawMessage("1")} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := link(t, "veth_pair.a", "1500")
			st := stateOf(r)
			tt.change(st, r)
			if b, err := encode(st); err == nil {
				t.Errorf("encoded: %s", b)
			}
		})
	}
}
