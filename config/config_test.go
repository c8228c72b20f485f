package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/tools/txtar"
)

// loadText loads a configuration given as a txtar archive, or as the one file main.diy.hcl
// where the text names no file.
func loadText(t testing.TB, text string) (*Config, hcl.Diagnostics) {
	t.Helper()
	return Load(writeFiles(t, text))
}

// mustLoad is loadText for configurations without a problem.
func mustLoad(t testing.TB, text string) *Config {
	t.Helper()
	c, diags := loadText(t, text)
	noProblems(t, diags)
	return c
}

func writeFiles(t testing.TB, text string) string {
	t.Helper()
	if !strings.HasPrefix(text, "-- ") {
		text = "-- main.diy.hcl --\n" + text
	}
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(text)).Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func noProblems(t testing.TB, diags hcl.Diagnostics) {
	t.Helper()
	for _, line := range lines(diags) {
		t.Errorf("unexpected: %s", line)
	}
}

// wantDiags holds diagnostics against lines of the form
// "file:line,column-column: summary; part of the detail".
func wantDiags(t testing.TB, diags hcl.Diagnostics, want ...string) {
	t.Helper()
	got := lines(diags)
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(want):
			t.Errorf("unexpected: %s", got[i])
		case i >= len(got):
			t.Errorf("missing: %s", want[i])
		default:
			place, part, _ := strings.Cut(want[i], "; ")
			if !strings.HasPrefix(got[i], place+"; ") || !strings.Contains(got[i], part) {
				t.Errorf("diagnostic %d\n got %s\nwant %s", i, got[i], want[i])
			}
		}
	}
}

func lines(diags hcl.Diagnostics) []string {
	var out []string
	for _, d := range diags {
		kind := ""
		if d.Severity == hcl.DiagWarning {
			kind = "warning: "
		}
		out = append(out, fmt.Sprintf("%s%s: %s; %s", kind, place(d.Subject), d.Summary, d.Detail))
	}
	return out
}

func place(rng *hcl.Range) string {
	if rng == nil {
		return "-"
	}
	end := fmt.Sprint(rng.End.Column)
	if rng.End.Line != rng.Start.Line {
		end = fmt.Sprintf("%d,%d", rng.End.Line, rng.End.Column)
	}
	return fmt.Sprintf("%s:%d,%d-%s", filepath.Base(rng.Filename), rng.Start.Line, rng.Start.Column, end)
}
