package plan

import (
	"bytes"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/state"
)

// A deposed object is one that create_before_destroy left when the run ended too early to
// destroy it: its successor has its address. It is read like any other, and destroyed by the
// next plan.

// DeposedKey is how the JSON forms name the deposed object of an address, of which there is
// one at most. Terraform has random ones.
const DeposedKey = "00000001"

// sortOut decides what two objects of one address are, after they were read. Both have the
// same mark, so where a run was killed, or somebody has removed one of them by hand, a type
// may have found the one for the other.
func (p *Plan) sortOut() {
	for _, r := range p.Input.State.SortedDeposed() {
		old, current := p.deposed[r.Address], p.recorded[r.Address]
		if old.Actual == nil || current == nil {
			continue
		}
		if current.Actual != nil && p.isOneObject(old.Actual, current.Actual) {
			if bytes.Equal(old.Actual.Identity, old.Object.Identity) {
				current.Actual = nil
			} else {
				old.Actual = nil
			}
		}
		if current.Actual == nil && current.Object.Unfinished {
			p.restore(old)
		}
	}
}

// isOneObject reports whether two readings are of the same thing in the kernel.
func (p *Plan) isOneObject(a, b *providers.Object) bool {
	t := p.Input.Registry.Type(a.Address.Type)
	held := t.Places(a.Attributes).Holds
	if len(held) == 0 {
		return bytes.Equal(a.Identity, b.Identity) && t.Schema().Same(a.Attributes, b.Attributes)
	}
	return slices.ContainsFunc(t.Places(b.Attributes).Holds, func(place providers.Place) bool {
		return slices.Contains(held, place)
	})
}

// restore makes the deposed object what is recorded at its address: of its successor, whose
// creation a crash kept from its end, nothing is there.
func (p *Plan) restore(old *Recorded) {
	a := old.Object.Address
	p.recorded[a] = old
	delete(p.deposed, a)
	p.Restored = append(p.Restored, old.Record)
	for i, r := range p.records {
		if r.Address == a {
			p.records[i] = old.Record
		}
	}
}

// addDeposed plans the end of the deposed objects.
func (p *Plan) addDeposed() {
	for _, r := range p.Input.State.SortedDeposed() {
		if p.deposed[r.Address] == nil || !p.focus.includes(r.Address) {
			continue
		}
		p.add(p.deposedChange(r))
	}
}

func (p *Plan) deposedChange(r *state.Resource) *Change {
	rec := p.deposed[r.Address]
	s := p.Input.Registry.Type(r.Address.Type).Schema()
	c := &Change{
		Address: r.Address, Deposed: true, Schema: s, Action: Delete, Prior: rec.Actual,
		Before: rec.Object.Attributes, After: cty.NullVal(s.ImpliedType()),
		Reason: "another one is in its place",
	}
	if rec.Actual == nil {
		c.Action, c.Reason = Forget, "it is gone"
	} else {
		c.Before = rec.Actual.Attributes
	}
	c.Sensitive = pathsIn(c.Before, r.Sensitive)
	return c
}

// forgetDeposed plans to take those off the record that are gone.
func (p *Plan) forgetDeposed() {
	for _, r := range p.Input.State.SortedDeposed() {
		if rec := p.deposed[r.Address]; rec != nil && rec.Actual == nil {
			p.add(p.deposedChange(r))
		}
	}
}

func compareChanges(a, b *Change) int {
	return compareObjects(a.Address, a.Deposed, b.Address, b.Deposed)
}

// compareObjects sorts by address; of one, the deposed object comes after the other.
func compareObjects(a addr.Instance, aDeposed bool, b addr.Instance, bDeposed bool) int {
	switch n := a.Compare(b); {
	case n != 0 || aDeposed == bDeposed:
		return n
	case bDeposed:
		return -1
	}
	return 1
}

// RecordOf gives the record of the object that a change is about, or nil.
func (p *Plan) RecordOf(c *Change) *state.Resource {
	rec := p.recorded[c.Address]
	if c.Deposed {
		rec = p.deposed[c.Address]
	}
	if rec == nil {
		return nil
	}
	return rec.Record
}

// title names what a change is about.
func (c *Change) title() string { return ObjectTitle(c.Address, c.Deposed) }

// ObjectTitle names an object of an address for people.
func ObjectTitle(a addr.Instance, deposed bool) string {
	if deposed {
		return a.String() + " (deposed object)"
	}
	return a.String()
}
