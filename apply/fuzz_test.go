package apply_test

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/plan"
)

// unsteady are functions that give something else each time, so that the second plan has changes,
// and numbers that would make millions of instances.
var unsteady = regexp.MustCompile(`timestamp|uuid|bcrypt|file|template|range|revision|[0-9]{4}`)

// Whatever a configuration says, the engine plans and applies it and then has nothing to do, or
// tells what is wrong.
func FuzzEngine(f *testing.F) {
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(scripts) == 0 {
		f.Fatal("there are no scripts", err)
	}
	for _, script := range scripts {
		archive, err := txtar.ParseFile(script)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if name := path.Base(file.Name); strings.HasPrefix(name, "main.diy.") && !unsteady.Match(file.Data) {
				f.Add(string(file.Data), strings.HasSuffix(name, ".json"))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string, json bool) {
		if unsteady.MatchString(text) {
			return // what gives another value each time leaves no empty second plan
		}
		l := newLab(t)
		if json {
			l.write("main.diy.json", text)
		} else {
			l.write("main.diy.hcl", text)
		}
		l.write("m/m.diy.hcl", "variable \"in\" {\n  default = 1\n}\noutput \"out\" {\n  value = var.in\n}\n")
		p, result, diags := l.run(t.Context(), plan.Normal, apply.Options{Workers: 1})
		told := func(s string) bool { return strings.Contains(diags.Error(), s) }
		if slices.ContainsFunc([]string{"bug in diyform", "broke its word"}, told) {
			t.Errorf("got %v", diags)
		}
		if len(l.world.Violations) > 0 {
			t.Errorf("the engine broke its word: %q", l.world.Violations)
		}
		if diags.HasErrors() || p == nil {
			return
		}
		again, diags := l.plan(plan.Normal)
		if diags.HasErrors() || again.NeedsApply() && result != nil {
			t.Errorf("the second plan: %v\n%s", diags, renderIf(again))
		}
	})
}

func renderIf(p *plan.Plan) string {
	if p == nil {
		return ""
	}
	return render(p)
}
