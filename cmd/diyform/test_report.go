package main

import (
	"fmt"
	"maps"
	"time"

	"github.com/diyform/diyform/apply/trial"
	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/diag"
)

// testReport tells what comes of the tests while they run, and keeps it for the end.
type testReport struct {
	view  *view
	files []*testedFile
	now   *testedFile // the one that is being run
}

// testedFile is what came of a file.
type testedFile struct {
	path   string
	status trial.Status
	begun  time.Time
	runs   []testEvent
	end    *testEvent // nil until all is destroyed
}

// found tells what there is to be run.
func (r *testReport) found(files []*config.TestFile) {
	if r.view.stream == nil {
		return
	}
	abstract, runs := map[string][]string{}, 0
	for _, file := range files {
		for _, run := range file.Runs {
			abstract[file.Path] = append(abstract[file.Path], run.Name)
			runs++
		}
	}
	r.view.stream.info("test_abstract", fmt.Sprintf("Found %s and %s", count(len(files), "file"), count(runs, "run block")),
		fields{"test_abstract": abstract})
}

func (r *testReport) begin(file *config.TestFile) {
	r.now = &testedFile{path: file.Path, status: trial.Pass, begun: time.Now()}
	r.files = append(r.files, r.now)
	r.progress("starting", "... in progress", "")
}

// progress tells how far the file is.
func (r *testReport) progress(progress, text string, status trial.Status) {
	if r.view.stream == nil {
		r.view.printf("%s%s\n", r.now.path, text)
		return
	}
	file := map[string]any{"path": r.now.path, "progress": progress}
	if status != "" {
		file["status"] = status
		text = "... " + string(status)
	}
	r.view.stream.info("test_file", r.now.path+text, fields{"test_file": file, "@testfile": r.now.path})
}

// take is told of what happens.
func (r *testReport) take(e testEvent) {
	switch e.Kind {
	case runBegun:
		if r.view.stream != nil {
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
		r.diagnostics(e, fields{"@testfile": r.now.path})
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
	if r.view.stream != nil {
		r.run(e, map[string]any{"progress": "complete", "status": e.Status, "elapsed": int64(e.Elapsed * 1000)}, string(e.Status))
		if e.State != nil {
			r.view.stream.info("test_state", "-verbose: what was made", r.about(e, fields{"test_state": e.State}))
		} else if e.Plan != nil {
			r.view.stream.info("test_plan", "-verbose: the plan", r.about(e, fields{"test_plan": e.Plan}))
		}
	} else {
		r.view.printf("  run %q... %s\n", e.Run, r.coloured(e.Status, string(e.Status)))
		if e.Shown != "" {
			r.view.printf("\n%s\n", e.Shown)
		}
	}
	r.diagnostics(e, r.about(e, fields{}))
}

func (r *testReport) run(e testEvent, about map[string]any, text string) {
	about["path"], about["run"] = r.now.path, e.Run
	r.view.stream.info("test_run", fmt.Sprintf("  %q... %s", e.Run, text), r.about(e, fields{"test_run": about}))
}

func (r *testReport) about(e testEvent, f fields) fields {
	f["@testfile"], f["@testrun"] = r.now.path, e.Run
	return f
}

func (r *testReport) diagnostics(e testEvent, about fields) {
	if r.view.stream == nil {
		if e.Text != "" {
			fmt.Fprint(r.view.err, "\n"+e.Text)
		}
		return
	}
	for _, d := range e.Diags {
		f := fields{"diagnostic": d}
		maps.Copy(f, about)
		level, word := "error", "Error"
		if d.Severity == "warning" {
			level, word = "warn", "Warning"
		}
		r.view.stream.message(level, "diagnostic", word+": "+d.Summary, f)
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
		Diags: []diag.Document{{Severity: "error", Summary: "The tests were cut off", Detail: capital(err.Error()) + "."}}})
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
	if r.view.stream != nil {
		r.view.stream.info("test_summary", text, fields{"test_summary": map[string]any{
			"status": r.status(), "passed": n[trial.Pass], "failed": n[trial.Fail], "errored": n[trial.Error], "skipped": n[trial.Skip],
		}})
		return
	}
	r.view.printf("\n%s\n", palette(r.view.out).Bold(r.coloured(r.status(), text)))
}
