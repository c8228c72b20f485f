package plan

import "fmt"

// headline says what becomes of an object.
func (c *Change) headline() string {
	a := c.title()
	switch {
	case c.Releases:
		return a + " will no longer be managed by diyform, but will not be destroyed"
	case c.Action != NoOp:
		return a + " " + headlines[c.Action]
	case c.Importing != nil:
		return a + " will be imported"
	case c.PreviousAddress != nil:
		return c.PreviousAddress.String() + " has moved to " + a
	}
	return a
}

// origins says where an object comes from that is changed too.
func (c *Change) origins() []string {
	var out []string
	if c.Importing != nil && c.Action != NoOp {
		out = append(out, fmt.Sprintf("(imported from %q)", c.Importing.ID))
	}
	if c.PreviousAddress != nil && c.Action != NoOp {
		out = append(out, fmt.Sprintf("(moved from %s)", c.PreviousAddress))
	}
	return out
}

// String sums up as Terraform does: "1 to add, 0 to change, 0 to destroy."
func (t Tally) String() string {
	return t.sum("to import", "to add", "to change", "to destroy", "to move", "to forget")
}

// Done sums up what was done: "1 added, 0 changed, 0 destroyed."
func (t Tally) Done() string {
	return t.sum("imported", "added", "changed", "destroyed", "moved", "forgotten")
}

func (t Tally) sum(imports, adds, changes, destroys, moves, forgets string) string {
	s := fmt.Sprintf("%d %s, %d %s, %d %s", t.Add, adds, t.Change, changes, t.Destroy, destroys)
	if t.Import > 0 {
		s = fmt.Sprintf("%d %s, ", t.Import, imports) + s
	}
	if t.Move > 0 {
		s += fmt.Sprintf(", %d %s", t.Move, moves)
	}
	if t.Forget > 0 {
		s += fmt.Sprintf(", %d %s", t.Forget, forgets)
	}
	return s + "."
}
