package plan

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
	"github.com/diyform/diyform/state"
)

// create_before_destroy makes a replacement the other way round: the new object is made, what
// depends on it changes over, and only then the old one is destroyed. It asks the kernel for
// two objects at once, so it is refused where they would be one and the same thing.
//
// It spreads to what the resource depends on, but only to what the same plan replaces too:
//
//	destroy of the old A  after  creation of the new A     create_before_destroy of A
//	creation of the new A  after  creation of the new B    A depends on B
//	destroy of the old B  after  destroy of the old A      the old A depended on the old B
//
// so B cannot be destroyed before it is created either. Terraform makes everything that A
// depends on create_before_destroy for good; here a B that A is not replaced with keeps its
// own way, which matters where the kernel allows one B only.

// createFirst finds the replacements that create first.
func (p *Plan) createFirst() {
	var asking []*Change
	for _, c := range p.Changes {
		b := p.Evaluator.block(c.Address.Resource)
		if c.Action == Replace && b != nil && b.cfg.Lifecycle.CreateBeforeDestroy && !p.goesAnyway(c) {
			asking = append(asking, c)
		}
	}
	if len(asking) == 0 {
		return
	}
	f := &firsts{Plan: p, asking: asking, denied: map[*Change]bool{}}
	f.before, f.after = p.heldByReplaced()
	for !f.spread() {
	}
}

// firsts is the search for what has to create first.
type firsts struct {
	*Plan
	asking        []*Change
	denied        map[*Change]bool
	before, after map[providers.Place]*Change // which replaced object has which place
	replaced      map[Dependency][]*Change    // of those that a dependency means, what may have to create first yet
}

// spread marks those that ask for it, and were not denied it, and what they need. It reports
// false where some turned out to need something that goes first anyway: they are denied, and
// all is to be done again without them.
func (f *firsts) spread() bool {
	f.replaced = map[Dependency][]*Change{}
	for _, c := range f.Changes {
		c.CreateFirst, c.firstFor = false, nil
	}
	var queue []*Change
	for _, c := range f.asking {
		if !f.denied[c] {
			c.CreateFirst = true
			queue = append(queue, c)
		}
	}
	settled := true
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		former := f.formerNeeds(c)
		for _, need := range f.presentNeeds(c) {
			switch {
			case need.CreateFirst || !former(need):
			case f.goesAnyway(need):
				f.denied[c.asker()] = true
				settled = false
			default:
				need.CreateFirst, need.firstFor = true, c
				queue = append(queue, need)
			}
		}
	}
	return settled
}

// asker gives the one that asked for create_before_destroy, for c or for what depends on it.
func (c *Change) asker() *Change {
	for c.firstFor != nil {
		c = c.firstFor
	}
	return c
}

// goesAnyway reports whether an object has to go first whatever configuration asks for: it is
// replaced because it is broken, or not what it was recorded to be, and there cannot be two.
// Nobody should have to edit configuration to repair what a crash, or somebody else, has left.
func (p *Plan) goesAnyway(c *Change) bool {
	why, _ := p.notTwice(c)
	rec := p.recorded[c.Address]
	if why == "" || rec == nil || rec.Actual == nil {
		return false
	}
	return rec.Object.Unfinished || rec.Record.Status == state.Tainted ||
		slices.ContainsFunc(c.Schema.Diff(rec.Object.Attributes, rec.Actual.Attributes), func(d schema.Change) bool { return d.Replace })
}

// heldByReplaced lists which place is that of which object that is replaced, before and after.
func (p *Plan) heldByReplaced() (before, after map[providers.Place]*Change) {
	after = map[providers.Place]*Change{}
	for _, c := range p.Changes {
		if c.Action != Replace {
			continue
		}
		for _, place := range p.wanted(c).Holds {
			after[place] = c
		}
	}
	return p.heldBefore(func(c *Change) bool { return c.Action == Replace }), after
}

// formerNeeds tells what the present object of c depends on, as recorded and by its places.
func (f *firsts) formerNeeds(c *Change) func(need *Change) bool {
	var recorded []Dependency
	if r := f.RecordOf(c); r != nil {
		for _, text := range r.Dependencies {
			if d, err := ParseDependency(text); err == nil {
				recorded = append(recorded, d)
			}
		}
	}
	places := f.was(c).Needed()
	return func(need *Change) bool {
		return slices.ContainsFunc(recorded, func(d Dependency) bool { return d.Covers(need.Address) }) ||
			slices.ContainsFunc(places, func(place providers.Place) bool { return f.before[place] == need })
	}
}

