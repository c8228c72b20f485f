package state

import (
	"strings"
	"testing"
)

func selection(t testing.TB, s string) Selection {
	t.Helper()
	out, err := ParseSelection(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSelectionMatches(t *testing.T) {
	all := []string{
		"bridge.lan", "bridge.lan[1]", "bridge.lan[10]", `bridge.lan["a.b[0]"]`, "bridge.lan2", "data.bridge.lan",
		"module.a.bridge.lan", "module.a.module.b.bridge.lan", "module.a-b.bridge.lan",
		`module.c["x.y"].bridge.lan[1]`, `module.c["z"].module.b[0].bridge.lan`,
	}
	tests := map[string]string{
		"bridge.lan":            `bridge.lan bridge.lan[1] bridge.lan[10] bridge.lan["a.b[0]"]`,
		"bridge.lan[1]":         "bridge.lan[1]",
		`bridge.lan["a.b[0]"]`:  `bridge.lan["a.b[0]"]`,
		`bridge.lan["\u0061"]`:  "",
		"data.bridge.lan":       "data.bridge.lan",
		"module.a":              "module.a.bridge.lan module.a.module.b.bridge.lan",
		"module.a.module.b":     "module.a.module.b.bridge.lan",
		"module.a.bridge.lan":   "module.a.bridge.lan",
		"module.b":              "",
		"module.c":              `module.c["x.y"].bridge.lan[1] module.c["z"].module.b[0].bridge.lan`,
		`module.c["x.y"]`:       `module.c["x.y"].bridge.lan[1]`,
		"module.c.bridge.lan":   `module.c["x.y"].bridge.lan[1]`,
		"module.c.module.b":     `module.c["z"].module.b[0].bridge.lan`,
		`module.c["y"]`:         "",
		"veth_pair.lan":         "",
		"module.a.bridge.lan_b": "",
	}
	for text, want := range tests {
		s := selection(t, text)
		var got []string
		for _, a := range all {
			if s.Matches(address(t, a)) {
				got = append(got, a)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s is about %q, want %q", text, got, want)
		}
		if s.IsModule() != (strings.HasPrefix(text, "module.") && !strings.Contains(text, "bridge")) {
			t.Errorf("%s is taken for a module: %t", text, s.IsModule())
		}
	}
	if got := selection(t, `bridge.lan["\u0061"]`).String(); got != `bridge.lan["a"]` {
		t.Errorf("the key is written as %s", got)
	}
}

func TestParseSelectionRefuses(t *testing.T) {
	for _, text := range []string{
		"", "bridge", "module", "module.", "module.a.", ".a", "a.b.c", "a.b[", `a.b["`, `a.b["x]`, "a.b[0]x", "a b.c", "data.a", "module.a.b",
		"a.b[0][1]", "module.a[", `module.a["`,
	} {
		if s, err := ParseSelection(text); err == nil {
			t.Errorf("%q is read as %v", text, s)
		}
	}
}

func TestRenamings(t *testing.T) {
	type renaming func(a, b Selection) func(string) (string, bool)
	moved, replaced := renaming(Selection.Moved), renaming(Selection.Replaced)
	tests := []struct {
		how        renaming
		from, to   string
		text, want string // "": it is not about that
	}{
		{how: moved, from: "bridge.a", to: "bridge.b", text: "bridge.a[3]", want: "bridge.b[3]"},
		{how: moved, from: "bridge.a[3]", to: "bridge.b", text: "bridge.a[3]", want: "bridge.b"},
		{how: moved, from: "bridge.a", to: "module.m.bridge.a", text: "bridge.a", want: "module.m.bridge.a"},
		{how: moved, from: "module.m", to: "module.n.module.o", text: `module.m.bridge.a["x"]`, want: `module.n.module.o.bridge.a["x"]`},
		{how: moved, from: "bridge.a", to: "bridge.b", text: "module.m.bridge.a"},
		{how: moved, from: "module.m", to: "module.n", text: `module.m["x"].bridge.a`, want: `module.n["x"].bridge.a`},
		{how: moved, from: `module.m["x"]`, to: "module.n", text: `module.m["x"].bridge.a`, want: "module.n.bridge.a"},
		{how: moved, from: "module.m.bridge.a", to: "module.m.bridge.b", text: `module.m["x"].bridge.a`},
		{how: moved, from: "bridge.a", to: "bridge.b", text: "bridge.ab"},
		{how: replaced, from: "bridge.a", to: "bridge.b", text: "bridge.a", want: "bridge.b"},
		{how: replaced, from: "bridge.a", to: "bridge.b", text: `module.m.module.n.bridge.a["bridge.a"]`, want: `module.m.module.n.bridge.b["bridge.a"]`},
		{how: replaced, from: "module.m.bridge.a", to: "module.m.bridge.b", text: `module.m["x"].bridge.a[0]`, want: `module.m["x"].bridge.b[0]`},
		{how: replaced, from: "module.m", to: "module.n", text: `module.m["x"].module.o[0].bridge.a`, want: `module.n["x"].module.o[0].bridge.a`},
		{how: replaced, from: "module.m", to: "module.n", text: "module.m.module.m.bridge.m", want: "module.n.module.n.bridge.m"},
		{how: replaced, from: "module.m.bridge.a", to: "module.n.bridge.b", text: "module.o.module.m.bridge.a", want: "module.o.module.n.bridge.b"},
		{how: replaced, from: "module.m.bridge.a", to: "module.n.bridge.b", text: "module.m.module.o.bridge.a"},
		{how: replaced, from: "bridge.a", to: "bridge.b", text: "data.bridge.a"},
	}
	for _, tt := range tests {
		got, ok := tt.how(selection(t, tt.from), selection(t, tt.to))(tt.text)
		if ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("%s to %s: %s becomes %q, %t; want %q", tt.from, tt.to, tt.text, got, ok, tt.want)
		}
	}
}

func TestSelectionFits(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"bridge.a", "bridge.b"}:                        true,
		{"module.a", "module.b"}:                        true,
		{"module.a.bridge.a", "module.b.bridge.b"}:      true,
		{"module.a.bridge.a", "module.b.module.c"}:      false,
		{"bridge.a", "module.a.bridge.a"}:               false,
		{"bridge.a[0]", "bridge.b[0]"}:                  false,
		{"module.module", "module.a"}:                   true,
		{"module.module.bridge.a", "module.a.bridge.a"}: true,
	} {
		if got := selection(t, pair[0]).Fits(selection(t, pair[1])); got != want {
			t.Errorf("%s and %s: %t", pair[0], pair[1], got)
		}
	}
}

