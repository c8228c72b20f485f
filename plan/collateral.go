package plan

import (
	"fmt"
	"strings"

	"github.com/diyform/diyform/internal/addr"
)

// Collateral is what a replacement does to others: it is told at what is replaced too, since
// there one can still decide otherwise.
type Collateral struct {
	Taken []addr.Instance `json:"taken,omitempty"` // replaced too: they live in it, or use it
	Cut   []addr.Instance `json:"cut,omitempty"`   // joined to it, and without it until it is there again, unless that is first
}

// noteCollateral finds the collateral of every replacement.
func (p *Plan) noteCollateral() {
	holders := p.heldBefore(func(c *Change) bool { return c.Action == Replace })
	if len(holders) == 0 {
		return
	}
	for _, c := range p.Changes {
		if c.Prior == nil || c.Action == Delete {
			continue
		}
		places := p.was(c)
		holder, _ := findHolder(c, places.Within, holders)
		if holder == nil {
			holder, _ = findHolder(c, places.Uses, holders)
		}
		if holder != nil {
			holder.Collateral.Taken = append(holder.Collateral.Taken, c.Address)
		} else if holder, _ = findHolder(c, places.Attached, holders); holder != nil && !holder.CreateFirst {
			holder.Collateral.Cut = append(holder.Collateral.Cut, c.Address)
		}
	}
}

// lines tell it in a plan.
func (c Collateral) lines() []string {
	var out []string
	if len(c.Taken) > 0 {
		out = append(out, "takes along "+nameSome(c.Taken))
	}
	if len(c.Cut) > 0 {
		out = append(out, "cuts off until it is there again: "+nameSome(c.Cut))
	}
	return out
}

// someNames is how many addresses a line has at most.
const someNames = 5

func nameSome(list []addr.Instance) string {
	var names []string
	for _, a := range list[:min(someNames, len(list))] {
		names = append(names, a.String())
	}
	text := strings.Join(names, ", ")
	if more := len(list) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (c *Change) collateralTexts() []string {
	var out []string
	for _, list := range [][]addr.Instance{c.Collateral.Taken, c.Collateral.Cut} {
		for _, a := range list {
			out = append(out, a.String())
		}
	}
	return out
}

// Source is the file and line of the block, or "" where it is no longer in the configuration.
func (c *Change) Source() string {
	if c.Range == nil {
		return c.source
	}
	return fmt.Sprintf("%s:%d", c.Range.Filename, c.Range.Start.Line)
}
