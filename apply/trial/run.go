package trial

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
)

// attempt is a run under way.
type attempt struct {
	*trial
	*Result
	expect *expectation
	config *config.Config
	values map[string]cty.Value
}

// run carries out one run and judges it.
func (t *trial) run(ctx context.Context, run *config.TestRun) *Result {
	a := &attempt{trial: t, Result: &Result{Run: run, Status: Pass}, expect: newExpectation(run)}
	outputs := a.execute(ctx)
	t.outputs[run.Name] = outputs
	if a.Status != Error {
		a.note(Fail, a.expect.missing())
	}
	return a.Result
}

// note takes in what was told, and reports whether the run can go on.
func (a *attempt) note(status Status, diags hcl.Diagnostics) bool {
	a.Diags = append(a.Diags, diags...)
	if !diags.HasErrors() {
		return true
	}
	a.Status = a.Status.Merge(status)
	return false
}

// settle is note for what a plan or an apply told, without the failures that are expected.
func (a *attempt) settle(diags hcl.Diagnostics) bool {
	kept, broken := a.expect.settle(diags)
	a.note(Fail, broken)
	return a.note(Error, kept)
}

// execute gives the outputs of the run, which are unknown where it came to none.
func (a *attempt) execute(ctx context.Context) cty.Value {
	s, diags := a.stack(ctx, a.Run)
	if !a.note(Error, diags) {
		return cty.DynamicVal
	}
	a.config = s.config
	if !a.note(Error, a.expect.undeclared(s.config)) {
		return cty.DynamicVal
	}
	values, diags := a.variables(s.config, a.Run)
	a.values = values
	if !a.settle(diags) || a.stopped("variables got their values") {
		return cty.DynamicVal
	}
	p, ok := a.plan(ctx, s)
	if !ok {
		return cty.DynamicVal
	}
	if a.Run.Options.RefreshOnly {
		if p, ok = a.observe(ctx, s); !ok {
			return cty.DynamicVal
		}
	}
	a.assert(p)
	return outputsOf(p)
}

// stopped judges a run that an expected failure has ended before there was a plan.
func (a *attempt) stopped(when string) bool {
	if !a.expect.stopped {
		return false
	}
	switch {
	case !a.Run.PlanOnly:
		a.note(Fail, hcl.Diagnostics{diag.Error(&a.Run.DeclRange, "Expected failure before the apply",
			fmt.Sprintf("The failure that run %q expects came when %s, so nothing was applied. Add command = plan to the run.",
				a.Run.Name, when))})
	case len(a.Run.Asserts) > 0:
		a.note(Fail, hcl.Diagnostics{diag.Error(&a.Run.Asserts[0].DeclRange, "Assertion without a plan",
			fmt.Sprintf("The failure that run %q expects came when %s, so there is no plan to ask. Put the assert blocks into "+
				"another run.", a.Run.Name, when))})
	}
	return true
}

// plan makes the run's plan and, unless it is about the plan alone, applies it.
func (a *attempt) plan(ctx context.Context, s *stack) (*plan.Plan, bool) {
	session, err := a.open(s)
	if err != nil {
		return nil, a.note(Error, diag.FromError(err, "The run cannot begin", &a.Run.DeclRange))
	}
	defer session.sessions.Close()
	in := a.input(session)
	in.Config, in.Variables = a.config, a.values
	if in.Options, err = a.options(); err != nil {
		return nil, a.note(Error, diag.FromError(err, "Not an address", &a.Run.DeclRange))
	}
	if a.Run.Options.RefreshOnly {
		in.Mode = plan.RefreshOnly
	}
	p, diags := plan.New(ctx, in)
	a.Plan = p
	if !a.settle(diags) || p == nil && a.stopped("the plan was made") {
		return nil, false
	}
	if a.Run.PlanOnly {
		return p, true
	}
	if p.NeedsApply() {
		result, diags := apply.Run(ctx, s.store, p, apply.Options{})
		if !a.settle(diags) || result == nil {
			return nil, false
		}
	}
	a.State, _, err = s.store.Load()
	return p, a.note(Error, diag.FromError(err, "The state cannot be read", nil))
}

func (a *attempt) options() (plan.Options, error) {
	o := plan.Options{NoRefresh: a.Run.Options.NoRefresh}
	var err error
	if o.Targets, err = plan.ParseTargets(a.Run.Options.Targets); err != nil {
		return o, err
	}
	for _, text := range a.Run.Options.Replace {
		instance, err := addr.Parse(text)
		if err != nil {
			return o, err
		}
		o.Replace = append(o.Replace, instance)
	}
	return o, nil
}

// observe gives, after a plan that only looked, one in which everything has the values that
// were found.
func (a *attempt) observe(ctx context.Context, s *stack) (*plan.Plan, bool) {
	session, err := a.open(s)
	if err != nil {
		return nil, a.note(Error, diag.FromError(err, "The run cannot go on", &a.Run.DeclRange))
	}
	defer session.sessions.Close()
	in := a.input(session)
	in.Config, in.Variables = a.config, a.values
	p, diags := plan.New(ctx, in)
	if !a.settle(diags) || p == nil {
		return nil, false
	}
	p.Observe()
	return p, true
}

func (a *attempt) assert(p *plan.Plan) {
	for i := range a.Run.Asserts {
		if !a.note(Fail, p.Assert(&a.Run.Asserts[i], a.outputs)) {
			a.Failed++
		}
	}
}

func outputsOf(p *plan.Plan) cty.Value {
	values := map[string]cty.Value{}
	for name := range p.Input.Config.Outputs {
		v, diags := p.OutputValue(name)
		if diags.HasErrors() {
			v = cty.DynamicVal // told when it was planned
		}
		values[name] = v
	}
	return cty.ObjectVal(values)
}
