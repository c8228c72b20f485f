package plan

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
)

// cascade finds what the plan's deletions and replacements take along: objects that live in
// what goes (they go by themselves, and must come again), that use it, or that are joined to
// it. It returns the instances that must change for it and are not forced to yet.
func (p *Plan) cascade(forced map[addr.Instance]force) map[addr.Instance]force {
	going := p.going()
	if len(going) == 0 {
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
			c.follows = holder.removes()
			p.takeAlong(c, holder, place, true, taken)
		}
		if holder, place := findHolder(c, places.Uses, going); holder != nil {
			p.takeAlong(c, holder, place, true, taken)
		}
		if holder, place := findHolder(c, places.Attached, going); holder != nil && holder.Action != Delete {
			p.takeAlong(c, holder, place, false, taken)
		}
	}
	for a := range taken {
		if f, ok := forced[a]; ok && (f.replace || !taken[a].replace) {
			delete(taken, a)
		}
	}
	return taken
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
		case c.Action == Create && rec != nil && p.Input.State.BootID == p.Input.Env.BootID:
			for _, place := range p.Input.Registry.Type(c.Address.Type).Places(rec.Object.Attributes).Holds {
				going[place] = c
			}
		}
	}
	return going
}

// takeAlong notes that c must be replaced or updated, unless it goes or is replaced anyway.
func (p *Plan) takeAlong(c, holder *Change, place providers.Place, replace bool, taken map[addr.Instance]force) {
	if c.Action == Delete || c.Action == Replace || !replace && c.Action == Update {
		return
	}
	if f := taken[c.Address]; f.replace {
		return
	}
	what := map[Action]string{Replace: "replaced", Delete: "destroyed", Create: "gone"}[holder.Action]
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

// checkNeeds finds what would be made in, or joined to, something that this plan takes away.
func (p *Plan) checkNeeds() hcl.Diagnostics {
	vacated, held := map[providers.Place]*Change{}, map[providers.Place]bool{}
	for _, c := range p.Changes {
		if c.Prior != nil && c.Action != NoOp {
			for _, place := range p.was(c).Holds {
				vacated[place] = c
			}
		}
		for _, place := range p.wanted(c).Holds {
			held[place] = true
		}
	}
	var diags hcl.Diagnostics
	for _, c := range p.Changes {
		if c.After.IsNull() {
			continue
		}
		places := p.wanted(c)
		for _, place := range slices.Concat(places.Within, places.Uses, places.Attached) {
			if v := vacated[place]; v != nil && !held[place] {
				diags = append(diags, c.censor(hcl.Diagnostics{diag.Error(c.Range, "Needed by what stays", fmt.Sprintf(
					"%s needs the %s, which is that of %s until this plan is applied and of nobody after. "+
						"Keep that one, or change %s too.", c.Address, place, v.Address, c.Address))})...)
			}
		}
	}
	return diags
}

// checkCreations asks the kernel what would stand in the way of what the plan creates, so
// that it fails before anything is changed.
func (p *Plan) checkCreations(ctx context.Context) hcl.Diagnostics {
	vacated := map[providers.Place]bool{}
	promised := map[providers.Place]bool{}
	for _, c := range p.Changes {
		if c.Address.Mode == addr.Data {
			continue
		}
		if c.Prior != nil && c.Action != NoOp {
			for _, place := range p.was(c).Holds {
				vacated[place] = true
			}
		}
		for _, place := range p.wanted(c).Holds {
			promised[place] = true
		}
	}
	bySession := map[providers.Session][]*Change{}
	for _, c := range p.Changes {
		if c.Address.Mode == addr.Managed && (c.Action == Create || c.Action == Replace) {
			s := p.Input.Sessions.OfType(c.Address.Type)
			bySession[s] = append(bySession[s], c)
		}
	}
	var diags hcl.Diagnostics
	for session, changes := range bySession {
		proposals := make([]providers.Proposal, len(changes))
		for i, c := range changes {
			proposals[i] = providers.Proposal{Address: c.Address, Planned: c.After, Vacated: vacated, Promised: promised}
		}
		for i, err := range session.Snapshot().Check(ctx, proposals) {
			diags = append(diags, p.place(changes[i], err)...)
		}
	}
	return diags
}

// failures are what is said of an error that has no summary of its own.
var failures = map[Action]string{
	Create: "The resource cannot be made", Update: "The resource cannot be changed",
	Replace: "The resource cannot be replaced", Delete: "The resource cannot be deleted",
	Read: "The data cannot be read",
}

// place gives an error the range of the argument or block that it is about.
func (p *Plan) place(c *Change, err error) hcl.Diagnostics {
	if err == nil {
		return nil
	}
	var r *config.Resource
	if p.Input.Config != nil {
		r = p.Input.Config.Resources[c.Address.Resource]
	}
	if r == nil {
		return located(err, failures[c.Action], c.Address)
	}
	return placeError(r.Body, c.Schema, &r.DeclRange, failures[c.Action], err)
}
