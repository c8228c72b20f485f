package plan

// Adopts reports whether nothing of an object is to change, and yet it is to be marked anew:
// it was moved to another address, or somebody else made it.
func (c *Change) Adopts() bool {
	return c.Action == NoOp && !c.Untouched && c.Prior != nil && (c.Importing != nil || c.Prior.Marked() != c.Address)
}

// HasMoves reports whether what is recorded has other addresses in this plan.
func (p *Plan) HasMoves() bool { return len(p.previous) > 0 }

// isNews reports whether a change is to be told although nothing of the object changes.
func (c *Change) isNews() bool {
	return c.PreviousAddress != nil || c.Importing != nil || c.Releases
}

// vacates reports whether the object gives up its places, or may do so.
func (c *Change) vacates() bool { return c.Prior != nil && c.Action != NoOp && c.Action != Forget }

// Tally is how many objects a plan does something with. A replacement adds one and destroys
// one. What is imported, moved or let go of is not changed by that.
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
		case c.PreviousAddress != nil:
			t.Move++
		case c.Releases:
			t.Forget++
		}
	}
	return t
}
