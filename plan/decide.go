package plan

import (
	"context"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
	"github.com/diyform/diyform/state"
)

// force says that an instance must change although its own arguments do not ask for it.
type force struct {
	replace bool // else update
	reason  string
}

// decide evaluates every block and decides what becomes of each instance. What one change
// takes along may make values unknown that others were decided by, so it repeats until
// nothing new is taken along: once where nothing is replaced, seldom more than twice.
func (p *Plan) decide(ctx context.Context, order []node) hcl.Diagnostics {
	forced := map[addr.Instance]force{}
	data := dataCache{}
	for {
		d := &decision{Plan: p, ctx: ctx, forced: forced, data: data}
		diags := d.run(order)
		if err := context.Cause(ctx); err != nil {
			diags = append(diags, diag.FromError(err, "The plan was interrupted", nil)...)
		}
		if diags.HasErrors() {
			return diags
		}
		p.createFirst()
		taken := p.cascade(forced)
		for a, f := range p.triggered() {
			if !forced[a].replace {
				if taken == nil {
					taken = map[addr.Instance]force{}
				}
				taken[a] = f
			}
		}
		if len(taken) == 0 {
			return diags
		}
		maps.Copy(forced, taken)
	}
}

// decision is one pass over all blocks.
type decision struct {
	*Plan
	ctx    context.Context
	forced map[addr.Instance]force
	data   dataCache
}

func (d *decision) run(order []node) hcl.Diagnostics {
	d.Changes, d.byAddress = nil, map[addr.Instance]*Change{}
	e, err := NewEvaluator(d.Input.Config, d.Input.given(), d.Input.Registry)
	if err != nil {
		return diag.FromError(err, "The configuration cannot be evaluated", nil)
	}
	d.Evaluator, e.departed = e, d.departures()
	var diags hcl.Diagnostics
	invalid := false // a variable is, so that errors about what is made of it would only confuse
	for _, n := range order {
		for _, m := range e.instances[n.module] {
			switch n.subject.Kind {
			case config.ModuleSubject:
				diags = append(diags, m.expandCall(n.subject.Name)...)
			case config.VariableSubject:
				if !d.focus.all {
					continue // it may be none that the plan is about
				}
				_, more := m.variable(n.subject.Name) // so that it is told what is wrong with one that nobody uses
				diags = append(diags, more...)
			case config.ValidationSubject:
				more := m.validateVariable(n.subject.Name)
				invalid = invalid || more.HasErrors()
				diags = append(diags, more...)
			default:
				if invalid {
					return diags
				}
				diags = append(diags, d.block(m.blocks[n.subject.Resource])...)
			}
		}
	}
	if diags.HasErrors() {
		return diags
	}
	d.addOrphans(d.forced)
	return append(diags, d.checkConflicts()...)
}

// block expands a block and decides what becomes of its instances.
func (d *decision) block(b *block) hcl.Diagnostics {
	diags := b.in.expand(&b.expansion, &b.cfg.Repetition)
	for _, k := range b.expansion.keys {
		if !d.concerned(b.addr.Instance(k)) {
			if c := d.untouched(b, b.addr.Instance(k)); c != nil {
				d.add(c)
				d.Evaluator.Set(c.Address, mark(c.After, c.Sensitive))
			}
			continue
		}
		c, more := d.instance(b, b.addr.Instance(k))
		diags = append(diags, diag.At(more, b.addr.Instance(k).String())...)
		if more.HasErrors() {
			continue // more of the same kind may be wrong: tell all
		}
		d.add(c)
		d.Evaluator.Set(c.Address, mark(c.After, c.Sensitive))
	}
	return diags
}

// concerned reports whether the plan is about an instance, or takes it along.
func (d *decision) concerned(a addr.Instance) bool {
	_, forced := d.forced[a]
	return forced || d.focus.includes(a)
}

func (p *Plan) add(c *Change) {
	if was, ok := p.previous[c.Address]; ok && c.Prior != nil && !c.Deposed {
		c.PreviousAddress = &was
	}
	p.Changes = append(p.Changes, c)
	if !c.Deposed {
		p.byAddress[c.Address] = c
	}
}

