package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/state"
)

// Options narrow a plan or ask for more than configuration does.
type Options struct {
	// Targets are what alone is planned, with all that it depends on; empty: everything.
	Targets []Dependency
	// Excludes are what is left as it is, with all that depends on it.
	Excludes []Dependency
	// Replace are instances to be replaced although nothing asks for it.
	Replace []addr.Instance
	// Import is what alone a plan of the mode Adopt is about.
	Import ImportRequest
	// NoRefresh takes what is recorded for what is there.
	NoRefresh bool
}

// focus is what of the stack a plan is about.
type focus struct {
	all      bool
	inverted bool         // the rest is what it is not about
	chosen   []Dependency // as the command line names them
	// blocks are what follows from those, by their static addresses: in which modules, where one
	// without keys means all its instances.
	blocks map[addr.Resource][]addr.Module
}

func (f *focus) includes(a addr.Instance) bool {
	return f.all || f.names(a) != f.inverted
}

func (f *focus) names(a addr.Instance) bool {
	return slices.ContainsFunc(f.chosen, func(d Dependency) bool { return d.Covers(a) }) ||
		slices.ContainsFunc(f.blocks[a.Resource.Static()], func(m addr.Module) bool { return m.Matches(a.Module) })
}

// add notes that all instances of a block are meant, and reports whether that is new.
func (f *focus) add(block addr.Resource) bool {
	static := block.Static()
	if slices.Contains(f.blocks[static], block.Module) {
		return false
	}
	f.blocks[static] = append(f.blocks[static], block.Module)
	return true
}

// focusOn finds what the plan is about. Links are what a block leads to: what it depends on
// where targets are chosen, what depends on it where something is excluded. Who needs whom is
// asked only then: by way of a local value each of many blocks may need each of many others.
func (p *Plan) focusOn(needs func() map[addr.Resource][]addr.Resource) hcl.Diagnostics {
	o := &p.Input.Options
	p.focus = &focus{all: true}
	switch {
	case len(o.Targets)+len(o.Excludes) == 0:
		return nil
	case len(o.Targets) > 0 && len(o.Excludes) > 0:
		return hcl.Diagnostics{diag.Error(nil, "Both -target and -exclude", "Either say what a plan is about, or what it is not about.")}
	}
	chosen, links := o.Targets, needs()
	if len(o.Excludes) > 0 {
		chosen, links = o.Excludes, reversed(links)
	}
	p.focus = &focus{inverted: len(o.Excludes) > 0, chosen: chosen, blocks: map[addr.Resource][]addr.Module{}}
	var diags hcl.Diagnostics
	for _, d := range chosen {
		diags = append(diags, p.checkChosen(d)...)
		p.follow(d, links)
	}
	return append(diags, &hcl.Diagnostic{
		Severity: hcl.DiagWarning, Summary: "The plan is about a part only",
		Detail: "With -target or -exclude the rest stays as it is, whatever configuration says, and outputs and checks that " +
			"depend on it do too. It is for repairs and mistakes: afterwards, plan without.",
	})
}

// follow adds all blocks that a chosen address leads to. Those in the chosen instance of a module
// are meant in that instance alone.
func (p *Plan) follow(d Dependency, links map[addr.Resource][]addr.Resource) {
	var queue []addr.Resource
	for block := range links {
		if d.concerns(block) {
			queue = append(queue, links[block]...)
		}
	}
	for len(queue) > 0 {
		block := queue[0]
		queue = queue[1:]
		own := block
		own.Module = own.Module.In(d.Block.Module)
		if p.focus.add(own) {
			queue = append(queue, links[block]...)
		}
	}
}

// concerns reports whether a block, of the configuration or recorded, is meant, or has an
// instance that is.
func (d Dependency) concerns(block addr.Resource) bool {
	if d.isModule() {
		return d.Block.Module.Contains(block.Module) || d.Block.Module.Static().Contains(block.Module)
	}
	return d.Block.Local() == block.Local() &&
		(d.Block.Module.Matches(block.Module) || d.Block.Module.Static() == block.Module)
}

