package arch

import (
	"go/ast"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every error or warning about a configuration has a test in which it comes out. What is held here
// is the list: that each summary stands in some golden file or table of the tests.
func TestDiagnosticsAreTested(t *testing.T) {
	golden := goldenText(t)
	for _, folder := range []string{"config", "plan"} {
		for _, s := range summariesIn(t, folder) {
			if !strings.Contains(golden, s.text) && neverSeen[s.text] == "" {
				t.Errorf("%s: no test expects the diagnostic %q", s.at, s.text)
			}
		}
	}
	for text := range neverSeen {
		if strings.Contains(golden, text) {
			t.Errorf("%q is expected by a test: take it from neverSeen", text)
		}
	}
}

// neverSeen are diagnostics of what cannot happen as far as we know, and why.
var neverSeen = map[string]string{
	"A value is still unknown": "a step waits for all that its arguments refer to",
	"Check cannot be made":     "checks run when nothing is left to be done",
}

type summary struct {
	text string
	at   token.Position
}

// summariesIn lists what the code of a package gives diagnostics as their summaries. Of one that
// is put together, the literal at its beginning counts.
func summariesIn(t *testing.T, folder string) []summary {
	var list []summary
	for _, file := range sources(t) {
		if file.test || file.folder != folder {
			continue
		}
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			if expr := summaryOf(n); expr != nil {
				if text := leadingText(expr); text != "" {
					list = append(list, summary{text, file.set.Position(expr.Pos())})
				}
			}
			return true
		})
	}
	if len(list) < 10 {
		t.Fatalf("%s has %d diagnostics, so this test does not see them", folder, len(list))
	}
	return list
}

// summaryOf gives the summary that a call of diag.Error or the like, or a literal, has.
func summaryOf(n ast.Node) ast.Expr {
	switch n := n.(type) {
	case *ast.CallExpr:
		name := ""
		switch f := n.Fun.(type) {
		case *ast.SelectorExpr:
			name = f.Sel.Name
		case *ast.Ident:
			name = f.Name
		}
		if slices.Contains([]string{"Error", "Warning", "referenceError"}, name) && len(n.Args) == 3 {
			return n.Args[1]
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Summary" {
			return n.Value
		}
	}
	return nil
}

func leadingText(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.BinaryExpr:
		return leadingText(e.X)
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			return text
		}
	}
	return ""
}

// goldenText is all that tests of diagnostics hold against: tables, engine scripts, scripts of
// commands.
func goldenText(t *testing.T) string {
	var b strings.Builder
	for _, dir := range []string{"config", "plan", "apply", "cmd/diyform"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, ".txtar") {
				return err
			}
			text, err := os.ReadFile(path)
			b.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}