// instance evaluates one instance and compares it with what is there.
func (d *decision) instance(b *block, a addr.Instance) (*Change, hcl.Diagnostics) {
	scope, diags := b.scope(a.Key)
	if diags.HasErrors() {
		return nil, diags
	}
	args, diags := b.arguments.evaluate(scope)
	if diags.HasErrors() {
		return nil, b.in.suggestAttributes(b.in.cfg, diags)
	}
	if diags = checkEphemeral(b.addr, b.cfg, b.schema, args); diags.HasErrors() {
		return nil, diags
	}
	args, sensitive := unmark(b.schema, args)
	if diags = b.in.checkNamespaces(b.arguments, args); diags.HasErrors() {
		return nil, diags
	}
	c := &Change{
		Address: a, Schema: b.schema, Config: args, Sensitive: sensitive, Range: &b.cfg.DeclRange,
		Before:       cty.NullVal(b.schema.ImpliedType()),
		Dependencies: b.dependencies(scope),
	}
	diags = append(diags, b.preconditions(a.Key)...)
	switch {
	case diags.HasErrors():
	case a.Mode == addr.Data:
		diags = append(diags, d.planData(b, c)...)
	default:
		diags = append(diags, d.planManaged(b, c)...)
	}
	if !diags.HasErrors() {
		diags = append(diags, b.postconditions(a.Key, mark(c.After, c.Sensitive))...)
	}
	return c, c.censor(b.arguments.explain(diags, scope))
}

// planManaged compares what a resource shall be with what is there.
func (d *decision) planManaged(b *block, c *Change) hcl.Diagnostics {
	rec := d.recorded[c.Address]
	if rec != nil && rec.Actual != nil {
		c.Prior, c.Before = rec.Actual, rec.Actual.Attributes
		c.SensitiveBefore, c.Importing = parsePaths(rec.Record.Sensitive), rec.Importing
	}
	c.Config = b.ignore(c.Config, c.Before)
	after, diags := d.Evaluator.propose(d.ctx, c.Address, d.Input.Env, c.Config, c.Prior)
	if diags.HasErrors() {
		return diags
	}
	c.After = after
	c.Differences = c.Schema.Diff(c.Before, after)
	d.choose(c, rec)
	switch c.Action {
	case Replace:
		c.After, diags = d.Evaluator.propose(d.ctx, c.Address, d.Input.Env, c.Config, nil)
		c.Differences = c.Schema.Diff(c.Before, c.After)
	case Update:
		c.After = c.Schema.Volatiles(c.Config, c.After)
		c.Differences = c.Schema.Diff(c.Before, c.After)
	}
	if c.Action == NoOp {
		c.After = c.Before // of which there is then one in memory
	}
	c.hideBySchema()
	return diags
}

// choose sets the action, from the differences and what forces more than they ask for.
func (d *decision) choose(c *Change, rec *Recorded) {
	f, forced := d.forced[c.Address]
	switch {
	case c.Prior == nil:
		c.Action = Create
	case slices.Contains(d.Input.Options.Replace, c.Address):
		c.Action, c.Reason = Replace, "-replace asks for it"
	case forced && f.replace:
		c.Action, c.Reason = Replace, f.reason
	case rec.Record.Status == state.Tainted:
		c.Action, c.Reason = Replace, "it is tainted: its creation failed, or somebody asked for it"
	case slices.ContainsFunc(c.Differences, func(d schema.Change) bool { return d.Replace }):
		c.Action = Replace
	case rec.Object.Unfinished:
		c.Action, c.Reason = Update, "an earlier run left it unfinished"
	case len(c.Differences) > 0:
		c.Action = Update
	case forced:
		c.Action, c.Reason = Update, f.reason
	}
}

