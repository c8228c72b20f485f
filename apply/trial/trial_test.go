package trial_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"golang.org/x/tools/txtar"

	"github.com/diyform/diyform/apply/trial"
	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/providertest"
)

// boxes is a configuration with a condition of every kind.
const boxes = `
-- main.diy.hcl --
variable "size" {
  type    = number
  default = 5
  validation {
    condition     = var.size < 100
    error_message = "Too large."
  }
}

variable "secret" {
  type      = string
  default   = "xyzzy"
  sensitive = true
}

resource "box" "a" {
  size   = var.size
  secret = var.secret
  lifecycle {
    precondition {
      condition     = var.size != 13
      error_message = "Unlucky."
    }
    postcondition {
      condition     = self.serial != 0 && self.size != 14
      error_message = "Fourteen was made."
    }
  }
}

check "small" {
  assert {
    condition     = box.a.size < 10
    error_message = "Not small."
  }
}

output "serial" {
  value = box.a.serial
  precondition {
    condition     = var.size != 15
    error_message = "Fifteen is not told."
  }
}
`

// run runs the file in a folder and gives what came of it, a line each.
func run(t *testing.T, w *providertest.World, files string) []string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(boxes + files)).Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, diags := config.LoadTest(filepath.Join(dir, "a.diytest.hcl"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var told []string
	tell := func(diags hcl.Diagnostics) {
		for _, d := range diags {
			told = append(told, "  "+strings.ReplaceAll(fmt.Sprintf("%s: %s", d.Summary, d.Detail), "\n\n", " "))
		}
	}
	end := trial.File(context.Background(), f, trial.Options{
		Dir: dir, StateDir: t.TempDir(), Registry: providertest.Registry(w),
		Env:     func(lineage string) providers.Env { return providers.Env{Lineage: lineage, BootID: "boot"} },
		Sources: config.ValueSources{Dir: dir, Args: []config.VarArg{{Text: "size=7"}}},
		Loader:  func(string) config.Loader { return config.Loader{} },
		Begun:   func(*config.TestRun) {},
		Ended: func(r *trial.Result) {
			told = append(told, fmt.Sprintf("%s %s", r.Run.Name, r.Status))
			tell(r.Diags)
		},
		TearDown: func() { told = append(told, "teardown") },
	})
	tell(end)
	for _, violation := range w.Violations {
		t.Error(violation)
	}
	return told
}

// cases are test files and what comes of them.
var cases = []struct {
	name, files string
	want        []string
}{
	{"values of variables", `
-- a.diytest.hcl --
run "outside" {
  assert {
    condition     = box.a.size == 7 && output.serial > 0
    error_message = "no"
  }
}
run "own" {
  variables {
    size = var.size + 1
  }
  assert {
    condition     = box.a.size == 8 && box.a.serial == run.outside.serial
    error_message = "no"
  }
}
`, []string{"outside pass", "own pass", "teardown"}},

	{"every expected failure", `
-- a.diytest.hcl --
run "variable" {
  command = plan
  variables {
    size = 100
  }
  expect_failures = [var.size]
}
run "precondition" {
  command = plan
  variables {
    size = 13
  }
  expect_failures = [box.a]
}
run "postcondition" {
  variables {
    size = 14
  }
  expect_failures = [box.a, check.small]
}
run "check" {
  variables {
    size = 12
  }
  expect_failures = [check.small]
}
run "output" {
  command = plan
  variables {
    size = 15
  }
  expect_failures = [output.serial]
}
`, []string{"variable pass", "precondition pass", "postcondition fail",
		"  Expected failure before the apply: The failure that run \"postcondition\" expects came when the plan was made, so " +
			"nothing was applied. Add command = plan to the run.",
		"  Missing expected failure: A condition of check.small was expected not to hold, and all did.",
		"check pass", "output pass", "teardown"}},

	{"failures and errors", `
-- a.diytest.hcl --
run "check" {
  variables {
    size = 12
  }
}
run "secret" {
  assert {
    condition     = box.a.secret == "plugh"
    error_message = "It is ${box.a.secret}."
  }
}
run "error" {
  assert {
    condition     = box.b.size == 1
    error_message = "no"
  }
  assert {
    condition     = run.none.size == output.none
    error_message = "no"
  }
}
run "precondition" {
  variables {
    size = 13
  }
}
run "never" {}
`, []string{"check fail", `  Check failed: Not small. This is the check "small".`,
		"secret fail", "  Test assertion failed: The error message holds a sensitive value, so it is not shown.",
		"error fail", `  Reference to undeclared resource: There is no resource box.b in this configuration. Did you mean "box.a"?`,
		`  Reference to undeclared earlier run: There is no earlier run "none".`,
		`  Reference to undeclared output: There is no output "none".`,
		"precondition error", "  Precondition failed: Unlucky. This is a condition of box.a.",
		"never skip", "teardown"}},

	{"a refresh-only run sees what is there", `
-- a.diytest.hcl --
run "made" {}
run "seen" {
  variables {
    size = 9
  }
  plan_options {
    mode = refresh-only
  }
  assert {
    condition     = box.a.size == 7
    error_message = "It sees what is wanted."
  }
}
`, []string{"made pass", "seen pass", "teardown"}},

	{"another module has records of its own", `
-- a.diytest.hcl --
run "setup" {
  module {
    source = "./setup"
  }
}
run "used" {
  variables {
    size = run.setup.size
  }
  assert {
    condition     = box.a.size == 3
    error_message = "no"
  }
}
-- setup/setup.diy.hcl --
resource "box" "setup" {
  size = 3
}
output "size" {
  value = box.setup.size
}
`, []string{"setup pass", "used pass", "teardown"}},
}

func TestRuns(t *testing.T) {
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			w := providertest.New()
			if diff := cmp.Diff(test.want, run(t, w, test.files)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !w.Empty() {
				t.Errorf("there is left:\n%s", w)
			}
		})
	}
}

func TestWhatCannotBeDestroyedIsTold(t *testing.T) {
	w := providertest.New()
	w.Fail("delete", "box.a", false)
	got := run(t, w, "-- a.diytest.hcl --\nrun \"one\" {}\n")
	last := got[len(got)-1]
	if got[0] != "one pass" || !strings.Contains(last, "could not be destroyed") || !strings.Contains(last, "box.a is still there") {
		t.Errorf("told: %q", got)
	}
}
