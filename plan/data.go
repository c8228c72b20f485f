package plan

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/providers/schema"
)

// dataCache keeps what data sources gave, so that a second pass reads nothing twice.
type dataCache map[string]cty.Value

// planData reads a data source now, or plans to read it while applying when something that
// it depends on is about to change.
func (d *decision) planData(b *block, c *Change) hcl.Diagnostics {
	query, diags := dataQuery(b.schema, b.cfg, c.Config)
	if diags.HasErrors() {
		return diags
	}
	c.After = query
	c.hideBySchema()
	if !c.Config.IsWhollyKnown() || d.pending(c.Dependencies) {
		c.Action = Read
		return diags
	}
	v, more := d.readData(d.ctx, b, c.Address, query)
	c.After = v
	c.hideBySchema()
	return append(diags, more...)
}

// dataQuery is what a data source is asked: its arguments with defaults, the rest unknown.
func dataQuery(s *schema.Schema, r *config.Resource, args cty.Value) (cty.Value, hcl.Diagnostics) {
	canonical, problems := s.Canonical(args)
	diags := placeProblems(r.Body, s, &r.DeclRange, problems)
	return s.Propose(canonical, cty.NullVal(s.ImpliedType())), diags
}

func (d *decision) readData(ctx context.Context, b *block, a addr.Instance, query cty.Value) (cty.Value, hcl.Diagnostics) {
	key := fmt.Sprintf("%s %#v", a.Type, query)
	if v, ok := d.data[key]; ok {
		return v, nil
	}
	v, err := d.Input.Sessions.OfDataType(a.Type).Data(ctx, a.Type, query)
	if err != nil {
		return query, placeError(b.cfg.Body, b.schema, &b.cfg.DeclRange, failures[Read], err)
	}
	d.data[key] = v
	return v, nil
}

// Query evaluates the arguments of a data source whose reading was put off, now that
// everything that it depends on is there.
func (p *Plan) Query(c *Change) (cty.Value, hcl.Diagnostics) {
	b := p.Evaluator.block(c.Address.Resource)
	args, diags := p.Evaluator.Arguments(c.Address)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	c.Config, c.Sensitive = unmark(b.schema, args)
	query, more := dataQuery(b.schema, b.cfg, c.Config)
	c.After = query
	c.hideBySchema()
	return query, c.censor(append(diags, more...))
}

// pending reports whether anything of deps is about to change.
func (p *Plan) pending(deps []Dependency) bool {
	return slices.ContainsFunc(deps, func(d Dependency) bool {
		return slices.ContainsFunc(p.instancesOf(d), func(c *Change) bool { return c.Action != NoOp })
	})
}