// propose works out what an instance shall be: what configuration says, else defaults, else
// what is there, in the one way of writing that the kernel's values have. there is nil where
// nothing is.
func (e *Evaluator) propose(ctx context.Context, a addr.Instance, env providers.Env, config cty.Value, there *providers.Object) (cty.Value, hcl.Diagnostics) {
	b := e.block(a.Resource)
	origin, prior := a, cty.NullVal(b.schema.ImpliedType())
	if there != nil {
		origin, prior = there.Origin(), there.Attributes
	}
	t := e.registry.Type(a.Type)
	canonical, problems := b.schema.Canonical(config)
	diags := placeProblems(b.cfg.Body, b.schema, &b.cfg.DeclRange, problems)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	derivation := &providers.Derivation{
		Context: ctx, Address: origin, Prior: there, Departed: e.departed[origin], Env: env, Config: canonical, Planned: b.schema.Propose(canonical, prior),
	}
	t.Derive(derivation)
	planned, problems := b.schema.Canonical(derivation.Planned)
	diags = append(diags, placeProblems(b.cfg.Body, b.schema, &b.cfg.DeclRange, problems)...)
	if !diags.HasErrors() {
		diags = append(diags, placeError(b.cfg.Body, b.schema, &b.cfg.DeclRange, failures[Create], t.Validate(planned))...)
	}
	return planned, diags
}

// addOrphans plans the end of what is recorded and no longer wanted: of what the plan is about,
// or takes along.
func (p *Plan) addOrphans(forced map[addr.Instance]force) {
	for _, r := range p.records {
		if _, taken := forced[r.Address]; p.byAddress[r.Address] == nil && (taken || p.focus.includes(r.Address)) {
			p.add(p.deletion(r.Address))
		}
	}
	p.addDeposed()
	slices.SortStableFunc(p.Changes, compareChanges)
}

func (p *Plan) deletion(a addr.Instance) *Change {
	rec := p.recorded[a]
	s := p.Input.Registry.Type(a.Type).Schema()
	c := &Change{
		Address: a, Schema: s, Action: Delete, Prior: rec.Actual,
		Before: rec.Object.Attributes, After: cty.NullVal(s.ImpliedType()),
	}
	if rec.Actual == nil {
		c.Action = Forget
	} else {
		c.Before = rec.Actual.Attributes
	}
	c.Sensitive = pathsIn(c.Before, rec.Record.Sensitive)
	if p.Input.Config != nil {
		if r := p.Input.Config.Resource(a.Resource); r != nil {
			c.Range = &r.DeclRange
		}
	}
	if kept, _ := p.keptBy(a); kept && rec.Actual != nil {
		c.Action, c.Releases = Forget, true
		return c
	}
	if p.Input.Mode == Normal {
		_, c.Reason = p.whyDeleted(a)
	}
	return c
}

func (p *Plan) planDestroy() {
	for forced := (map[addr.Instance]force{}); ; {
		p.Changes, p.byAddress = nil, map[addr.Instance]*Change{}
		p.addOrphans(forced)
		taken := p.cascade(forced)
		maps.DeleteFunc(taken, func(a addr.Instance, _ force) bool { return p.byAddress[a] != nil })
		if len(taken) == 0 {
			break
		}
		maps.Copy(forced, taken)
	}
	for name, o := range p.Input.State.Outputs {
		if !p.focus.all {
			break // they may be about what stays
		}
		p.Outputs = append(p.Outputs, deletedOutput(name, o))
	}
	slices.SortFunc(p.Outputs, compareOutputs)
}

// was gives the places of what is there, wanted those of what shall be there.
func (p *Plan) was(c *Change) *providers.Places { return p.placesOf(c, c.Before, &c.placesBefore) }

func (p *Plan) wanted(c *Change) *providers.Places {
	if c.Action == NoOp {
		return p.was(c)
	}
	return p.placesOf(c, c.After, &c.placesAfter)
}

// heldBefore tells of those changes that are chosen which one has which place now.
func (p *Plan) heldBefore(chosen func(*Change) bool) map[providers.Place]*Change {
	out := map[providers.Place]*Change{}
	for _, c := range p.Changes {
		if !chosen(c) {
			continue
		}
		for _, place := range p.was(c).Holds {
			out[place] = c
		}
	}
	return out
}

func (p *Plan) placesOf(c *Change, v cty.Value, cache **providers.Places) *providers.Places {
	if *cache == nil {
		var places providers.Places
		if !v.IsNull() && c.Address.Mode == addr.Managed {
			places = p.Input.Registry.Type(c.Address.Type).Places(v)
		}
		*cache = &places
	}
	return *cache
}
