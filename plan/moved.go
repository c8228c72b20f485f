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
	at       []addr.Step // the module that the block stands in, without keys
	from, to addr.Endpoint
	whole    bool // neither end has a key: all instances move, and keep theirs
}

// movesOf lists the moved blocks of a configuration.
func movesOf(cfg *config.Config) []*move {
	var list []*move
	for _, m := range cfg.Moves {
		list = append(list, &move{
			cfg: m, from: m.From, to: m.To,
			whole: m.From.LastKey().IsZero() && m.To.LastKey().IsZero(),
		})
	}
	return list
}

// apply gives the address that the block moves a to, if it is about it.
func (m *move) apply(a addr.Instance) (addr.Instance, bool) {
	if !m.from.IsModule() && (a.Type != m.from.Resource.Type || a.Name != m.from.Resource.Name) {
		return a, false // as most are; what follows costs more
	}
	path := addr.SplitSteps(a.Module)
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
	out.Module = addr.JoinSteps(slices.Concat(outer, m.to.Modules))
	if m.whole {
		return out.Instance(a.Key), true
	}
	return out.Instance(m.to.Key), true
}

func (m *move) applyModule(a addr.Instance, outer, rest []addr.Step) (addr.Instance, bool) {
	last := len(m.from.Modules) - 1
	if len(rest) <= last || !slices.Equal(rest[:last], m.from.Modules[:last]) || rest[last].Name != m.from.Modules[last].Name ||
		!m.whole && rest[last].Key != m.from.Modules[last].Key {
		return a, false
	}
	to := slices.Clone(m.to.Modules)
	if m.whole {
		to[len(to)-1].Key = rest[last].Key
	}
	a.Module = addr.JoinSteps(slices.Concat(outer, to, rest[last+1:]))
	return a, true
}

func sameNames(a, b []addr.Step) bool {
	return slices.EqualFunc(a, b, func(x, y addr.Step) bool { return x.Name == y.Name })
}

// reaches reports whether what one block moves may be what another moves on.
func (m *move) reaches(next *move) bool {
	a, b := slices.Concat(m.at, m.to.Modules), slices.Concat(next.at, next.from.Modules)
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
	for _, m := range list {
		for _, next := range list {
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
		from, to := addr.JoinSteps(m.at)+" "+m.from.String(), addr.JoinSteps(m.at)+" "+m.to.String()
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
	if r := cfg.Resources[m.from.Resource]; r != nil && len(m.from.Modules) == 0 && (m.whole || m.from.Key.IsZero() && r.Count == nil && r.ForEach == nil) {
		return hcl.Diagnostics{stillDeclared(m, r)}
	}
	return nil
}

func stillDeclared(m *move, r *config.Resource) *hcl.Diagnostic {
	return diag.Error(&m.cfg.FromRange, "What has moved is still declared",
		fmt.Sprintf("This block says that %s is %s now, but %s is still declared, at %s:%d. Rename that block, or remove this one.",
			m.from, m.to, m.from, r.DeclRange.Filename, r.DeclRange.Start.Line))
}

// checkMovedInstances finds moves of instances that count or for_each still gives.
func (p *Plan) checkMovedInstances() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, m := range movesOf(p.Input.Config) {
		if m.whole || m.from.IsModule() || len(m.at) > 0 {
			continue
		}
		a := m.from.Instance()
		if b := p.Evaluator.blocks[a.Resource]; b != nil && b.expansion.has(a.Key) {
			diags = append(diags, stillDeclared(m, b.cfg))
		}
	}
	return diags
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
	for _, m := range list {
		for _, a := range sortedInstances(is) {
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

func sortedInstances(m map[addr.Instance]addr.Instance) []addr.Instance {
	list := make([]addr.Instance, 0, len(m))
	for a := range m {
		list = append(list, a)
	}
	slices.SortFunc(list, addr.Instance.Compare)
	return list
}

// implyMoves moves what a block got, or lost, count for: x is x[0], and x[0] is x.
func (p *Plan) implyMoves(is map[addr.Instance]addr.Instance) {
	for _, a := range sortedInstances(is) {
		r := p.Input.Config.Resources[a.Resource]
		to := a
		switch {
		case r == nil:
			continue
		case r.Count != nil && a.Key.IsZero():
			to.Key = addr.IntKey(0)
		case r.Count == nil && r.ForEach == nil && a.Key == addr.IntKey(0):
			to.Key = addr.Key{}
		}
		if _, taken := is[to]; !taken {
			is[to] = is[a]
			delete(is, a)
		}
	}
}

func blocked(m *move, a, to addr.Instance) *hcl.Diagnostic {
	return diag.Warning(&m.cfg.DeclRange, "A move has nowhere to go",
		fmt.Sprintf("%s cannot become %s, because something else is recorded there. It keeps its address, and goes if configuration no longer has that. "+
			"Remove this block if it is history, or move what is there away first.", a, to))
}
