package plan

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/marks"
)

// Assert holds a condition of a test against the plan or, after an apply, against what was
// made. It may refer to all that the configuration declares, to output.NAME, and to the outputs
// of earlier runs, run.NAME.OUTPUT.
func (p *Plan) Assert(cond *config.Condition, runs map[string]cty.Value) hcl.Diagnostics {
	scope, diags := p.assertScope(config.ConditionReferences([]config.Condition{*cond}), runs)
	if diags.HasErrors() {
		return diags
	}
	holds, message, more := cond.Evaluate(scope)
	diags = append(diags, more...)
	failure := &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Test assertion failed", Detail: message,
		Subject: cond.Condition.Range().Ptr(), Expression: cond.Condition, EvalContext: scope,
	}
	switch {
	case more.HasErrors():
		return diags
	case !holds.IsKnown():
		failure.Summary = "Condition of an unknown value"
		failure.Detail = "The condition depends on what is known only after apply. Ask for something else, or leave out " +
			"command = plan, so that the run applies."
	case holds.True():
		return diags
	}
	return append(diags, failure)
}

func (p *Plan) assertScope(refs []config.Reference, runs map[string]cty.Value) (*hcl.EvalContext, hcl.Diagnostics) {
	var plain []config.Reference
	var diags hcl.Diagnostics
	outputs, earlier := map[string]cty.Value{}, map[string]cty.Value{}
	for _, ref := range refs {
		switch name := ref.Subject.Resource.Name; ref.Traversal.RootName() {
		case "output":
			if p.Input.Config.Outputs[name] == nil {
				diags = append(diags, undeclaredName(ref, "output", name, sortedNames(p.Input.Config.Outputs)))
			} else {
				v, more := p.OutputValue(name)
				outputs[name], diags = v, append(diags, more...)
			}
		case "run":
			if v, ok := runs[name]; ok {
				earlier[name] = v
			} else {
				diags = append(diags, undeclaredName(ref, "earlier run", name, sortedNames(runs)))
			}
		default:
			plain = append(plain, ref)
		}
	}
	diags = append(diags, p.Input.Config.CheckReferences(plain, config.Scope{})...)
	if diags.HasErrors() {
		return nil, diags
	}
	scope, more := p.Evaluator.root.context(nil, simpleKeys(plain), nil)
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	if len(outputs) > 0 {
		scope.Variables["output"] = cty.ObjectVal(outputs)
	}
	if len(earlier) > 0 {
		scope.Variables["run"] = cty.ObjectVal(earlier)
	}
	return scope, diags
}

func undeclaredName(ref config.Reference, what, name string, known []string) *hcl.Diagnostic {
	return diag.Error(&ref.Range, "Reference to undeclared "+what,
		fmt.Sprintf("There is no %s %q.%s", what, name, diag.Suggest(name, known)))
}

// OutputValue gives the value that an output has now, marked if it is sensitive.
func (p *Plan) OutputValue(name string) (cty.Value, hcl.Diagnostics) {
	v, sensitive, diags := p.output(name)
	if sensitive && !diags.HasErrors() {
		v = v.Mark(marks.Sensitive)
	}
	return v, diags
}

// Observe makes what is evaluated from now on be what is recorded, where that is not what is
// wanted.
func (p *Plan) Observe() {
	for a, rec := range p.recorded {
		if rec.Actual != nil && p.Evaluator.block(a.Resource) != nil {
			p.Evaluator.Set(a, mark(rec.Actual.Attributes, pathsIn(rec.Actual.Attributes, rec.Record.Sensitive)))
		}
	}
	p.Evaluator.Begin()
}
