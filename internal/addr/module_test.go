package addr_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/addr"
)

func TestParseModule(t *testing.T) {
	tests := map[string]addr.Module{
		"module.a":                           "module.a",
		`module.a["x.y]\"z"].module.b[3]`:    `module.a["x.y]\"z"].module.b[3]`,
		"module.a.module.b":                  "module.a.module.b",
		"module.a[0].module.b[1].module.c-d": "module.a[0].module.b[1].module.c-d",
	}
	for text, want := range tests {
		got, err := addr.ParseModule(text)
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                 "expected module.NAME",
		"module":           "expected module.NAME",
		"module.":          "expected a name",
		"module.a.b":       `expected module.NAME at "b"`,
		"module.a[":        "expected an index",
		"module.a[x]":      "neither a whole number nor a quoted string",
		`module.a["x"]x`:   "expected a dot",
		`module.a["x`:      "expected an index",
		"module.a.bridge.": "expected module.NAME",
		"module.a.":        "expected module.NAME",
	} {
		if got, err := addr.ParseModule(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
}

func TestParseInModule(t *testing.T) {
	for _, text := range []string{
		`module.lab["a"].veth_pair.uplink["x"]`, `module.a[0].module.b["[\"]"].data.ping.gateway[1]`,
	} {
		got, err := addr.Parse(text)
		if err != nil || got.String() != text {
			t.Errorf("%s: got %s, %v", text, got, err)
		}
	}
	in, err := addr.Parse(`module.a[0].module.b["x"].bridge.lan[2]`)
	if err != nil {
		t.Fatal(err)
	}
	if got := in.Static().String(); got != "module.a.module.b.bridge.lan" {
		t.Errorf("static: %s", got)
	}
	if got := in.Local().String(); got != "bridge.lan" {
		t.Errorf("local: %s", got)
	}
	parent, last := in.Module.Split()
	if parent != "module.a[0]" || last.Name != "b" || last.String() != `module.b["x"]` {
		t.Errorf("split: %s and %s", parent, last)
	}
}

func TestModuleMatches(t *testing.T) {
	for _, test := range []struct {
		m, o              addr.Module
		matches, contains bool
	}{
		{"", "", true, true},
		{"", "module.a", false, true},
		{"module.a", `module.a["x"]`, true, true},
		{`module.a["x"]`, "module.a", false, false},
		{`module.a["x"]`, `module.a["y"]`, false, false},
		{"module.a", `module.a["x"].module.b`, false, true},
		{`module.a.module.b[0]`, `module.a["x"].module.b[0]`, true, true},
		{`module.a.module.b[0]`, `module.a["x"].module.b[1]`, false, false},
		{"module.a", "module.ab", false, false},
		{"module.a.module.b", "module.a", false, false},
	} {
		if got := test.m.Matches(test.o); got != test.matches {
			t.Errorf("%q matches %q: got %t", test.m, test.o, got)
		}
		if got := test.m.Contains(test.o); got != test.contains {
			t.Errorf("%q contains %q: got %t", test.m, test.o, got)
		}
	}
}

func TestModuleIn(t *testing.T) {
	for _, test := range [][3]addr.Module{
		{"module.a", `module.a["x"]`, `module.a["x"]`},
		{"module.a.module.b", `module.a["x"]`, `module.a["x"].module.b`},
		{"module.c", `module.a["x"]`, "module.c"},
		{"module.a.module.c", `module.a["x"].module.b`, `module.a["x"].module.c`},
		{"", `module.a["x"]`, ""},
		{`module.a["y"]`, "module.a", `module.a["y"]`},
	} {
		if got := test[0].In(test[1]); got != test[2] {
			t.Errorf("%q in %q: got %q, want %q", test[0], test[1], got, test[2])
		}
	}
}

func TestCompareModules(t *testing.T) {
	sorted := []addr.Module{"", "module.a", "module.a.module.z", "module.a[2]", "module.a[10]", `module.a["b"]`, "module.b"}
	shuffled := []addr.Module{sorted[4], sorted[6], sorted[2], sorted[0], sorted[3], sorted[5], sorted[1]}
	slices.SortFunc(shuffled, addr.Module.Compare)
	if !slices.Equal(shuffled, sorted) {
		t.Errorf("got %q", shuffled)
	}
}

// What is parsed is written to what parses to the same, and its parts fit together.
func FuzzParseModule(f *testing.F) {
	for _, seed := range []string{
		"module.lab", `module.lab["a"].module.net[0]`, `module.a["]\"."].module.b["\u2028"]`, "module.a.b", "module.module.data",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := addr.ParseModule(text)
		if err != nil {
			return
		}
		again, err := addr.ParseModule(string(m))
		if err != nil || again != m || m.Compare(again) != 0 {
			t.Errorf("%q is written as %q, which gives %q, %v", text, m, again, err)
		}
		static := m.Static()
		if !static.Matches(m) || !static.Contains(m) || !m.Contains(m) || static.Static() != static || static.In(m) != m {
			t.Errorf("%q and its static address %q do not fit", m, static)
		}
		parent, last := m.Split()
		if parent.Child(last.Name, last.Key) != m || !parent.Contains(m) || parent.Compare(m) >= 0 {
			t.Errorf("%q is not %q in %q", m, last, parent)
		}
	})
}

func TestWithinAndOpen(t *testing.T) {
	m := addr.Module(`module.a["x"].module.b[1].module.c["y"]`)
	if got := m.Within(1, `module.a["x"].module.b`); got != `module.a["x"].module.b.module.c` {
		t.Errorf("within the second step: %s", got)
	}
	if got := m.Open(); got != 0 {
		t.Errorf("%s has open steps: %b", m, got)
	}
	if got := addr.Module(`module.a.module.b[1].module.c`).Open(); got != 0b101 {
		t.Errorf("open steps %b", got)
	}
}
