package config

import (
	"bytes"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func TestFormat(t *testing.T) {
	tests := map[string]struct{ src, want string }{
		"spacing":              {"a=1\nlonger   = 2\n", "a      = 1\nlonger = 2\n"},
		"indentation":          {"b \"x\" {\na = 1\n  c {\n d = 2\n}\n}\n", "b \"x\" {\n  a = 1\n  c {\n    d = 2\n  }\n}\n"},
		"labels":               {"resource bridge lan {}\n", "resource \"bridge\" \"lan\" {}\n"},
		"unwrap":               {"a = \"${var.x}\"\n", "a = var.x\n"},
		"unwrap spaces":        {"a = \"${ var.x }\"\n", "a = var.x\n"},
		"unwrap nested":        {"a = \"${\"${ var.x }\"}\"\n", "a = var.x\n"},
		"unwrap in block":      {"b {\n  a = \"${f(\"${x}\")}\"\n}\n", "b {\n  a = f(\"${x}\")\n}\n"},
		"unwrap lines":         {"a = \"${x ?\n1 :\n2}\"\n", "a = (x ?\n  1 :\n2)\n"},
		"unwrap parens":        {"a = \"${(x +\n1)}\"\n", "a = (x +\n1)\n"},
		"keep template":        {"a = \"${x}${y}\"\n", "a = \"${x}${y}\"\n"},
		"keep text":            {"a = \"${x} \"\n", "a = \"${x} \"\n"},
		"keep strip":           {"a = \"${~ x ~}\"\n", "a = \"${~x~}\"\n"},
		"keep comment":         {"a = \"${ /* why */ x }\"\n", "a = \"${/* why */ x}\"\n"},
		"keep heredoc":         {"a = <<EOT\n${x}\nEOT\n", "a = <<EOT\n${x}\nEOT\n"},
		"keep wrapped heredoc": {"a = \"${<<EOT\nx\nEOT\n}\"\n", "a = \"${<<EOT\nx\nEOT\n}\"\n"},
		"keep comments":        {"# one\na = 1 // two\n", "# one\na = 1 // two\n"},
		"formatted":            {"a = 1\n", "a = 1\n"},
		"empty":                {"", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, diags := Format([]byte(tt.src), "x")
			noProblems(t, diags)
			if string(got) != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			again, _ := Format(got, "x")
			if !bytes.Equal(again, got) {
				t.Errorf("formatted again: %q", again)
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
	want := "diff old/main.diy.hcl new/main.diy.hcl\n--- old/main.diy.hcl\n+++ new/main.diy.hcl\n@@ -1,2 +1,2 @@\n-a=1\n+a = 1\n b = 2\n"
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
	f.Add([]byte("a = \"${<<EOT\nx\nEOT\n}\"\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		once, diags := Format(src, "x")
		if diags.HasErrors() {
			return
		}
		if _, diags := hclsyntax.ParseConfig(once, "x", hcl.InitialPos); diags.HasErrors() {
			t.Fatalf("%q became %q, which does not parse: %s", src, once, diags)
		}
		twice, _ := Format(once, "x")
		if !bytes.Equal(once, twice) {
			t.Fatalf("%q became %q and then %q", src, once, twice)
		}
	})
}
