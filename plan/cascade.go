package plan

import (
	"fmt"
	"slices"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/providers"
)

// cascade finds what the plan's deletions and replacements take along: objects that live in
// what goes (they go by themselves, and must come again), that use it, or that are joined to
// it; and objects that the kernel has put in what is renamed, whose attributes tell its name.
// It returns the instances that must change for it and are not forced to yet.
func (p *Plan) cascade(forced map[addr.Instance]force) map[addr.Instance]force {
	going, renamed := p.going(), p.renamed()
	if len(going)+len(renamed) == 0 {
		return nil
	}
	taken := map[addr.Instance]force{}
	for _, c := range p.Changes {
		if c.Prior == nil {
			continue
		}
		places := p.was(c)
		c.follows = false
		if holder, place := findHolder(c, places.Within, going); holder != nil {
			// What is made anew lets go by itself of what stays until then.
			stays := holder.CreateFirst || holder.Deposed
			c.follows = holder.removes() && !(stays && c.Action == Replace && !c.CreateFirst)
			p.takeAlong(c, holder, place, true, taken)
		}
		if holder, place := findHolder(c, places.Uses, going); holder != nil {
			p.takeAlong(c, holder, place, true, taken)
		}
		if holder, place := findHolder(c, places.Within, renamed); holder != nil && !p.configures(c, place) {
			p.takeAlong(c, holder, place, false, taken)
		}
		if holder, place := findHolder(c, places.Attached, going); holder != nil && holder.Action != Delete {
			p.takeAlong(c, holder, place, false, taken)
		}
	}
	p.takeOrphans(going, taken)
	for a := range taken {
		if f, ok := forced[a]; ok && (f.replace || !taken[a].replace) {
			delete(taken, a)
		}
	}
	return taken
}

// takeOrphans notes what is no longer wanted, and would be left by a plan that is not about it,
// and yet cannot stay without what goes.
func (p *Plan) takeOrphans(going map[providers.Place]*Change, taken map[addr.Instance]force) {
	if p.focus.all {
		return
	}
	for _, r := range p.records {
		rec := p.recorded[r.Address]
		if p.byAddress[r.Address] != nil || rec.Actual == nil {
			continue
		}
		places := p.Input.Registry.Type(r.Address.Type).Places(rec.Actual.Attributes)
		for _, place := range slices.Concat(places.Within, places.Uses) {
			if going[place] != nil {
				taken[r.Address] = force{replace: true}
			}
		}
	}
}

// going lists the places whose holder goes, or is gone already and will be made anew: what is
// left of those that used it then belongs to something that nobody can reach any more.
func (p *Plan) going() map[providers.Place]*Change {
	going := map[providers.Place]*Change{}
	for _, c := range p.Changes {
		switch rec := p.recorded[c.Address]; {
		case c.Prior != nil && c.removes():
			for _, place := range p.was(c).Holds {
				going[place] = c
			}
		case c.Action == Create && rec != nil && p.holds(c.Address):
			for _, place := range p.Input.Registry.Type(c.Address.Type).Places(rec.Object.Attributes).Holds {
				going[place] = c
			}
		}
	}
	return going
}

// renamed lists the places that an object gives up without being replaced: its old names.
func (p *Plan) renamed() map[providers.Place]*Change {
	renamed := map[providers.Place]*Change{}
	for _, c := range p.Changes {
		if c.Action != Update {
			continue
		}
		for _, place := range p.was(c).Holds {
			if !slices.Contains(p.wanted(c).Holds, place) {
				renamed[place] = c
			}
		}
	}
	return renamed
}

// takeAlong notes that c must be replaced or updated, unless it goes or is replaced anyway.
func (p *Plan) takeAlong(c, holder *Change, place providers.Place, replace bool, taken map[addr.Instance]force) {
	if c.Action == Delete || c.Action == Replace || !replace && c.Action == Update {
		return
	}
	if f := taken[c.Address]; f.replace {
		return
	}
	what := map[Action]string{Replace: "replaced", Delete: "destroyed", Create: "gone", Update: "renamed"}[holder.Action]
	taken[c.Address] = force{replace: replace, reason: fmt.Sprintf("its %s is %s (%s)", place.Kind, what, holder.Address)}
}

func findHolder(c *Change, places []providers.Place, holders map[providers.Place]*Change) (*Change, providers.Place) {
	for _, place := range places {
		if h := holders[place]; h != nil && h != c {
			return h, place
		}
	}
	return nil, providers.Place{}
}
