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

// String sums up as Terraform does.
func (t Tally) String() string {
	s := fmt.Sprintf("%d to add, %d to change, %d to destroy", t.Add, t.Change, t.Destroy)
	if t.Import > 0 {
		s = fmt.Sprintf("%d to import, ", t.Import) + s
	}
	if t.Move > 0 {
		s += fmt.Sprintf(", %d to move", t.Move)
	}
	if t.Forget > 0 {
		s += fmt.Sprintf(", %d to forget", t.Forget)
	}
	return s + "."
}
