package main_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/diyform/diyform/internal/playhost/playtest"
)

// conftestProgram is what `make build/conftest` builds.
func conftestProgram() (string, error) {
	path, err := filepath.Abs("../../build/conftest")
	if err == nil {
		_, err = os.Stat(path)
	}
	return path, err
}

// Every example has a script, in which others' programs read its plan and its state.
func TestExamplesAreReadByOthers(t *testing.T) {
	folders, err := os.ReadDir("../../examples")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		name := "testdata/script/example_" + strings.ReplaceAll(folder.Name(), "-", "_") + ".txtar"
		script, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		} else if strings.Count(string(script), "\necosystem") < 2 {
			t.Errorf("%s: does not have others read plan and state: use ecosystem before and after apply", name)
		}
	}
	if _, err := conftestProgram(); err != nil {
		playtest.Missing(t, errors.New("conftest is not built: make build/conftest"))
	}
}

// checkEcosystem is the script command
//
//	ecosystem [USER]
//
// which plans into a file and has terraform-json and conftest read the plan, and terraform-json
// the state. USER is a program that diyform is run by, as-user.
func checkEcosystem(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: ecosystem [USER]")
	}
	diyform := func(words ...string) string {
		line := slices.Concat(args, []string{"diyform"}, words)
		ts.Check(ts.Exec(line[0], line[1:]...))
		return ts.ReadFile("stdout")
	}
	diyform("plan", "-out=ecosystem.plan")
	text := diyform("show", "-json", "ecosystem.plan")
	plan := readAs[tfjson.Plan](ts, text)
	checkPlan(ts, plan)
	ts.Check(os.WriteFile(ts.MkAbs("ecosystem.json"), []byte(text), 0o644))
	checkPolicies(ts, plan)

	state := readAs[tfjson.State](ts, diyform("show", "-json"))
	recorded := addressesOf(state.Values)
	if prior := managedOf(plan.PriorState.Values); !slices.Equal(prior, recorded) {
		ts.Fatalf("the prior state of the plan has %v, and the state %v", prior, recorded)
	}
}

// checkTerraformJSON is the script command
//
//	terraform-json plan|state|schemas|validation
//
// which has terraform-json read the last command's standard output.
func checkTerraformJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: terraform-json plan|state|schemas|validation")
	}
	text := ts.ReadFile("stdout")
	switch args[0] {
	case "plan":
		checkPlan(ts, readAs[tfjson.Plan](ts, text))
	case "state":
		readAs[tfjson.State](ts, text)
	case "schemas":
		if len(readAs[tfjson.ProviderSchemas](ts, text).Schemas) == 0 {
			ts.Fatalf("there are no schemas")
		}
	case "validation":
		readAs[tfjson.ValidateOutput](ts, text)
	default:
		ts.Fatalf("terraform-json: unknown kind of document %q", args[0])
	}
}

// readAs reads a document; terraform-json's types check the format's version as they do.
func readAs[T any](ts *testscript.TestScript, text string) *T {
	var doc T
	ts.Check(json.Unmarshal([]byte(text), &doc))
	return &doc
}

// checkPlan compares the parts of a plan that must agree.
func checkPlan(ts *testscript.TestScript, plan *tfjson.Plan) {
	planned := addressesOf(plan.PlannedValues)
	for _, c := range plan.ResourceChanges {
		if c.Mode != tfjson.ManagedResourceMode || c.DeposedKey != "" {
			continue
		}
		if kept := c.Change.After != nil; kept != slices.Contains(planned, c.Address) {
			ts.Fatalf("%s: its change and planned_values do not agree", c.Address)
		}
		if c.Change.Actions.NoOp() && !reflect.DeepEqual(c.Change.Before, c.Change.After) {
			ts.Fatalf("%s: nothing is done, and before and after differ", c.Address)
		}
	}
	if plan.Config == nil || plan.Config.RootModule == nil || plan.PriorState == nil {
		ts.Fatalf("the plan has no configuration, or no prior state")
	}
}

// checkPolicies runs conftest on ecosystem.json, with a policy that holds and one that does
// not.
func checkPolicies(ts *testscript.TestScript, plan *tfjson.Plan) {
	program, err := conftestProgram()
	if err != nil {
		return // TestExamplesAreReadByOthers tells
	}
	policies, err := filepath.Abs("testdata/policy")
	ts.Check(err)
	test := func(namespace string) (passed bool, failures int) {
		cmd := exec.Command(program, "test", "--policy", policies, "--namespace", namespace, "--output", "json", "--parser", "json",
			ts.MkAbs("ecosystem.json"))
		out, err := cmd.Output()
		var results []struct{ Failures []any }
		if json.Unmarshal(out, &results) != nil || len(results) != 1 {
			ts.Fatalf("conftest: %v: %s", err, out)
		}
		return err == nil, len(results[0].Failures)
	}
	if passed, failures := test("main"); !passed {
		ts.Fatalf("conftest: %d failures of the policy plan.rego", failures)
	}
	created := 0
	for _, c := range plan.ResourceChanges {
		if slices.Contains(c.Change.Actions, tfjson.ActionCreate) {
			created++
		}
	}
	if passed, failures := test("nothing_new"); passed != (created == 0) || failures != created {
		ts.Fatalf("conftest: %d failures of the policy nothing_new.rego; %d are created", failures, created)
	}
}

func addressesOf(values *tfjson.StateValues) []string { return collect(values, true) }

func managedOf(values *tfjson.StateValues) []string { return collect(values, false) }

// collect lists the addresses in all modules, in order, those of data too if asked for.
func collect(values *tfjson.StateValues, data bool) []string {
	var out []string
	var walk func(m *tfjson.StateModule)
	walk = func(m *tfjson.StateModule) {
		for _, r := range m.Resources {
			if data || r.Mode == tfjson.ManagedResourceMode {
				out = append(out, r.Address)
			}
		}
		for _, child := range m.ChildModules {
			walk(child)
		}
	}
	if values != nil {
		walk(values.RootModule)
	}
	slices.Sort(out)
	return out
}
