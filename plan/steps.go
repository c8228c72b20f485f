package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/dag"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
)

// StepKind is a part of carrying out a change.
type StepKind uint8

const (
	Apply    StepKind = iota // create, update or read; nothing for a NoOp, which others may wait for
	Remove                   // delete, alone or as the first half of a replacement
	AllOf                    // nothing: comes after every Apply of a block
	NoneOf                   // nothing: comes after every Remove of what depends on a block
	LetGo                    // nothing: comes after every Apply of an Update of what depended on a block
	Switched                 // the same, and of a Replace too
)

// Step is one node of the graph that apply carries out.
type Step struct {
	Kind   StepKind
	Change *Change       // of Apply and Remove
	Block  addr.Resource // of the others; with nothing but a Module: of all blocks in that
}

// Follows reports whether the object of a Remove goes by itself with what it lives in, which
// is removed before.
func (s Step) Follows() bool { return s.Kind == Remove && s.Change.follows }

func (s Step) String() string {
	switch s.Kind {
	case Apply:
		return fmt.Sprintf("%s of %s", s.Change.Verb(), s.Change.Address)
	case Remove:
		if s.Change.Releases {
			return "release of " + s.Change.Address.String()
		}
		return "delete of " + s.Change.title()
	}
	return Dependency{Block: s.Block}.String()
}

// Steps gives the graph of what apply has to do: a step depends on those before it.
//
//	apply X   after  apply Y      X refers to Y, or lives in, uses or is joined to it
//	remove X  after  remove Z     Z depended on X
//	remove Z  after  remove X     instead, when Z lives in X and goes along with it
//	apply X   after  remove X     X is replaced
//	apply Y   after  remove X     Y takes the place (the name) that X held
//	apply X   after  apply Y      Y gives the namespace the network that X's gateway is on
//	remove X  after  apply Z      Z depended on X and is now made independent of it
//	apply Y   after  remove X     Y is joined to an interface that nobody here makes, and X was on it
//	remove X  after  apply X      and after what depends on X: create_before_destroy, see createfirst.go
//
// That X comes after what gives its gateway's network, that Z is made independent of X before,
// and then going along, are wishes: they give way where they would make a circle.
func (p *Plan) Steps() (*dag.Graph[Step], hcl.Diagnostics) {
	if p.steps != nil {
		return p.steps, nil
	}
	wanted := p.newOthers()
	for _, wishes := range []struct{ reach, detach, follow bool }{
		{true, true, true}, {false, true, true}, {false, false, true}, {false, false, false},
	} {
		b := &stepBuilder{others: wanted, reach: wishes.reach, detach: wishes.detach}
		if !wishes.follow {
			for _, c := range p.Changes {
				c.follows = false
			}
		}
		b.build()
		if _, ok := b.g.Order(); ok {
			p.steps = &b.g
			return p.steps, nil
		}
		if !wishes.detach && !wishes.follow {
			return nil, b.cycleErrors()
		}
	}
	return nil, nil
}

type stepBuilder struct {
	*others       // what is wanted
	g             dag.Graph[Step]
	reach, detach bool

	vacate map[providers.Place]*Change // of what goes or moves
	blocks map[addr.Resource][]*Change
	left   map[addr.Instance]*Change // deposed objects
	// leaving has what is removed, by the places that it lives in.
	leaving map[providers.Place][]*Change
	// modules has the changes in each module that something depends on.
	modules map[addr.Module][]*Change
	// static has the changes of a block in all instances of its module, by its address without keys.
	static map[addr.Resource]*changesOfBlock
}

func (b *stepBuilder) build() {
	b.index()
	for _, c := range b.Changes {
		if c.applies() || c.Action == NoOp {
			b.node(Apply, c)
		}
		if c.removes() || c.Releases {
			b.node(Remove, c)
		}
	}
	for _, c := range b.Changes {
		if c.applies() || c.Action == NoOp {
			b.orderApply(c)
		}
		if c.removes() {
			b.orderRemove(c)
		}
		if c.Prior != nil {
			b.orderDependents(c)
		}
	}
}

func (c *Change) applies() bool {
	return c.Action == Create || c.Action == Update || c.Action == Replace || c.Action == Read
}