// presentNeeds gives, of what the new object of c depends on, what is replaced and does not
// create first yet.
func (f *firsts) presentNeeds(c *Change) []*Change {
	var needs []*Change
	f.throughData(c.Dependencies, func(d Dependency) { needs = append(needs, f.replacedOf(d)...) })
	for _, place := range f.wanted(c).Needed() {
		if h := f.after[place]; h != nil && h != c {
			needs = append(needs, h)
		}
	}
	return needs
}

// replacedOf is asked for one block by each that depends on the whole of it.
func (f *firsts) replacedOf(d Dependency) []*Change {
	list, ok := f.replaced[d]
	if !ok {
		list = f.instancesOf(d)
	}
	list = slices.DeleteFunc(list, func(c *Change) bool { return c.Action != Replace || c.CreateFirst })
	f.replaced[d] = list
	return list
}

// checkTwo refuses what would have to be there twice and cannot be.
func (p *Plan) checkTwo() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, c := range p.Changes {
		if !c.CreateFirst {
			continue
		}
		if why, advice := p.notTwice(c); why != "" {
			diags = append(diags, c.censor(hcl.Diagnostics{p.notTwo(c, why, advice)})...)
		}
	}
	return diags
}

// notTwice tells why both objects of a replacement cannot be there, "" where they can, and the
// begin of what to do about it.
func (p *Plan) notTwice(c *Change) (why, advice string) {
	if err := p.Input.Registry.Type(c.Address.Type).Apart(c.Before, c.After); err != nil {
		return fmt.Sprintf("a %s cannot be there twice: %v", c.Address.Type, err), "Take"
	}
	for _, place := range p.was(c).Holds {
		if slices.Contains(p.wanted(c).Holds, place) {
			return fmt.Sprintf("both would be the %s, of which the kernel has one", place),
				"Change what tells them apart too, such as the name, or take"
		}
	}
	return "", ""
}

func (p *Plan) notTwo(c *Change, why, advice string) *hcl.Diagnostic {
	asker := c.asker()
	cause := ""
	switch {
	case asker != c:
		cause = fmt.Sprintf(" It is replaced together with %s, which depends on it and has create_before_destroy.", asker.Address)
	case c.Reason != "":
		cause = fmt.Sprintf(" It is replaced because %s.", c.Reason)
	case c.replacing() != "":
		cause = fmt.Sprintf(" It is replaced because %s changes.", c.replacing())
	}
	l := &p.Evaluator.block(asker.Address.Resource).cfg.Lifecycle
	return diag.Error(&l.CreateRange, "Two at once cannot be", fmt.Sprintf(
		"create_before_destroy would have a new %s made while the old one is there, but %s.%s %s create_before_destroy "+
			"away from %s.", c.Address, why, cause, advice, asker.Address))
}

// orderCreateFirst puts the removal of c's old object after the creation of the new one. The
// record has room for one deposed object of an address: one that an earlier run left goes
// before.
func (b *stepBuilder) orderCreateFirst(c *Change) {
	b.after(b.node(Remove, c), b.node(Apply, c))
	if left := b.left[c.Address]; left != nil && left.removes() {
		b.after(b.node(Apply, c), b.node(Remove, left))
	}
}

// letGo is the step before any instance of a block or in a module is removed for good, and
// after what depended on all of them is made independent.
func (b *stepBuilder) letGo(d Dependency) int {
	return b.beforeRemoves(LetGo, d, func(c *Change) bool { return c.Action == Delete && (!c.Deposed || b.outlasts(c)) })
}

// switched is the step before the old objects of those that create first are removed, and after
// what depends on all of them has changed over.
func (b *stepBuilder) switched(d Dependency) int {
	return b.beforeRemoves(Switched, d, b.outlasts)
}

// outlasts reports whether an old object is there until what depends on its address has
// changed over. One that was left is not where its successor gets a successor too.
func (b *stepBuilder) outlasts(c *Change) bool {
	now := b.byAddress[c.Address]
	return c.CreateFirst || c.Deposed && (now == nil || !now.CreateFirst)
}
