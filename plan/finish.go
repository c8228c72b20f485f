package plan

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// Final gives what a create or update shall make, wholly known but for what is computed: the
// planned value, evaluated again where it waited for other resources.
func (p *Plan) Final(c *Change) (cty.Value, hcl.Diagnostics) {
	if c.Adopts() {
		return c.After, nil // it is so already
	}
	b := p.Evaluator.block(c.Address.Resource)
	if diags := b.preconditions(c.Address.Key); diags.HasErrors() {
		return cty.DynamicVal, c.censor(diags)
	}
	if c.Config.IsWhollyKnown() {
		return c.After, nil
	}
	args, diags := p.Evaluator.Arguments(c.Address)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	config, sensitive := unmark(c.Schema, args)
	config = b.ignore(config, c.Before)
	if !config.IsWhollyKnown() {
		return cty.DynamicVal, append(diags, diag.Error(c.Range, "A value is still unknown",
			fmt.Sprintf("%s refers to a value that is unknown after everything it depends on was applied. "+
				"This is a bug in diyform.", c.Address)))
	}
	prior := c.Prior
	if c.Action != Update {
		prior = nil
	}
	// What the step needs is worked out to the end: an interrupt keeps it from being done.
	final, more := p.Evaluator.propose(context.Background(), c.Address, p.Input.Env, config, prior)
	diags = append(diags, more...)
	if c.Action == Update && !more.HasErrors() {
		final = c.Schema.Volatiles(config, final)
	}
	c.Config, c.After, c.Sensitive = config, final, sensitive
	c.hideBySchema()
	return final, c.censor(diags)
}

// Learn makes what a step gave known to everything that is evaluated after it.
func (p *Plan) Learn(c *Change, v cty.Value) {
	if p.Evaluator != nil && p.Evaluator.block(c.Address.Resource) != nil && c.Action != Delete {
		p.Evaluator.Set(c.Address, mark(v, c.Sensitive))
	}
}

// Unlearn takes back what the plan hoped for from a step that was not done: v is what is
// there, or cty.NilVal when nothing is. Begin comes before anything is evaluated again.
func (p *Plan) Unlearn(c *Change, v cty.Value) {
	switch {
	case p.Evaluator == nil || p.Evaluator.block(c.Address.Resource) == nil:
	case v == cty.NilVal:
		p.Evaluator.Unset(c.Address)
	default:
		p.Evaluator.Set(c.Address, mark(v, c.Sensitive))
	}
}

// Begin readies the plan for apply: what was evaluated from planned values is evaluated
// again from real ones.
func (p *Plan) Begin() {
	if p.Evaluator != nil {
		p.Evaluator.Begin()
	}
}

// Diagnose gives an error of a step the place in configuration that it is about.
// It tells no values: to evaluate what a step refers to before its turn would keep values that
// are not known yet.
func (p *Plan) Diagnose(c *Change, err error) hcl.Diagnostics { return c.censor(p.place(c, err)) }

// Warn does the same for what a step that succeeded warns of.
func (p *Plan) Warn(c *Change, problems []*diag.Problem) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, problem := range problems {
		for _, d := range p.Diagnose(c, problem) {
			d.Severity = hcl.DiagWarning
			diags = append(diags, d)
		}
	}
	return diags
}

// Dependencies lists what the instance depends on for the state: instances and blocks of
// resources; what a data source stands between counts as if it did not.
func (p *Plan) Dependencies(c *Change) []string {
	var out []string
	p.throughData(c.Dependencies, func(d Dependency) { out = append(out, d.String()) })
	return out
}

// throughData visits each of deps once, and in the place of a data source what that depends on.
func (p *Plan) throughData(deps []Dependency, visit func(Dependency)) {
	seen := map[Dependency]bool{}
	var walk func(deps []Dependency)
	walk = func(deps []Dependency) {
		for _, d := range deps {
			if seen[d] {
				continue
			}
			seen[d] = true
			if d.isModule() || d.Block.Mode == addr.Managed {
				visit(d)
				continue
			}
			for _, via := range p.instancesOf(d) {
				walk(via.Dependencies)
			}
		}
	}
	walk(deps)
}

// instancesOf lists the changes that a dependency on something of the configuration means.
func (p *Plan) instancesOf(d Dependency) []*Change {
	var out []*Change
	for _, a := range p.Evaluator.addressesOf(d) {
		if c := p.byAddress[a]; c != nil {
			out = append(out, c)
		}
	}
	return out
}

// Recorded gives what refresh found of an instance, or nil.
func (p *Plan) Recorded(a addr.Instance) *Recorded { return p.recorded[a] }