func (c *Change) removes() bool { return c.Action == Delete || c.Action == Replace }

func (b *stepBuilder) index() {
	b.vacate = b.heldBefore((*Change).vacates)
	b.blocks = map[addr.Resource][]*Change{}
	b.modules = map[addr.Module][]*Change{}
	b.left = map[addr.Instance]*Change{}
	b.leaving = map[providers.Place][]*Change{}
	b.static = map[addr.Resource]*changesOfBlock{}
	for _, c := range b.Changes {
		if c.Deposed {
			b.left[c.Address] = c
		}
		b.blocks[c.Address.Resource] = append(b.blocks[c.Address.Resource], c)
		b.indexStatic(c)
		if c.Address.Mode == addr.Managed && c.removes() {
			for _, place := range b.was(c).Within {
				b.leaving[place] = append(b.leaving[place], c)
			}
		}
	}
}

func (b *stepBuilder) node(kind StepKind, c *Change) int {
	return b.g.AddNode(Step{Kind: kind, Change: c})
}

// after says that step from comes after step to.
func (b *stepBuilder) after(from, to int) {
	if from != to {
		b.g.AddEdge(from, to)
	}
}

// orderApply puts the making of c after what it needs.
func (b *stepBuilder) orderApply(c *Change) {
	self := b.node(Apply, c)
	switch {
	case c.CreateFirst:
		b.orderCreateFirst(c)
	case c.Action == Replace:
		b.after(self, b.node(Remove, c))
	}
	for _, d := range c.Dependencies {
		if !d.Exact {
			b.after(self, b.allOf(d))
		} else if dep := b.byAddress[d.Block.Instance(d.Key)]; dep != nil && !dep.After.IsNull() {
			b.after(self, b.node(Apply, dep))
		}
	}
	if c.Address.Mode == addr.Data {
		return
	}
	places := b.wanted(c)
	for _, place := range places.Needed() {
		if h := b.holders[place]; h != nil && h != c {
			b.after(self, b.node(Apply, h))
		}
	}
	for _, gateway := range places.Gateways {
		b.orderGateway(self, gateway)
	}
	b.orderJoining(self, c)
	for _, place := range places.Holds {
		v := b.vacate[place]
		switch {
		case v == nil || v == c:
		case v.removes():
			b.after(self, b.node(Remove, v))
		case v.applies() && b.holders[place] == c:
			b.after(self, b.node(Apply, v))
		}
	}
}

// orderJoining puts the step that joins c to what nobody here makes after the removal of what is
// on that: a bridge that takes over an interface takes all addresses that it finds.
func (b *stepBuilder) orderJoining(step int, c *Change) {
	if !b.detach || !c.applies() {
		return
	}
	for _, place := range b.wanted(c).Attached {
		if b.holders[place] != nil || b.vacate[place] != nil {
			continue
		}
		for _, leaving := range b.leaving[place] {
			if leaving != c {
				b.after(step, b.node(Remove, leaving))
			}
		}
	}
}

// orderGateway puts a step after what gives its namespace the gateway's network.
func (b *stepBuilder) orderGateway(step int, gateway providers.Machine) {
	if !b.reach {
		return
	}
	for _, giver := range b.reaching(gateway) {
		b.after(step, b.node(Apply, giver))
	}
}

// allOf is the step that comes after all instances of a block or in a module.
func (b *stepBuilder) allOf(d Dependency) int {
	before := b.g.Len()
	n := b.g.AddNode(Step{Kind: AllOf, Block: d.Block})
	if b.g.Len() == before {
		return n // made before
	}
	for _, c := range b.changesOf(d) {
		if !c.After.IsNull() {
			b.after(n, b.node(Apply, c))
		}
	}
	return n
}

// orderRemove puts the removal of c after that of what it goes along with.
func (b *stepBuilder) orderRemove(c *Change) {
	if !c.follows {
		return
	}
	for _, place := range b.was(c).Within {
		if h := b.vacate[place]; h != nil && h != c && h.removes() {
			b.after(b.node(Remove, c), b.node(Remove, h))
		}
	}
}

