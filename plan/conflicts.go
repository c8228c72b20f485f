package plan

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
)

// checkConflicts finds two resources that would be one thing in the kernel.
func (p *Plan) checkConflicts() hcl.Diagnostics {
	var diags hcl.Diagnostics
	holders := map[providers.Place]*Change{}
	for _, c := range p.Changes {
		if c.Address.Mode == addr.Data || c.Action == Delete || c.Action == Forget {
			continue
		}
		for _, place := range p.wanted(c).Holds {
			if other := holders[place]; other != nil {
				diags = append(diags, c.censor(hcl.Diagnostics{conflict(c, other, place)})...)
				continue
			}
			holders[place] = c
		}
	}
	return append(diags, p.checkLeft(holders)...)
}

// checkLeft finds what would take the place of something that is no longer wanted, and stays
// because the plan is not about it.
func (p *Plan) checkLeft(holders map[providers.Place]*Change) hcl.Diagnostics {
	if p.focus.all {
		return nil
	}
	var diags hcl.Diagnostics
	for _, r := range p.records {
		rec := p.recorded[r.Address]
		if p.byAddress[r.Address] != nil || rec.Actual == nil {
			continue
		}
		for _, place := range p.Input.Registry.Type(r.Address.Type).Places(rec.Actual.Attributes).Holds {
			if c := holders[place]; c != nil && p.isNew(c) {
				diags = append(diags, c.censor(hcl.Diagnostics{diag.Error(c.Range, "Held by what the plan leaves", fmt.Sprintf(
					"%s would be the %s, which is that of %s. That is no longer in the configuration, but -target or -exclude "+
						"leaves it as it is. Have the plan be about both.", c.Address, place, r.Address))})...)
			}
		}
	}
	return diags
}

func conflict(c, other *Change, place providers.Place) *hcl.Diagnostic {
	if other == c {
		return diag.Error(c.Range, "One name for two objects", fmt.Sprintf("%s would make %s twice.", c.Address, place))
	}
	return diag.Error(c.Range, "Two resources for one object",
		fmt.Sprintf("%s and %s (at %s:%d) would both be the %s. Give one of them another name, or remove it.",
			c.Address, other.Address, other.Range.Filename, other.Range.Start.Line, place))
}

// checkNeeds finds what would be made in, or joined to, something that this plan takes away.
func (p *Plan) checkNeeds() hcl.Diagnostics {
	vacated, held := p.heldBefore((*Change).vacates), map[providers.Place]bool{}
	for _, c := range p.Changes {
		for _, place := range p.wanted(c).Holds {
			held[place] = true
		}
	}
	var diags hcl.Diagnostics
	for _, c := range p.Changes {
		if c.After.IsNull() {
			continue
		}
		for _, place := range p.wanted(c).Needed() {
			if v := vacated[place]; v != nil && !held[place] && p.configures(c, place) {
				diags = append(diags, c.censor(hcl.Diagnostics{diag.Error(c.Range, "Needed by what stays", fmt.Sprintf(
					"%s needs the %s, which is that of %s until this plan is applied and of nobody after. "+
						"Keep that one, or change %s too.", c.Address, place, v.Address, c.Address))})...)
			}
		}
	}
	return diags
}

// checkLeftOut finds what this plan takes along and could not make: it refers to what is not
// there, and what the plan is not about.
func (p *Plan) checkLeftOut() hcl.Diagnostics {
	if p.focus.all {
		return nil
	}
	var diags hcl.Diagnostics
	left := map[Dependency][]addr.Instance{}
	for _, c := range p.Changes {
		if !c.applies() || c.Config.IsWhollyKnown() {
			continue
		}
		for _, d := range c.Dependencies {
			missing, known := left[d]
			if !known {
				missing = slices.DeleteFunc(p.Evaluator.addressesOf(d), func(a addr.Instance) bool { return p.byAddress[a] != nil })
				left[d] = missing
			}
			if len(missing) == 0 {
				continue
			}
			diags = append(diags, c.censor(hcl.Diagnostics{diag.Error(c.Range, "Needs what the plan leaves out", fmt.Sprintf(
				"This plan would %s %s, which refers to %s: that does not exist yet, and -target or -exclude leaves it out. "+
					"Have the plan be about both.", c.Action, c.Address, missing[0]))})...)
			break
		}
	}
	return diags
}

// configures reports whether it is configuration that has c in, or joined to, a place, and not
// the kernel, which may choose another one: a route's interface by its gateway.
func (p *Plan) configures(c *Change, place providers.Place) bool {
	places := p.Input.Registry.Type(c.Address.Type).Places(c.Schema.Volatiles(c.Config, c.After))
	return slices.Contains(places.Needed(), place)
}

// moves reports whether an update gives the object a place that it does not have: a new name.
func (p *Plan) moves(c *Change) bool {
	return c.Action == Update && slices.ContainsFunc(p.wanted(c).Holds, func(place providers.Place) bool {
		return !slices.Contains(p.was(c).Holds, place)
	})
}

// isNew reports whether the plan creates the object, or gives it a place that it does not have.
func (p *Plan) isNew(c *Change) bool {
	return c.Action == Create || c.Action == Replace || p.moves(c)
}

// changesInPlace reports whether the type wants to be asked about an update.
func (p *Plan) changesInPlace(c *Change) bool {
	return c.Action == Update && p.Input.Registry.Type(c.Address.Type).ChecksUpdates()
}

// checkCreations asks the kernel what would stand in the way of what the plan creates, renames
// or changes in place, so that it fails before anything is changed.
func (p *Plan) checkCreations(ctx context.Context) hcl.Diagnostics {
	vacated := map[providers.Place]bool{}
	promised := map[providers.Place]bool{}
	for _, c := range p.Changes {
		if c.Address.Mode == addr.Data {
			continue
		}
		if c.vacates() {
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
		if c.Address.Mode == addr.Managed && (p.isNew(c) || p.changesInPlace(c)) {
			s := p.Input.Sessions.OfType(c.Address.Type)
			bySession[s] = append(bySession[s], c)
		}
	}
	var diags hcl.Diagnostics
	for session, changes := range bySession {
		proposals := make([]providers.Proposal, len(changes))
		for i, c := range changes {
			proposals[i] = providers.Proposal{Address: c.Address, Planned: c.After, InPlace: !p.isNew(c), Vacated: vacated, Promised: promised}
		}
		for i, err := range session.Snapshot().Check(ctx, proposals) {
			diags = append(diags, changes[i].censor(p.place(changes[i], err))...)
		}
	}
	return diag.InOrder(diags) // of sessions there is no order
}
