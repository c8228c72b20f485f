package plan

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// CheckResult is what came of a check block.
type CheckResult struct {
	Module   addr.Module // instance
	Name     string
	Passed   bool
	Failures []string // the messages of assertions that do not hold
	Errored  bool     // it could not be told whether they hold
}

// Status is the result in Terraform's words.
func (r *CheckResult) Status() string {
	switch {
	case r.Passed:
		return "pass"
	case r.Errored:
		return "error"
	}
	return "fail"
}

// failedAssertion is the extra of a diagnostic that an assertion's message is in.
type failedAssertion string

// RunChecks runs every check block against what is there now. What does not hold is a
// warning: a check tells, it does not stop.
func (p *Plan) RunChecks(ctx context.Context) hcl.Diagnostics {
	var diags hcl.Diagnostics
	p.Checks = nil
	if p.Input.Mode != Normal || !p.focus.all {
		return nil
	}
	for _, m := range p.Evaluator.within("") {
		for _, name := range sortedNames(m.cfg.Checks) {
			result, more := p.runCheck(ctx, m, m.cfg.Checks[name])
			p.Checks = append(p.Checks, result)
			diags = append(diags, more...)
		}
	}
	return diags
}

func (p *Plan) runCheck(ctx context.Context, m *module, k *config.Check) (*CheckResult, hcl.Diagnostics) {
	result := &CheckResult{Module: m.addr, Name: k.Name, Passed: true}
	var diags hcl.Diagnostics
	fail := func(problems hcl.Diagnostics) {
		for _, d := range Explain(problems) {
			result.Passed = false
			if message, failed := d.Extra.(failedAssertion); failed {
				result.Failures = append(result.Failures, string(message))
			} else {
				result.Errored = true
			}
			d.Severity = hcl.DiagWarning
			d.Extra = diag.Condition{Object: m.addr.Join("check." + k.Name), Check: true}
			diags = append(diags, d)
		}
	}
	data := cty.DynamicVal
	if k.Data != nil {
		v, problems := p.readCheckData(ctx, m, k.Data)
		if problems.HasErrors() {
			fail(problems)
			return result, diags
		}
		data = v
	}
	for _, a := range k.Asserts {
		fail(m.assert(k, data, a))
	}
	return result, diags
}

func (p *Plan) readCheckData(ctx context.Context, m *module, r *config.Resource) (cty.Value, hcl.Diagnostics) {
	s := p.Input.Registry.Schema(r.Addr)
	scope, diags := m.context(nil, simpleKeys(config.BodyReferences(r.Body, s.Spec())), nil)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	args, diags := hcldec.Decode(dynblock.Expand(r.Body, scope), s.Spec(), scope)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	plain, sensitive := unmark(s, args)
	if !plain.IsWhollyKnown() {
		return cty.DynamicVal, hcl.Diagnostics{diag.Error(&r.DeclRange, "Check cannot be made",
			"Its data depends on a resource that was not created.")}
	}
	if diags := m.checkNamespaces(newArguments(r.Body, s), plain); diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	c := &Change{Address: r.Addr.Instance(addr.Key{}), Schema: s, Config: plain, Sensitive: sensitive}
	query, diags := dataQuery(s, r, plain)
	if diags.HasErrors() {
		return cty.DynamicVal, c.censor(diags)
	}
	v, err := p.Input.Sessions.OfDataType(r.Addr.Type).Data(ctx, r.Addr.Type, query)
	if err != nil {
		return cty.DynamicVal, c.censor(placeError(r.Body, s, &r.DeclRange, failures[Read], err))
	}
	c.After = v
	c.hideBySchema()
	return mark(v, c.Sensitive), nil
}

func (m *module) assert(k *config.Check, data cty.Value, a config.Condition) hcl.Diagnostics {
	scope, diags := m.checkScope(k, data, config.ConditionReferences([]config.Condition{a}))
	if diags.HasErrors() {
		return diags
	}
	holds, message, diags := a.Evaluate(scope)
	at := a.Condition.Range()
	switch {
	case diags.HasErrors():
		return diags
	case !holds.IsKnown():
		return hcl.Diagnostics{diag.InExpression(diag.Error(&at, "Check cannot be made",
			"Its condition depends on a resource that was not created."), a.Condition, scope)}
	case holds.True():
		return nil
	}
	failed := diag.Error(&at, "Check failed", fmt.Sprintf("%s\n\nThis is %s.", message, m.nameOf("the check", k.Name)))
	failed.Extra = failedAssertion(message)
	return hcl.Diagnostics{diag.InExpression(failed, a.Condition, scope)}
}
