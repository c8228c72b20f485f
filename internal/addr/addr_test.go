package addr_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/addr"
)

func TestParse(t *testing.T) {
	veth := addr.Resource{Type: "veth_pair", Name: "uplink"}
	inModule := addr.Resource{Module: "module.a.module.b", Mode: addr.Data, Type: "ping", Name: "gate-way_2"}
	tests := map[string]addr.Instance{
		`veth_pair.uplink`:                          veth.Instance(addr.Key{}),
		`veth_pair.uplink[0]`:                       veth.Instance(addr.IntKey(0)),
		`veth_pair.uplink[12]`:                      veth.Instance(addr.IntKey(12)),
		`veth_pair.uplink["a"]`:                     veth.Instance(addr.StringKey("a")),
		`veth_pair.uplink[""]`:                      veth.Instance(addr.StringKey("")),
		`veth_pair.uplink["a.b[0]\"\\ <&>ä"]`:       veth.Instance(addr.StringKey(`a.b[0]"\ <&>ä`)),
		`data.ping.gateway`:                         addr.Resource{Mode: addr.Data, Type: "ping", Name: "gateway"}.Instance(addr.Key{}),
		`module.a.module.b.data.ping.gate-way_2[1]`: inModule.Instance(addr.IntKey(1)),
	}
	for text, want := range tests {
		got, err := addr.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got != want {
			t.Errorf("%s: got %#v, want %#v", text, got, want)
		}
		if got.String() != text {
			t.Errorf("%s is written as %s", text, got)
		}
		if got.Resource != want.Resource {
			t.Errorf("%s: the block is %s", text, got.Resource)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]string{
		"":                       "expected a name",
		"veth_pair":              "expected TYPE.NAME",
		"veth_pair.":             "expected a name",
		".uplink":                "expected a name",
		"veth_pair.2":            "expected a name",
		"a.b.c":                  "expected TYPE.NAME",
		"data.ping":              "expected TYPE.NAME",
		"module.a":               "expected TYPE.NAME",
		"module.a.veth_pair":     "expected TYPE.NAME",
		"data.module.a":          "expected TYPE.NAME",
		"veth_pair.ä":            "expected a name",
		"veth_pair.uplink ":      "expected an index",
		"veth_pair.uplink[]":     "expected an index",
		"veth_pair.uplink[0":     "expected an index",
		"veth_pair.uplink[-1]":   "neither a whole number nor a quoted string",
		"veth_pair.uplink[01]":   "neither a whole number nor a quoted string",
		"veth_pair.uplink[a]":    "neither a whole number nor a quoted string",
		`veth_pair.uplink["a]`:   "unexpected end",
		`veth_pair.uplink["a"b]`: "invalid character",
	}
	for text, want := range tests {
		got, err := addr.Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "parse address") {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
		if err != nil && got != (addr.Instance{}) {
			t.Errorf("%s: an error, and yet %s", text, got)
		}
	}
}

func TestCompare(t *testing.T) {
	sorted := []string{
		"bridge.a", "bridge.b", "bridge.b[2]", "bridge.b[10]", `bridge.b["1"]`, `bridge.b["a"]`,
		"veth_pair.a", "data.ping.a", "module.m.bridge.a",
	}
	var list []addr.Instance
	for _, text := range sorted {
		a, err := addr.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, a)
	}
	slices.Reverse(list)
	slices.SortFunc(list, addr.Instance.Compare)
	for i, a := range list {
		if a.String() != sorted[i] {
			t.Errorf("at %d: got %s, want %s", i, a, sorted[i])
		}
	}
}

func TestKey(t *testing.T) {
	if !(addr.Key{}).IsZero() || addr.IntKey(0).IsZero() || addr.StringKey("").IsZero() {
		t.Error("IsZero tells count and for_each from neither")
	}
	if n, ok := addr.IntKey(3).Int(); n != 3 || !ok {
		t.Errorf("got %d, %t", n, ok)
	}
	if s, ok := addr.StringKey("x").Str(); s != "x" || !ok {
		t.Errorf("got %q, %t", s, ok)
	}
	_, isInt := addr.StringKey("x").Int()
	_, isString := addr.IntKey(3).Str()
	if isInt || isString {
		t.Error("a key has two kinds")
	}
}

func TestJSON(t *testing.T) {
	a, err := addr.Parse(`veth_pair.h["a"]`)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[addr.Instance]addr.Instance{a: a})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"veth_pair.h[\"a\"]":"veth_pair.h[\"a\"]"}`; string(b) != want {
		t.Errorf("got %s, want %s", b, want)
	}
	var back map[addr.Instance]addr.Instance
	if err := json.Unmarshal(b, &back); err != nil || back[a] != a {
		t.Errorf("got %v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"a":"a.b"}`), &back); err == nil {
		t.Error("a bad address was read")
	}
}

// What is parsed is written to what parses to the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"veth_pair.uplink", "bridge.b[10]", `a.b["\u2028\"\\ä"]`, "module.a.module.b.data.ping.x[1]", `a.b["\ud800"]`, `a.b["$${x}"]`, `a.b["$$${x}%{"]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := addr.Parse(text)
		if err != nil {
			return
		}
		again, err := addr.Parse(a.String())
		if err != nil || again != a || a.Compare(again) != 0 {
			t.Errorf("%q is written as %q, which gives %#v, %v", text, a, again, err)
		}
	})
}

// A key in which HCL would see a template is written as HCL, and so Terraform, writes it.
func TestTemplatesInKeys(t *testing.T) {
	for key, want := range map[string]string{
		"${x}": `["$${x}"]`, "%{if}": `["%%{if}"]`, "$${x}": `["$$${x}"]`, "$": `["$"]`, "{": `["{"]`, "%%{": `["%%%{"]`,
	} {
		a := addr.Resource{Type: "bridge", Name: "b"}.Instance(addr.StringKey(key))
		if got := a.String(); got != "bridge.b"+want {
			t.Errorf("%q: got %s, want %s", key, got, want)
		}
		if back, err := addr.Parse(a.String()); err != nil || back != a {
			t.Errorf("%s becomes %v, %v", a, back, err)
		}
	}
}
