package plan

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/providers"
)

// checkContradictions finds resources that contradict each other although each one is right
// by itself. What contradicted before, and stays as it is, is no matter of this plan.
func (p *Plan) checkContradictions() hcl.Diagnostics {
	if !p.HasChanges() {
		return nil
	}
	o := p.newOthers()
	var diags hcl.Diagnostics
	for _, c := range p.Changes {
		if c.Address.Mode == addr.Data || c.After.IsNull() {
			continue
		}
		o.changing = c.Action != NoOp
		err := p.Input.Registry.Type(c.Address.Type).Conflicts(c.After, o)
		if o.changing {
			diags = append(diags, c.censor(p.place(c, err))...)
		}
	}
	return diags
}

// others is what all resources come to when the plan is applied.
type others struct {
	*Plan
	holders  map[providers.Place]*Change
	networks map[providers.Network][]*Change
	changing bool // one of those that were asked for is about to change
}

func (p *Plan) newOthers() *others {
	o := &others{Plan: p, holders: map[providers.Place]*Change{}, networks: map[providers.Network][]*Change{}}
	for _, c := range p.Changes {
		if c.Address.Mode == addr.Data || c.After.IsNull() {
			continue
		}
		places := p.wanted(c)
		for _, place := range places.Holds {
			o.holders[place] = c
		}
		for _, n := range places.Networks {
			o.networks[n] = append(o.networks[n], c)
		}
	}
	return o
}

// Holder gives the resource that will hold a place, or nil.
func (o *others) Holder(place providers.Place) *providers.Other { return o.other(o.holders[place]) }

// Reaching gives the resources that put a machine in direct reach.
func (o *others) Reaching(m providers.Machine) []*providers.Other {
	var out []*providers.Other
	for _, c := range o.reaching(m) {
		out = append(out, o.other(c))
	}
	return out
}

func (o *others) reaching(m providers.Machine) []*Change {
	var out []*Change
	for _, n := range m.Within() {
		out = append(out, o.networks[n]...)
	}
	return out
}

func (o *others) other(c *Change) *providers.Other {
	if c == nil {
		return nil
	}
	o.changing = o.changing || c.Action != NoOp
	return &providers.Other{Address: c.Address, Planned: c.After, Schema: c.Schema}
}
