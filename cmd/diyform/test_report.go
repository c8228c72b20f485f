package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/apply/trial"
	"github.com/diyform/diyform/config"
)

// testReport tells what comes of the tests while they run, and keeps it for the end.
type testReport struct {
	view   *view
	asJSON bool
	files  []*testedFile
	now    *testedFile // the one that is being run
}

// testedFile is what came of a file.
type testedFile struct {
	path   string
	status trial.Status
	begun  time.Time
	runs   []testEvent
	end    *testEvent // nil until all is destroyed
}

func newTestReport(v *view, f *testFlags) *testReport {
	r := &testReport{view: v, asJSON: f.asJSON}
	if r.asJSON {
		r.message("version", fmt.Sprintf("diyform %s", version), map[string]any{"diyform": version, "ui": "1.2"})
	}
	return r
}

// found tells what there is to be run.
func (r *testReport) found(files []*config.TestFile) {
	if !r.asJSON {
		return
	}
	abstract, runs := map[string][]string{}, 0
	for _, file := range files {
		for _, run := range file.Runs {
			abstract[file.Path] = append(abstract[file.Path], run.Name)
			runs++
		}
	}
	r.message("test_abstract", fmt.Sprintf("Found %s and %s", count(len(files), "file"), count(runs, "run block")),
		map[string]any{"test_abstract": abstract})
}

// tell tells of the tests as a whole, before any is run.
func (r *testReport) tell(sources map[string]*hcl.File, diags hcl.Diagnostics) {
	if !r.asJSON {
		r.view.diagnostics(sources, diags)
		return
	}
	r.diagnostics(testEvent{Diags: jsonDiagnostics(diags)}, nil)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// message prints one object of the machine-readable form.
func (r *testReport) message(kind, text string, fields map[string]any) {
	r.leveled("info", kind, text, fields)
}

func (r *testReport) leveled(level, kind, text string, fields map[string]any) {
	fields["@level"], fields["@module"], fields["type"] = level, "terraform.ui", kind
	fields["@message"], fields["@timestamp"] = text, time.Now().Format("2006-01-02T15:04:05.000000Z07:00")
	enc := json.NewEncoder(r.view.out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(fields) // nobody reads it: what it says is in the exit code too
}

func (r *testReport) begin(file *config.TestFile) {
	r.now = &testedFile{path: file.Path, status: trial.Pass, begun: time.Now()}
	r.files = append(r.files, r.now)
	r.progress("starting", "... in progress", "")
}

// progress tells how far the file is.
func (r *testReport) progress(progress, text string, status trial.Status) {
	if !r.asJSON {
		r.view.printf("%s%s\n", r.now.path, text)
		return
	}
	file := map[string]any{"path": r.now.path, "progress": progress}
	if status != "" {
		file["status"] = status
		text = "... " + string(status)
	}
	r.message("test_file", r.now.path+text, map[string]any{"test_file": file, "@testfile": r.now.path})
}

// take is told of what happens.
func (r *testReport) take(e testEvent) {
	switch e.Kind {
	case runBegun:
		if r.asJSON {
			r.run(e, map[string]any{"progress": "starting", "elapsed": 0}, "in progress")
		}
	case runEnded:
		r.now.status = r.now.status.Merge(e.Status)
		r.now.runs = append(r.now.runs, e)
		r.ranOne(e)
	case tearDown:
		r.progress("teardown", "... tearing down", "")
	case fileEnded:
		r.now.end = &e
		if e.hasErrors() {
			r.now.status = trial.Error
		}
		r.diagnostics(e, map[string]any{"@testfile": r.now.path})
	}
}

func (e *testEvent) hasErrors() bool {
	for _, d := range e.Diags {
		if d.Severity == "error" {
			return true
		}
	}
	return false
}

func (r *testReport) ranOne(e testEvent) {
	if r.asJSON {
		r.run(e, map[string]any{"progress": "complete", "status": e.Status, "elapsed": int64(e.Elapsed * 1000)}, string(e.Status))
		if e.State != nil {
			r.message("test_state", "-verbose: what was made", r.about(e, map[string]any{"test_state": e.State}))
		} else if e.Plan != nil {
			r.message("test_plan", "-verbose: the plan", r.about(e, map[string]any{"test_plan": e.Plan}))
		}
	} else {
		r.view.printf("  run %q... %s\n", e.Run, r.coloured(e.Status, string(e.Status)))
		if e.Shown != "" {
			r.view.printf("\n%s\n", e.Shown)
		}
	}
	r.diagnostics(e, r.about(e, map[string]any{}))
}

func (r *testReport) run(e testEvent, fields map[string]any, text string) {
	fields["path"], fields["run"] = r.now.path, e.Run
	r.message("test_run", fmt.Sprintf("  %q... %s", e.Run, text), r.about(e, map[string]any{"test_run": fields}))
}

func (r *testReport) about(e testEvent, fields map[string]any) map[string]any {
	fields["@testfile"], fields["@testrun"] = r.now.path, e.Run
	return fields
}

func (r *testReport) diagnostics(e testEvent, about map[string]any) {
	if !r.asJSON {
		if e.Text != "" {
			fmt.Fprint(r.view.err, "\n"+e.Text)
		}
		return
	}
	for _, d := range e.Diags {
		fields := map[string]any{"diagnostic": d}
		maps.Copy(fields, about)
		level, word := "error", "Error"
		if d.Severity == "warning" {
			level, word = "warn", "Warning"
		}
		r.leveled(level, "diagnostic", word+": "+d.Summary, fields)
	}
}

func (r *testReport) coloured(s trial.Status, text string) string {
	p := palette(r.view.out)
	switch s {
	case trial.Pass:
		return p.Green(text)
	case trial.Skip:
		return p.Faint(text)
	}
	return p.Red(text)
}

// ended reports whether the file came to its end.
func (r *testReport) ended() bool { return r.now.end != nil }

// broken tells that it did not.
func (r *testReport) broken(err error) {
	r.take(testEvent{Kind: fileEnded, Text: fmt.Sprintf("Error: The tests were cut off\n\n%s.\n\n", capital(err.Error())),
		Diags: []jsonDiagnostic{{Severity: "error", Summary: "The tests were cut off", Detail: capital(err.Error()) + "."}}})
}

func (r *testReport) end() {
	r.progress("complete", "... "+r.coloured(r.now.status, string(r.now.status)), r.now.status)
}

// status is that of all files together.
func (r *testReport) status() trial.Status {
	all := trial.Pass
	for _, file := range r.files {
		all = all.Merge(file.status)
	}
	return all
}

// summary is the last line.
func (r *testReport) summary() {
	n := map[trial.Status]int{}
	for _, file := range r.files {
		for _, run := range file.runs {
			n[run.Status]++
		}
	}
	word := "Success!"
	if r.status().Merge(trial.Skip) != trial.Skip {
		word = "Failure!"
	}
	text := fmt.Sprintf("%s %d passed, %d failed", word, n[trial.Pass], n[trial.Fail]+n[trial.Error])
	if n[trial.Skip] > 0 {
		text += fmt.Sprintf(", %d skipped", n[trial.Skip])
	}
	text += "."
	if r.asJSON {
		r.message("test_summary", text, map[string]any{"test_summary": map[string]any{
			"status": r.status(), "passed": n[trial.Pass], "failed": n[trial.Fail], "errored": n[trial.Error], "skipped": n[trial.Skip],
		}})
		return
	}
	r.view.printf("\n%s\n", palette(r.view.out).Bold(r.coloured(r.status(), text)))
}
