package trial

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/diag"
)

// expectation is what a run expects to fail, and what of that has.
type expectation struct {
	run     *config.TestRun
	met     map[string]bool
	stopped bool // what has failed stood in the way of what comes next
}

func newExpectation(run *config.TestRun) *expectation {
	return &expectation{run: run, met: map[string]bool{}}
}

// settle takes out of what was told the failures that are expected. Checks that are not
// expected to fail, and do, are apart: outside of a test they would be warnings.
func (e *expectation) settle(diags hcl.Diagnostics) (kept, checks hcl.Diagnostics) {
	e.stopped = false
	for _, d := range diags {
		c, conditional := diag.Broken(d)
		switch {
		case conditional && e.expects(c):
			e.stopped = e.stopped || d.Severity == hcl.DiagError
		case conditional && c.Check:
			failed := *d
			failed.Severity = hcl.DiagError
			checks = append(checks, &failed)
		default:
			kept = append(kept, d)
		}
	}
	return kept, checks
}

func (e *expectation) expects(c diag.Condition) bool {
	found := false
	for _, f := range e.run.Failures {
		if f.Object == c.Object || f.Object == c.Block {
			e.met[f.Object], found = true, true
		}
	}
	return found
}

// undeclared tells what is expected to fail and is not there.
func (e *expectation) undeclared(cfg *config.Config) hcl.Diagnostics {
	names := map[string]bool{}
	for name := range cfg.Variables {
		names["var."+name] = true
	}
	for name := range cfg.Outputs {
		names["output."+name] = true
	}
	for name := range cfg.Checks {
		names["check."+name] = true
	}
	for a := range cfg.Resources {
		names[a.String()] = true
	}
	var diags hcl.Diagnostics
	for _, f := range e.run.Failures {
		block, _, _ := strings.Cut(f.Object, "[")
		if !names[block] && !strings.HasPrefix(block, "module.") {
			diags = append(diags, diag.Error(&f.Range, "Undeclared item of expect_failures",
				fmt.Sprintf("There is no %s in the configuration.%s", block, diag.Suggest(block, slices.Collect(maps.Keys(names))))))
		}
	}
	return diags
}

// missing tells what should have failed and has not.
func (e *expectation) missing() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, f := range e.run.Failures {
		if !e.met[f.Object] {
			diags = append(diags, diag.Error(&f.Range, "Missing expected failure",
				fmt.Sprintf("A condition of %s was expected not to hold, and all did.", f.Object)))
		}
	}
	return diags
}