// What is parsed is written to what parses to the same, and its parts are those that it has.
func FuzzParseSelection(f *testing.F) {
	for _, seed := range []string{"bridge.a", `a.b["x]\"y."]`, "module.a.module.b", "module.module.module.a.b", "data.a.b[0]", "module.a.data"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSelection(text)
		if err != nil {
			return
		}
		again, err := ParseSelection(s.String())
		if err != nil || again != s {
			t.Fatalf("%q is written as %q: %v, %v", text, s, again, err)
		}
		to := s
		if s.IsModule() {
			to.module += "_x"
		} else {
			to.resource.Name += "_x"
		}
		inside := s.String()
		if s.IsModule() {
			inside += ".a.b"
		}
		a := address(t, inside)
		if !s.Matches(a) {
			t.Fatalf("%s is not about %s", s, a)
		}
		if moved, ok := s.Moved(to)(a.String()); ok && !to.Matches(address(t, moved)) && !s.keyed() {
			t.Fatalf("%s to %s: %s becomes %s", s, to, a, moved)
		}
		if replaced, ok := s.Replaced(to)(a.String()); !s.keyed() && (!ok || !to.Fits(s) || !to.Matches(address(t, replaced))) {
			t.Fatalf("%s by %s: %s becomes %s", s, to, a, replaced)
		}
	})
}
