package apply_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/state"
)

var update = flag.Bool("update", false, "rewrite the expected results in testdata")

// TestEngine runs the scripts in testdata. A script's files are named by step: 1/main.diy.hcl
// and other files of the folder, which stay until a later step has configuration of its own;
// 1/do with directives (see directives in script_test.go); and the expected results:
//
//	1/errors  what was told, with exact ranges
//	1/plan    the plan for people
//	1/json    the plan for scripts, where asked for
//	1/after   counts, batches, world, record, outputs after apply
//
// After an apply without errors the next plan must be empty.
func TestEngine(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal("there are no scripts", err)
	}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			runScript(t, path)
		})
	}
}

func runScript(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{lab: newLab(t)}
	out := &txtar.Archive{Comment: archive.Comment}
	ran := map[string]bool{}
	for _, step := range steps(archive) {
		if ran[step.name] {
			t.Fatalf("the files of step %s do not stand together", step.name)
		}
		ran[step.name] = true
		s.begin(step)
		for _, f := range step.files {
			if !isResult(f.Name) {
				out.Files = append(out.Files, f)
			}
		}
		for _, f := range s.step() {
			f.Name = step.name + "/" + f.Name
			f.Data = uuids.ReplaceAll(f.Data, []byte("UUID"))
			out.Files = append(out.Files, f)
		}
	}
	got := txtar.Format(out)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(txtar.Format(archive)), string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// uuids are another each time: the ids of triggers.
var uuids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// stepFiles are the files of one step.
type stepFiles struct {
	name  string
	files []txtar.File
}

func steps(a *txtar.Archive) []stepFiles {
	var list []stepFiles
	for _, f := range a.Files {
		name, _, _ := strings.Cut(f.Name, "/")
		if len(list) == 0 || list[len(list)-1].name != name {
			list = append(list, stepFiles{name: name})
		}
		last := &list[len(list)-1]
		last.files = append(last.files, f)
	}
	return list
}

func isResult(name string) bool {
	return slices.Contains([]string{"errors", "plan", "json", "after"}, filepath.Base(name))
}

// script is a lab with what the directives of the present step ask for.
type script struct {
	*lab
	todo
	planFile *plan.File
	out      []txtar.File
	written  []string // configuration files of the last step that had some
}

// begin writes the step's files and follows its directives.
func (s *script) begin(step stepFiles) {
	s.todo, s.out, s.world.Log = todo{}, nil, nil
	var names []string
	var directives string
	for _, f := range step.files {
		name := strings.TrimPrefix(f.Name, step.name+"/")
		switch {
		case name == "do":
			directives = string(f.Data)
		case !isResult(name):
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		for _, name := range s.written {
			s.must(os.Remove(filepath.Join(s.dir, name)))
		}
		s.written = names
	}
	for _, f := range step.files {
		if name := strings.TrimPrefix(f.Name, step.name+"/"); slices.Contains(names, name) {
			s.write(name, string(f.Data))
		}
	}
	s.follow(directives)
}

func (s *script) result(name, text string) {
	if text != "" {
		s.out = append(s.out, txtar.File{Name: name, Data: []byte(strings.TrimRight(text, "\n") + "\n")})
	}
}

// step makes the plan, applies it, and gives the results.
func (s *script) step() []txtar.File {
	c, diags := s.lab.begin(s.mode)
	if diags.HasErrors() {
		c.end()
		s.result("errors", s.tell(diags))
		return s.out
	}
	c.input.Options = s.options
	p, diags := plan.New(context.Background(), c.input)
	if p != nil {
		diags = append(diags, s.throughFile(p)...)
	}
	if diags.HasErrors() || s.planOnly {
		c.end()
		s.result("errors", s.tell(diags))
		s.show(p)
		return s.out
	}
	s.show(p)
	var result *apply.Result
	if p.NeedsApply() {
		var more hcl.Diagnostics
		result, more = s.applyPlan(c, p)
		diags = append(diags, more...)
	}
	c.end()
	if s.bury() {
		s.crashed, s.unclean = true, true
	}
	s.result("errors", s.tell(diags))
	s.result("after", s.after(result))
	s.checkSettled(diags.HasErrors())
	return s.out
}

func (s *script) applyPlan(c *command, p *plan.Plan) (*apply.Result, hcl.Diagnostics) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.watch(cancel)
	// One worker, so that the order is always the same.
	result, diags := apply.Run(ctx, c.store, p, apply.Options{Workers: 1, Observe: s.observe})
	return result, diags
}

// observe notes what was not tried, and why; the rest is in the world's log.
func (s *script) observe(e apply.Event) {
	if e.Kind == apply.Skipped {
		s.world.Log = append(s.world.Log, fmt.Sprintf("skipped: %s of %s, for %s", e.Action, e.Address, e.Cause))
	}
}

// throughFile writes the plan to a file and takes it from there again.
func (s *script) throughFile(p *plan.Plan) hcl.Diagnostics {
	if s.saveFile {
		f, err := p.File()
		s.must(err)
		path := filepath.Join(s.dir, "plan")
		s.must(f.Write(path))
		s.planFile, err = plan.ReadFile(path)
		s.must(err)
		again, err := s.planFile.Plan(p.Input.Registry)
		s.must(err)
		if diff := cmp.Diff(render(p), render(again)); diff != "" {
			s.t.Errorf("the plan reads differently from its file (-made +read):\n%s", diff)
		}
	}
	if !s.matchFile {
		return nil
	}
	return problem(s.planFile.Matches(p))
}

func render(p *plan.Plan) string {
	var b strings.Builder
	p.Render(&b, plan.Palette{})
	return places.ReplaceAllString(b.String(), "")
}

// places are where blocks stand: in a folder of another name each time.
var places = regexp.MustCompile(`(?m) \(/\S+:\d+\)$`)

func (s *script) show(p *plan.Plan) {
	if p == nil {
		return
	}
	s.result("plan", render(p))
	if s.json {
		doc, err := p.JSON()
		s.must(err)
		// The rest is what there is and what is written; cmd/diyform's scripts look at that.
		text, err := json.MarshalIndent(map[string]any{
			"resource_changes": withoutSource(doc.ResourceChanges), "resource_drift": doc.ResourceDrift,
			"output_changes": doc.OutputChanges, "checks": doc.Checks, "applyable": doc.Applyable,
		}, "", "  ")
		s.must(err)
		s.result("json", string(text))
	}
}

// withoutSource leaves out where blocks stand, see places.
func withoutSource(list []plan.JSONChange) []plan.JSONChange {
	out := slices.Clone(list)
	for i := range out {
		out[i].Source = ""
	}
	return out
}

// after describes what an apply left.
func (s *script) after(r *apply.Result) string {
	var b strings.Builder
	if r != nil {
		fmt.Fprintf(&b, "added %d, changed %d, destroyed %d\n", r.Added, r.Changed, r.Destroyed)
		if n := r.Imported + r.Moved + r.Forgotten; n > 0 {
			fmt.Fprintf(&b, "imported %d, moved %d, forgotten %d\n", r.Imported, r.Moved, r.Forgotten)
		}
		list(&b, "failed", texts(r.Failed))
		list(&b, "skipped", texts(r.Skipped))
	}
	list(&b, "done", s.world.Log)
	list(&b, "world", strings.Split(strings.TrimSpace(s.world.String()), "\n"))
	st := s.recorded()
	list(&b, "recorded", resources(st))
	var outputs []string
	for name, o := range st.Outputs {
		v, err := plan.DecodeOutput(o)
		s.must(err)
		outputs = append(outputs, fmt.Sprintf("%s = %s", name, plan.Format(v)))
	}
	slices.Sort(outputs)
	list(&b, "outputs", outputs)
	return b.String()
}

func texts[T fmt.Stringer](list []T) []string {
	var out []string
	for _, x := range list {
		out = append(out, x.String())
	}
	return out
}

func list(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 || len(lines) == 1 && lines[0] == "" {
		return
	}
	fmt.Fprintf(b, "%s:\n  %s\n", title, strings.Join(lines, "\n  "))
}

func resources(st *state.State) []string {
	var out []string
	for i, r := range slices.Concat(st.Sorted(), st.SortedDeposed()) {
		line := fmt.Sprintf("%s %s", r.Address, r.Status)
		if i >= len(st.Resources) {
			line = fmt.Sprintf("%s deposed, %s", r.Address, r.Status)
		}
		if len(r.Dependencies) > 0 {
			line += " after " + strings.Join(r.Dependencies, ", ")
		}
		if r.Marked() != r.Address {
			line += fmt.Sprintf(" known as %s", r.KnownAs)
		}
		if r.Origin() != r.Address {
			line += fmt.Sprintf(" made as %s", r.MadeAs)
		}
		if len(r.Sensitive) > 0 {
			line += " hides " + strings.Join(r.Sensitive, ", ")
		}
		out = append(out, line)
	}
	return out
}

// checkSettled holds the engine's promise: after an apply there is nothing left to do.
func (s *script) checkSettled(failed bool) {
	if len(s.world.Violations) > 0 {
		s.t.Errorf("the engine broke its word:\n%s", strings.Join(s.world.Violations, "\n"))
		s.world.Violations = nil
	}
	if failed || s.unclean {
		return
	}
	log := s.world.Log
	p, diags := s.plan(s.mode)
	if diags.HasErrors() {
		s.t.Errorf("the second plan fails:\n%s", s.tell(diags))
		return
	}
	if p.NeedsApply() {
		s.t.Errorf("the second plan is not empty:\n%s", render(p))
	}
	s.world.Log = log
}

// tell writes diagnostics with their places.
func (s *script) tell(diags hcl.Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		severity := "error"
		if d.Severity == hcl.DiagWarning {
			severity = "warning"
		}
		if d.Subject != nil {
			at := *d.Subject
			at.Filename = strings.TrimPrefix(at.Filename, s.dir+"/")
			severity += " " + at.String()
		}
		text := strings.ReplaceAll(d.Detail, s.dir+"/", "")
		fmt.Fprintf(&b, "%s: %s\n  %s\n", severity, d.Summary, strings.ReplaceAll(text, "\n", "\n  "))
	}
	return strings.ReplaceAll(b.String(), "  \n", "\n")
}