// orderDependents puts the removal of what c depended on after c has let go of it.
func (b *stepBuilder) orderDependents(c *Change) {
	var own int
	switch {
	case c.removes():
		own = b.node(Remove, c)
	case c.Action == Update && b.detach:
		own = b.node(Apply, c)
	default:
		return
	}
	for _, text := range b.RecordOf(c).Dependencies {
		d, err := ParseDependency(text)
		if err != nil {
			continue // of another version; the places below still tell
		}
		if dep := b.byAddress[d.Block.Instance(d.Key)]; dep != nil {
			b.removeAfter(dep, own, c)
			if left := b.left[dep.Address]; left != nil && (c.removes() || !dep.CreateFirst) {
				b.removeAfter(left, own, c)
			}
			continue
		}
		if len(b.changesOf(d)) > 0 {
			b.removeAllAfter(d, own, c)
		}
	}
	for _, place := range b.was(c).Needed() {
		if h := b.vacate[place]; h != nil && h != c {
			b.removeAfter(h, own, c)
		}
	}
}

// removeAfter puts the removal of dep, if it is removed, after the step own of c, unless c
// goes along with dep.
func (b *stepBuilder) removeAfter(dep *Change, own int, c *Change) {
	if !dep.removes() {
		return
	}
	if c.Action == Replace && b.outlasts(dep) && b.detach {
		b.after(b.node(Remove, dep), b.node(Apply, c))
	}
	if c.follows && b.livesIn(c, dep) {
		return
	}
	if !c.removes() && dep.Action == Replace && !dep.CreateFirst {
		return // c is updated after dep is there again
	}
	b.after(b.node(Remove, dep), own)
}

// removeAllAfter is removeAfter for all instances of a block or in a module.
func (b *stepBuilder) removeAllAfter(d Dependency, own int, c *Change) {
	switch {
	case b.followsOneOf(c, d):
	case c.removes():
		b.after(b.noneOf(d), own)
	default:
		b.after(b.letGo(d), own)
	}
	if c.applies() && b.detach {
		b.after(b.switched(d), b.node(Apply, c))
	}
}

// followsOneOf reports whether c goes along with one of what d means.
func (b *stepBuilder) followsOneOf(c *Change, d Dependency) bool {
	return c.follows && slices.ContainsFunc(b.was(c).Within, func(place providers.Place) bool {
		h := b.vacate[place]
		return h != nil && h.removes() && d.Covers(h.Address)
	})
}

func (b *stepBuilder) livesIn(c, dep *Change) bool {
	held := b.was(dep).Holds
	return slices.ContainsFunc(b.was(c).Within, func(place providers.Place) bool {
		return slices.Contains(held, place)
	})
}

// noneOf is the step before any instance of a block or in a module is removed, and after
// everything that depended on the whole block has let go.
func (b *stepBuilder) noneOf(d Dependency) int {
	return b.beforeRemoves(NoneOf, d, func(*Change) bool { return true })
}

// beforeRemoves is a step before the removes of those of d that are chosen.
func (b *stepBuilder) beforeRemoves(kind StepKind, d Dependency, chosen func(*Change) bool) int {
	before := b.g.Len()
	n := b.g.AddNode(Step{Kind: kind, Block: d.Block})
	if b.g.Len() == before {
		return n
	}
	for _, c := range b.changesOf(d) {
		if c.removes() && !c.follows && chosen(c) {
			b.after(b.node(Remove, c), n)
		}
	}
	return n
}

func (b *stepBuilder) cycleErrors() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, cycle := range b.g.Cycles() {
		var text strings.Builder
		text.WriteString("These steps wait for each other in a circle:\n")
		for i, from := range cycle {
			fmt.Fprintf(&text, "\n  the %s waits for the %s", b.g.Node(from), b.g.Node(cycle[(i+1)%len(cycle)]))
		}
		text.WriteString("\n\nA resource waits for what it refers to, for what it is made in, and for the name that it takes " +
			"from another. Remove a reference or depends_on that goes the other way; where two change their names " +
			"for each other's, give one of them a third name first.")
		diags = append(diags, diag.Error(b.g.Node(cycle[0]).rangeOf(), "Steps cannot be ordered", text.String()))
	}
	return diags
}

func (s Step) rangeOf() *hcl.Range {
	if s.Change == nil {
		return nil
	}
	return s.Change.Range
}
