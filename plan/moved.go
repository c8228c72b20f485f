package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/dag"
	"github.com/diyform/diyform/internal/diag"
)

// move is a moved block, ready to be applied to addresses.
type move struct {
	cfg      *config.Moved
	at       []addr.ModuleStep // the module that the block stands in, without keys
	from, to addr.Endpoint
	whole    bool // neither end has a key: all instances move, and keep theirs

	fromPath, toPath []addr.ModuleStep // the modules of both ends, from the root module on
}

// movesOf lists the moved blocks of a configuration.
func movesOf(cfg *config.Config) []*move {
	var list []*move
	for _, c := range cfg.All() {
		for _, m := range c.Moves {
			at := c.Path.Steps()
			list = append(list, &move{
				cfg: m, at: at, from: m.From, to: m.To,
				whole:    m.From.LastKey().IsZero() && m.To.LastKey().IsZero(),
				fromPath: slices.Concat(at, m.From.Modules), toPath: slices.Concat(at, m.To.Modules),
			})
		}
	}
	return list
}

// apply gives the address that the block moves a to, if it is about it.
func (m *move) apply(a addr.Instance) (addr.Instance, bool) {
	if !m.from.IsModule() && (a.Type != m.from.Resource.Type || a.Name != m.from.Resource.Name) {
		return a, false // as most are; what follows costs more
	}
	path := a.Module.Steps()
	if len(path) < len(m.at) || !sameNames(path[:len(m.at)], m.at) {
		return a, false
	}
	outer, rest := path[:len(m.at)], path[len(m.at):]
	if m.from.IsModule() {
		return m.applyModule(a, outer, rest)
	}
	if !slices.Equal(rest, m.from.Modules) || !m.whole && a.Key != m.from.Key {
		return a, false
	}
	out := m.to.Resource
	out.Module = addr.ModuleOf(slices.Concat(outer, m.to.Modules))
	if m.whole {
		return out.Instance(a.Key), true
	}
	return out.Instance(m.to.Key), true
}

func (m *move) applyModule(a addr.Instance, outer, rest []addr.ModuleStep) (addr.Instance, bool) {
	last := len(m.from.Modules) - 1
	if len(rest) <= last || !slices.Equal(rest[:last], m.from.Modules[:last]) || rest[last].Name != m.from.Modules[last].Name ||
		!m.whole && rest[last].Key != m.from.Modules[last].Key {
		return a, false
	}
	to := slices.Clone(m.to.Modules)
	if m.whole {
		to[len(to)-1].Key = rest[last].Key
	}
	a.Module = addr.ModuleOf(slices.Concat(outer, to, rest[last+1:]))
	return a, true
}

func sameNames(a, b []addr.ModuleStep) bool {
	return slices.EqualFunc(a, b, func(x, y addr.ModuleStep) bool { return x.Name == y.Name })
}

// reaches reports whether what one block moves may be what another moves on. What a block in a
// module moves stays in its instance, so it waits for the moves of instances, and these not for it.
func (m *move) reaches(next *move) bool {
	return m.leadsTo(next) && !(m.standsIn(next) && next.leadsTo(m))
}

// standsIn reports whether the block is in the module that another block moves.
func (m *move) standsIn(o *move) bool {
	return o.from.IsModule() && len(m.at) >= len(o.fromPath)
}

// leadsTo reports whether an address may be both where one block moves to and where another moves from.
func (m *move) leadsTo(next *move) bool {
	a, b := m.toPath, next.fromPath
	for i := range min(len(a), len(b)) {
		any := i < len(m.at) || i < len(next.at) ||
			m.whole && m.to.IsModule() && i == len(a)-1 || next.whole && next.from.IsModule() && i == len(b)-1
		if a[i].Name != b[i].Name || !any && a[i].Key != b[i].Key {
			return false
		}
	}
	switch {
	case m.to.IsModule() && next.from.IsModule():
		return true
	case m.to.IsModule():
		return len(a) <= len(b)
	case next.from.IsModule():
		return len(b) <= len(a)
	}
	return len(a) == len(b) && m.to.Resource == next.from.Resource && (m.whole || next.whole || m.to.Key == next.from.Key)
}

// orderMoves puts each block after those that bring it what it moves on.
func orderMoves(list []*move) ([]*move, hcl.Diagnostics) {
	var g dag.Graph[*move]
	for _, m := range list {
		g.AddNode(m)
	}
	index := indexMoves(list)
	for _, m := range list {
		for _, next := range index.after(m) {
			if m != next && m.reaches(next) {
				g.AddEdge(g.AddNode(next), g.AddNode(m))
			}
		}
	}
	order, ok := g.Order()
	if !ok {
		return nil, moveCycles(&g)
	}
	var out []*move
	for _, i := range order {
		out = append(out, g.Node(i))
	}
	return out, nil
}

