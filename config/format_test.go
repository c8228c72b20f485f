package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// testdata/fmt has files (.in) and what tofu fmt makes of them (.want).
func TestFormatCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/fmt/*.in")
	if err != nil || len(files) < 10 {
		t.Fatal(len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			want, err := os.ReadFile(strings.TrimSuffix(name, ".in") + ".want")
			if err != nil {
				t.Fatal(err)
			}
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got, diags := Format(src, name)
			noProblems(t, diags)
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			again, diags := Format(got, name)
			noProblems(t, diags)
			if d := cmp.Diff(string(got), string(again)); d != "" {
				t.Errorf("formatted again (-once +twice):\n%s", d)
			}
		})
	}
}

// What the corpus cannot have: git changes line ends, and tofu fmt breaks some files.
func TestFormat(t *testing.T) {
	tests := map[string]struct{ src, want string }{
		"line ends":                 {"a=1\r\nlonger = \"${x}\"\r\n", "a      = 1\r\nlonger = x\r\n"},
		"one template a time":       {"a = \"${\"${ var.x }\"}\"\n", "a = \"${var.x}\"\n"},
		"empty":                     {"", ""},
		"comment before":            {"a = \"${ # why\nx}\"\nb = \"${x}\"\n", "a = \"${ # why\nx}\"\nb = x\n"},
		"comment beside":            {"a = \"${ /* why */ x }\"\n", "a = /* why */ x\n"},
		"heredoc":                   {"a = \"${<<EOT\nx\nEOT\n}\"\n", "a = <<EOT\nx\nEOT\n"},
		"heredoc before a comment":  {"a = \"${<<EOT\nx\nEOT\n}\" # why\nb=\"${x}\"\n", "a = \"${<<EOT\nx\nEOT\n}\" # why\nb = x\n"},
		"parentheses of two values": {"a = \"${(x) + \n(y)}\"\n", "a = \"${(x) +\n(y)}\"\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, diags := Format([]byte(tt.src), "x")
			noProblems(t, diags)
			if string(got) != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFormatOfBrokenFile(t *testing.T) {
	_, diags := Format([]byte("a = \n"), "x.diy.hcl")
	wantDiags(t, diags, "x.diy.hcl:1,5-2,1: Invalid expression; Expected the start of an expression")
}

func TestDiff(t *testing.T) {
	got := string(Diff("main.diy.hcl", []byte("a=1\nb = 2\n"), []byte("a = 1\nb = 2\n")))
	want := "--- old/main.diy.hcl\n+++ new/main.diy.hcl\n@@ -1,2 +1,2 @@\n-a=1\n+a = 1\n b = 2\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if d := Diff("x", []byte("a\n"), []byte("a\n")); d != nil {
		t.Errorf("got %q", d)
	}
}

func FuzzFormat(f *testing.F) {
	f.Add([]byte(nativeLab))
	f.Add([]byte("a = \"${ \"${x ?\n1:2}\" }\"\nb c d {}\n"))
	f.Add([]byte("a = \"${ # c\nx}\"\n"))
	f.Add([]byte("a = <<EOT\n  ${x}\nEOT\n"))
	f.Add([]byte("a = \"${<<EOT\nx\nEOT\n}\" # c\n"))
	f.Add([]byte("variable x {\ntype = \"list\"\n}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		once, diags := Format(src, "x")
		if diags.HasErrors() {
			return
		}
		if _, diags := hclsyntax.ParseConfig(once, "x", hcl.InitialPos); diags.HasErrors() {
			t.Fatalf("%q became %q, which does not parse: %s", src, once, diags)
		}
	})
}
