package diag_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/diag"
)

func TestProblem(t *testing.T) {
	p := &diag.Problem{Summary: "It is broken", Detail: "Mend it.", Err: fs.ErrNotExist}
	if p.Error() != "It is broken: Mend it." || !errors.Is(p, fs.ErrNotExist) {
		t.Errorf("got %q", p)
	}
	if got := (&diag.Problem{Summary: "It is broken"}).Error(); got != "It is broken" {
		t.Errorf("got %q", got)
	}
}

func TestFromError(t *testing.T) {
	at := &hcl.Range{Filename: "f"}
	own := &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Own"}
	problem := &diag.Problem{Summary: "It is broken", Detail: "Mend it."}
	tests := []struct {
		err  error
		want []string
	}{
		{nil, nil},
		{errors.New("read it: gone"), []string{"error Other f: read it: gone."}},
		{problem, []string{"error It is broken f: Mend it."}},
		{fmt.Errorf("wrapped: %w", problem), []string{"error It is broken f: Mend it."}},
		{errors.Join(problem, errors.New("and more!")), []string{"error It is broken f: Mend it.", "error Other f: and more!"}},
		{hcl.Diagnostics{own}, []string{"warning Own : "}},
	}
	for _, test := range tests {
		var got []string
		for _, d := range diag.FromError(test.err, "Other", at) {
			severity, file := "error", ""
			if d.Severity == hcl.DiagWarning {
				severity = "warning"
			}
			if d.Subject != nil {
				file = d.Subject.Filename
			}
			got = append(got, fmt.Sprintf("%s %s %s: %s", severity, d.Summary, file, d.Detail))
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%v: got %q, want %q", test.err, got, test.want)
		}
	}
}

func TestSentence(t *testing.T) {
	for given, want := range map[string]string{"": "", "a": "a.", "a.": "a.", "a?": "a?", "a!": "a!", "a\n": "a\n", "a)": "a)."} {
		if got := diag.Sentence(given); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"veth_pair", "bridge", "route", "vlan", "mtu"}
	for given, want := range map[string]string{
		"veth_pairs": "veth_pair", "bridgde": "bridge", "rotue": "route", "vlna": "vlan", "mut": "mtu", "mtv": "mtu", "zzz": "", "": "", "container": "",
	} {
		if want != "" {
			want = ` Did you mean "` + want + `"?`
		}
		if got := diag.Suggest(given, known); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}

func TestDistinct(t *testing.T) {
	at := func(line int) *hcl.Range { return &hcl.Range{Filename: "f", Start: hcl.Pos{Line: line}} }
	given := hcl.Diagnostics{
		diag.Error(at(1), "S", "D"), diag.Error(at(1), "S", "D"), diag.Error(at(2), "S", "D"), diag.Error(nil, "S", "D"),
		diag.Warning(at(1), "S", "D"), diag.Error(at(1), "S", "other"), diag.Error(nil, "S", "D"),
	}
	got := diag.Distinct(given)
	if len(got) != 5 || got[0] != given[0] || got[4] != given[5] {
		t.Errorf("got %v", got)
	}
	if diag.Distinct(nil) != nil {
		t.Error("nothing becomes something")
	}
}

func TestInOrder(t *testing.T) {
	at := func(file string, offset int) *hcl.Diagnostic {
		return diag.Error(&hcl.Range{Filename: file, Start: hcl.Pos{Byte: offset}}, "S", "D")
	}
	none, a9, a10, b1 := diag.Error(nil, "S", "D"), at("a", 9), at("a", 10), at("b", 1)
	got := diag.InOrder(hcl.Diagnostics{b1, a10, none, a9})
	for i, want := range []*hcl.Diagnostic{none, a9, a10, b1} {
		if got[i] != want {
			t.Errorf("at %d: got %v", i, got[i])
		}
	}
}