func moveCycles(g *dag.Graph[*move]) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, cycle := range g.Cycles() {
		var b strings.Builder
		b.WriteString("These moved blocks lead in a circle, so nobody can tell where anything ends up:\n")
		for _, i := range cycle {
			m := g.Node(i)
			fmt.Fprintf(&b, "\n  %s to %s at %s:%d", m.from, m.to, m.cfg.DeclRange.Filename, m.cfg.DeclRange.Start.Line)
		}
		b.WriteString("\n\nRemove the blocks that are history, or move what shall change places by way of a third address, in two applies.")
		diags = append(diags, diag.Error(&g.Node(cycle[0]).cfg.DeclRange, "Moves in a circle", b.String()))
	}
	return diags
}

// checkMoves tells what is wrong with moved blocks whatever is recorded.
func checkMoves(cfg *config.Config) hcl.Diagnostics {
	list := movesOf(cfg)
	var diags hcl.Diagnostics
	froms, tos := map[string]*move{}, map[string]*move{}
	for _, m := range list {
		diags = append(diags, m.check(cfg)...)
		at := string(addr.ModuleOf(m.at)) + " "
		from, to := at+m.from.String(), at+m.to.String()
		if first := froms[from]; first != nil {
			diags = append(diags, diag.Error(&m.cfg.FromRange, "Two moves from one address",
				fmt.Sprintf("%s moves to %s here, and to %s at %s. One thing can have one new address: remove one of the two blocks.",
					m.from, m.to, first.to, first.cfg.DeclRange)))
		} else if first := tos[to]; first != nil {
			diags = append(diags, diag.Error(&m.cfg.ToRange, "Two moves to one address",
				fmt.Sprintf("%s moves to %s here, and so does %s at %s. Two things cannot have one address: remove one of the two blocks.",
					m.from, m.to, first.from, first.cfg.DeclRange)))
		}
		froms[from], tos[to] = m, m
	}
	if !diags.HasErrors() {
		_, more := orderMoves(list)
		diags = append(diags, more...)
	}
	return diags
}

func (m *move) check(cfg *config.Config) hcl.Diagnostics {
	switch {
	case m.from.IsModule() != m.to.IsModule():
		return hcl.Diagnostics{diag.Error(&m.cfg.ToRange, "A module and a resource in one move",
			fmt.Sprintf("%s and %s are not of one kind: a module moves to a module, and a resource to a resource.", m.from, m.to))}
	case m.from.Resource.Type != m.to.Resource.Type:
		return hcl.Diagnostics{diag.Error(&m.cfg.ToRange, "A move to another resource type",
			fmt.Sprintf("%s cannot become %s: what is there is a %s, and stays one. Let the %s be destroyed, and the %s be made.",
				m.from, m.to, m.from.Resource.Type, m.from.Resource.Type, m.to.Resource.Type))}
	case m.from.String() == m.to.String():
		return hcl.Diagnostics{diag.Error(&m.cfg.DeclRange, "A move to the same address",
			fmt.Sprintf("%s is both where it comes from and where it goes. Remove this block.", m.from))}
	}
	if at := m.declaredAt(cfg); at != nil {
		return hcl.Diagnostics{stillDeclared(m, at)}
	}
	return nil
}

// declaredAt gives where what has moved is still declared, whatever count and for_each give. Of
// single instances that is told later.
func (m *move) declaredAt(cfg *config.Config) *hcl.Range {
	for _, s := range m.from.Modules[:max(0, len(m.from.Modules)-1)] {
		if !s.Key.IsZero() {
			return nil
		}
	}
	around := addr.ModuleOf(slices.Concat(m.at, m.from.Modules))
	if m.from.IsModule() {
		parent, last := around.Split()
		if c := cfg.Module(parent); c != nil && c.Calls[last.Name] != nil && m.meansAll(&c.Calls[last.Name].Repetition) {
			return &c.Calls[last.Name].DeclRange
		}
		return nil
	}
	if r := cfg.Resource(around.Resource(m.from.Resource)); r != nil && around.Static() == around && m.meansAll(&r.Repetition) {
		return &r.DeclRange
	}
	return nil
}

