package plan

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// Matches tells whether the plan p, made now, is the one that was written down.
func (f *File) Matches(p *Plan) error {
	now, err := p.bindings()
	if err != nil {
		return err
	}
	stale := func(format string, args ...any) error {
		return &diag.Problem{Summary: "The plan is stale", Detail: fmt.Sprintf(format, args...) + " Make a new plan."}
	}
	switch {
	case f.Lineage != now.Lineage && f.Serial > 0:
		return stale("It was made for another state: the lineage is %s here and %s in the plan.", now.Lineage, f.Lineage)
	case f.Serial != now.Serial:
		return stale("The state has changed since the plan was made: its serial is %d and was %d.", now.Serial, f.Serial)
	case f.Config != now.Config:
		return stale("The configuration has changed since the plan was made.")
	}
	if where := firstDifference(f.Changes, now.Changes); where != "" {
		return stale("The kernel has changed since the plan was made: what is to be done for %s is not the same any more.", where)
	}
	return nil
}

// firstDifference gives the address of a managed instance whose change is not the same.
func firstDifference(then, now []FileChange) string {
	find := func(list []FileChange, wanted FileChange) *FileChange {
		i, ok := slices.BinarySearchFunc(list, wanted, func(a, b FileChange) int {
			return compareObjects(a.Address, a.Deposed, b.Address, b.Deposed)
		})
		if !ok {
			return nil
		}
		return &list[i]
	}
	for _, c := range then {
		if c.Address.Mode == addr.Managed && !c.same(find(now, c)) {
			return c.Address.String()
		}
	}
	for _, c := range now {
		if c.Address.Mode == addr.Managed && find(then, c) == nil {
			return c.Address.String()
		}
	}
	return ""
}

func (fc FileChange) same(o *FileChange) bool {
	moved := func(c *FileChange) addr.Instance {
		if c.PreviousAddress == nil {
			return c.Address
		}
		return *c.PreviousAddress
	}
	return o != nil && fc.Action == o.Action && moved(&fc) == moved(o) && fc.Import == o.Import && fc.CreateFirst == o.CreateFirst &&
		bytes.Equal(fc.Before, o.Before) && bytes.Equal(fc.After, o.After)
}
