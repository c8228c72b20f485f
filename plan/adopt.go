package plan

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
)

// Adopts reports whether nothing of an object is to change, and yet it is to be marked anew:
// it was moved to another address, or somebody else made it.
func (c *Change) Adopts() bool {
	return c.Action == NoOp && !c.Untouched && !c.Recorded && c.Prior != nil && (c.Importing != nil || c.Prior.Marked() != c.Address)
}

// HasMoves reports whether what is recorded has other addresses in this plan.
func (p *Plan) HasMoves() bool { return len(p.previous) > 0 }

// Verb says in a word what is done with an object.
func (c *Change) Verb() string {
	switch {
	case c.Adopts() && c.Importing != nil:
		return "import"
	case c.Adopts():
		return "move"
	}
	return c.Action.String()
}

// isNews reports whether a change is to be told although nothing of the object changes.
func (c *Change) isNews() bool {
	return c.PreviousAddress != nil || c.Importing != nil || c.Releases
}

// vacates reports whether the object gives up its places, or may do so.
func (c *Change) vacates() bool { return c.Prior != nil && c.Action != NoOp && c.Action != Forget }

// Tally is how many objects a plan does, or has done, something with. A replacement adds one and destroys
// one. What is imported or let go of may be changed as well; what is moved is not.
type Tally struct {
	Import, Add, Change, Destroy, Move, Forget int
}

// Tally counts.
func (p *Plan) Tally() Tally {
	var t Tally
	t.Add, t.Change, t.Destroy = p.Count()
	for _, c := range p.Changes {
		switch {
		case c.Importing != nil:
			t.Import++
		case c.PreviousAddress != nil && c.Action == NoOp:
			t.Move++
		case c.Releases:
			t.Forget++
		}
	}
	return t
}

// departures gives the attributes of what was made at an address and is at another one now, so
// that what is made there again gets another MAC address.
func (p *Plan) departures() map[addr.Instance][]cty.Value {
	var out map[addr.Instance][]cty.Value
	for _, r := range p.records {
		if r.Origin() == r.Address {
			continue
		}
		if out == nil {
			out = map[addr.Instance][]cty.Value{}
		}
		out[r.Origin()] = append(out[r.Origin()], p.recorded[r.Address].Object.Attributes)
	}
	return out
}