// checkChosen refuses an address that nothing has.
func (p *Plan) checkChosen(d Dependency) hcl.Diagnostics {
	if cfg := p.Input.Config; cfg != nil {
		if d.isModule() && cfg.Module(d.Block.Module) != nil || !d.isModule() && cfg.Resource(d.Block) != nil {
			return nil
		}
	}
	var known []string
	for _, r := range p.records {
		if (Dependency{Block: d.Block}).Covers(r.Address) {
			return nil
		}
		known = append(known, r.Address.Resource.String(), string(r.Address.Module))
	}
	if p.Input.Config != nil {
		for _, c := range p.Input.Config.All() {
			known = append(known, string(c.Path))
			for _, a := range sortedBlocks(c) {
				known = append(known, a.String())
			}
		}
	}
	return hcl.Diagnostics{diag.Error(nil, "No such resource",
		fmt.Sprintf("Neither configuration nor state has %s.%s", d, diag.Suggest(d.String(), known)))}
}

func reversed(links map[addr.Resource][]addr.Resource) map[addr.Resource][]addr.Resource {
	out := map[addr.Resource][]addr.Resource{}
	for from, list := range links {
		for _, to := range list {
			out[to] = append(out[to], from)
		}
	}
	return out
}

// blockNeeds lists, for each block, the blocks that it refers to, through local values too.
func (g *blockGraph) blockNeeds() map[addr.Resource][]addr.Resource {
	next := map[int][]int{}
	for edge := range g.edges {
		next[edge[0]] = append(next[edge[0]], edge[1])
	}
	needs := map[addr.Resource][]addr.Resource{}
	var walk func(of addr.Resource, from int, seen map[int]bool)
	walk = func(of addr.Resource, from int, seen map[int]bool) {
		for _, to := range next[from] {
			if seen[to] {
				continue
			}
			seen[to] = true
			if n := g.Node(to); n.subject.Kind == config.ResourceSubject {
				needs[of] = append(needs[of], n.block())
			} else {
				walk(of, to, seen)
			}
		}
	}
	for i := range g.Len() {
		if n := g.Node(i); n.subject.Kind == config.ResourceSubject {
			needs[n.block()] = nil
			walk(n.block(), i, map[int]bool{})
		}
	}
	return needs
}

// BlockNeeds lists, for each block of a valid configuration, the blocks that it refers to,
// directly or by way of local values.
func BlockNeeds(cfg *config.Config, registry *providers.Registry) map[addr.Resource][]addr.Resource {
	_, refers, diags := evaluationOrder(cfg, registry)
	if diags.HasErrors() {
		return nil
	}
	return refers.blockNeeds()
}

// recordedNeeds lists what the blocks of the state depended on. For a destroy what depends on
// a target goes too, and what an excluded one depends on stays.
func (p *Plan) recordedNeeds() map[addr.Resource][]addr.Resource {
	needs := map[addr.Resource][]addr.Resource{}
	all := p.recordedStatic()
	for _, r := range p.records {
		from := r.Address.Resource
		needs[from] = append(needs[from], p.recordedBlocks(r, all)...)
	}
	for from, list := range needs {
		slices.SortFunc(list, addr.Resource.Compare)
		needs[from] = slices.Compact(list)
	}
	return reversed(needs)
}

// recordedBlocks lists the blocks that a record says that the resource depended on.
func (p *Plan) recordedBlocks(r *state.Resource, all map[addr.Resource][]addr.Resource) []addr.Resource {
	var out []addr.Resource
	for _, text := range r.Dependencies {
		d, err := ParseDependency(text)
		switch {
		case err != nil:
		case d.isModule():
			for _, other := range p.records {
				if d.Covers(other.Address) {
					out = append(out, other.Address.Resource)
				}
			}
		case d.Block.Module.Open() == 0:
			out = append(out, d.Block)
		default:
			out = append(out, slices.DeleteFunc(slices.Clone(all[d.Block.Static()]), func(block addr.Resource) bool {
				return !d.Block.Module.Matches(block.Module)
			})...)
		}
	}
	return out
}