// meansAll reports whether the block moves all instances of what is declared so.
func (m *move) meansAll(r *config.Repetition) bool {
	return m.whole || m.from.LastKey().IsZero() && r.Count == nil && r.ForEach == nil
}

func stillDeclared(m *move, at *hcl.Range) *hcl.Diagnostic {
	return diag.Error(&m.cfg.FromRange, "What has moved is still declared",
		fmt.Sprintf("This block says that %s is %s now, but %s is still declared, at %s:%d. Rename that block, or remove this one.",
			m.from, m.to, m.from, at.Filename, at.Start.Line))
}

// checkMovedInstances finds moves of instances that count or for_each still gives.
func (p *Plan) checkMovedInstances() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, m := range movesOf(p.Input.Config) {
		for _, in := range p.Evaluator.instances[addr.ModuleOf(m.at)] {
			if at := m.instanceDeclaredAt(p.Evaluator, in); at != nil {
				diags = append(diags, stillDeclared(m, at))
				break
			}
		}
	}
	return diags
}

// instanceDeclaredAt is declaredAt in one instance of the module that the block stands in.
func (m *move) instanceDeclaredAt(e *Evaluator, in *module) *hcl.Range {
	from := addr.ModuleOf(slices.Concat(in.addr.Steps(), m.from.Modules))
	if m.from.IsModule() {
		if c := e.modules[from]; c != nil {
			return &c.call.cfg.DeclRange
		}
		return nil
	}
	b := e.block(from.Resource(m.from.Resource))
	if b == nil || !b.expansion.has(m.from.Key) && !(m.whole && len(b.expansion.keys) > 0) {
		return nil
	}
	return &b.cfg.DeclRange
}

// applyMoves brings what is recorded to the addresses that configuration has for it.
func (p *Plan) applyMoves() hcl.Diagnostics {
	list, diags := orderMoves(movesOf(p.Input.Config))
	if diags.HasErrors() {
		return diags
	}
	is := map[addr.Instance]addr.Instance{} // where each one is now: what it is recorded as
	for a := range p.Input.State.Resources {
		is[a] = a
	}
	where := indexInstances(is)
	for _, m := range list {
		for _, a := range where.of(m, is) {
			to, ok := m.apply(a)
			if !ok {
				continue
			}
			if _, taken := is[to]; taken {
				diags = append(diags, blocked(m, a, to))
				continue
			}
			is[to] = is[a]
			delete(is, a)
			where.add(to)
		}
	}
	p.implyMoves(is)
	moved := map[addr.Instance]addr.Instance{}
	p.previous = map[addr.Instance]addr.Instance{}
	for now, was := range is {
		if now != was {
			moved[was], p.previous[now] = now, was
		}
	}
	if len(moved) > 0 {
		p.Input.State = p.Input.State.Moved(moved)
	}
	return diags
}

// implyMoves moves what a block, or the module block around it, got or lost count for: x is
// x[0], and x[0] is x.
func (p *Plan) implyMoves(is map[addr.Instance]addr.Instance) {
	implied := map[addr.Instance]addr.Instance{}
	for a := range is {
		to := a
		to.Module = p.impliedModule(a.Module)
		if r := p.Input.Config.Resource(a.Resource); r != nil {
			to.Key = impliedKey(&r.Repetition, a.Key)
		}
		if to != a {
			implied[a] = to
		}
	}
	for _, a := range sortedInstances(implied) {
		if _, taken := is[implied[a]]; !taken {
			is[implied[a]] = is[a]
			delete(is, a)
		}
	}
}

func impliedKey(r *config.Repetition, key addr.Key) addr.Key {
	switch {
	case r.Count != nil && key.IsZero():
		return addr.IntKey(0)
	case r.Count == nil && r.ForEach == nil && key == addr.IntKey(0):
		return addr.Key{}
	}
	return key
}

func (p *Plan) impliedModule(path addr.Module) addr.Module {
	var out addr.Module
	in := p.Input.Config
	for _, step := range path.Steps() {
		if in != nil && in.Calls[step.Name] != nil {
			step.Key = impliedKey(&in.Calls[step.Name].Repetition, step.Key)
			in = in.Children[step.Name]
		} else {
			in = nil
		}
		out = out.Child(step.Name, step.Key)
	}
	return out
}

func blocked(m *move, a, to addr.Instance) *hcl.Diagnostic {
	return diag.Warning(&m.cfg.DeclRange, "A move has nowhere to go",
		fmt.Sprintf("%s cannot become %s, because something else is recorded there. It keeps its address, and goes if configuration no longer has that. "+
			"Remove this block if it is history, or move what is there away first.", a, to))
}
