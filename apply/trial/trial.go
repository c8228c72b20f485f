// Package trial runs a file of tests: its runs one after the other, each a plan or an apply of
// the configuration or of another module, with what must be true of it, and then a destroy of
// all that they made.
//
// It does so where it is told to. That this is a world that may be spoilt is its caller's
// business: `diyform test` gives each file one of its own.
//
// Start with File; run.go is one run, expect.go what may and must fail, stack.go the records.
package trial

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/state"
)

// Status is what came of a run, and of a file.
type Status string

const (
	Pass  Status = "pass"
	Skip  Status = "skip"  // not run, because of an error in an earlier run
	Fail  Status = "fail"  // what must be true is not
	Error Status = "error" // it could not be carried out
)

// worse orders the statuses.
var worse = map[Status]int{Pass: 0, Skip: 1, Fail: 2, Error: 3}

// Merge gives the status of what has both.
func (s Status) Merge(o Status) Status {
	if worse[o] > worse[s] {
		return o
	}
	return s
}

// Options are where and how a file is run.
type Options struct {
	Dir      string // of the configuration
	StateDir string // where the records may be kept: it is there, and empty
	Registry *providers.Registry
	Env      func(lineage string) providers.Env
	Sources  config.ValueSources            // what variables get from outside of the tests
	Loader   func(dir string) config.Loader // of the configuration and of other modules

	Begun func(*config.TestRun)
	Ended func(*Result)
	// TearDown is told before all is destroyed.
	TearDown func()
}

// Result is what came of one run.
type Result struct {
	Run     *config.TestRun
	Status  Status
	Elapsed time.Duration
	Diags   hcl.Diagnostics
	Files   map[string]*hcl.File // for the diagnostics

	Failed int          // assertions that do not hold
	Plan   *plan.Plan   // nil where there came to be none
	State  *state.State // after an apply, else nil
}

// File runs a file of tests and destroys what it made. The diagnostics are about that end: what
// came of the runs is told by Options.Ended.
func File(ctx context.Context, f *config.TestFile, o Options) hcl.Diagnostics {
	t := &trial{Options: o, file: f, outputs: map[string]cty.Value{}, stacks: map[string]*stack{}}
	defer t.close()
	broken := false
	for _, run := range f.Runs {
		if broken {
			o.Ended(&Result{Run: run, Status: Skip})
			continue
		}
		o.Begun(run)
		begun := time.Now()
		result := t.run(ctx, run)
		result.Elapsed = time.Since(begun)
		result.Files = t.files(run)
		result.Diags = diag.Distinct(result.Diags)
		broken = result.Status == Error
		o.Ended(result)
	}
	o.TearDown()
	return t.destroy(ctx)
}

// trial is a file being run.
type trial struct {
	Options
	file    *config.TestFile
	outputs map[string]cty.Value // of the runs so far
	stacks  map[string]*stack    // by the module's source
	used    []*stack             // in the order of their last use
}

func (t *trial) files(run *config.TestRun) map[string]*hcl.File {
	files := maps.Clone(t.file.Files)
	if s := t.stacks[run.Source]; s != nil && s.config != nil {
		maps.Copy(files, s.config.Files)
	}
	return files
}

func (t *trial) use(s *stack) {
	t.used = slices.DeleteFunc(t.used, func(o *stack) bool { return o == s })
	t.used = append(t.used, s)
}

// destroy takes everything away, what was used last first: it may stand on the others.
func (t *trial) destroy(ctx context.Context) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, s := range slices.Backward(t.used) {
		diags = append(diags, s.destroy(ctx, t)...)
	}
	return diag.Distinct(diags)
}

func (t *trial) close() {
	for _, s := range t.stacks {
		s.close()
	}
}