// recordedStatic lists the recorded blocks by their addresses without keys.
func (p *Plan) recordedStatic() map[addr.Resource][]addr.Resource {
	all := map[addr.Resource][]addr.Resource{}
	for _, r := range p.records { // in the order of addresses
		block := r.Address.Resource
		if list := all[block.Static()]; len(list) == 0 || list[len(list)-1] != block {
			all[block.Static()] = append(list, block)
		}
	}
	return all
}

// untouched is the change of an instance that the plan is not about, or nil where there is
// nothing.
func (d *decision) untouched(b *block, a addr.Instance) *Change {
	rec := d.recorded[a]
	if rec == nil || rec.Actual == nil {
		return nil
	}
	c := &Change{
		Address: a, Schema: b.schema, Action: NoOp, Range: &b.cfg.DeclRange, Prior: rec.Actual,
		Before: rec.Actual.Attributes, After: rec.Actual.Attributes, Config: cty.NullVal(b.schema.ImpliedType()),
		Sensitive: pathsIn(rec.Actual.Attributes, rec.Record.Sensitive), SensitiveBefore: parsePaths(rec.Record.Sensitive),
		Untouched: true,
	}
	if scope, diags := b.scope(a.Key); !diags.HasErrors() {
		c.Dependencies = b.dependencies(scope)
	}
	return c
}

// concerns reports whether all that an output refers to is what the plan is about.
func (p *Plan) concerns(o *config.Output) bool {
	if p.focus == nil || p.focus.all {
		return true
	}
	for _, d := range p.Evaluator.root.needsOf(config.Subject{Kind: config.OutputSubject, Name: o.Name}) {
		if slices.ContainsFunc(p.Evaluator.addressesOf(d), func(a addr.Instance) bool { return !p.focus.includes(a) }) {
			return false
		}
	}
	return true
}

// checkReplace refuses an address of -replace that is no instance, or none that the plan can replace.
func (p *Plan) checkReplace() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range p.Input.Options.Replace {
		c := p.byAddress[a]
		switch {
		case c != nil && c.Untouched:
			diags = append(diags, diag.Error(nil, "Nothing to replace",
				fmt.Sprintf("-replace names %s, which -target or -exclude leaves out of the plan.", a)))
			continue
		case c != nil && a.Mode == addr.Data:
			diags = append(diags, diag.Error(nil, "Nothing to replace",
				fmt.Sprintf("-replace names %s, which is data: it is read and never made.", a)))
			continue
		case c != nil && c.Action != Delete && c.Action != Forget:
			continue
		}
		var known, instances []string
		for _, c := range p.Changes {
			known = append(known, c.Address.String())
			if a.Key.IsZero() && c.Address.Resource == a.Resource && c.Action != Delete && c.Action != Forget {
				instances = append(instances, c.Address.String())
			}
		}
		if len(instances) > 0 {
			diags = append(diags, diag.Error(nil, "No such instance",
				fmt.Sprintf("-replace takes one instance at a time, any number of times, and %s is none. There are: %s.", a, strings.Join(instances, ", "))))
			continue
		}
		diags = append(diags, diag.Error(nil, "No such resource",
			fmt.Sprintf("-replace names %s, which is no resource of the configuration.%s", a, diag.Suggest(a.String(), known))))
	}
	return diags
}

// planRefresh plans to record what is there, and nothing else.
func (p *Plan) planRefresh() {
	p.byAddress = map[addr.Instance]*Change{}
	for _, r := range p.records {
		rec := p.recorded[r.Address]
		c := &Change{
			Address: r.Address, Schema: p.Input.Registry.Type(r.Address.Type).Schema(), Action: Forget, Reason: "it is gone", Recorded: true,
			Before: rec.Object.Attributes, Sensitive: parsePaths(r.Sensitive), SensitiveBefore: parsePaths(r.Sensitive),
		}
		c.After = cty.NullVal(c.Schema.ImpliedType())
		if rec.Actual != nil {
			c.Action, c.Reason = NoOp, ""
			c.Prior, c.Before, c.After = rec.Actual, rec.Actual.Attributes, rec.Actual.Attributes
		}
		p.add(c)
	}
	p.forgetDeposed()
}
