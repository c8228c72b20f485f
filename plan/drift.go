package plan

import (
	"fmt"
	"slices"
	"strings"
)

// relevantDrift lists the drift that the plan reacts to: of what it changes, and of what that
// is made from. A refresh-only plan is about all of it.
func (p *Plan) relevantDrift() []*Drift {
	if p.Input.Mode == RefreshOnly || p.Input.State == nil { // the latter: as a file says
		return p.Drift
	}
	relevant := p.relevantAttributes()
	var out []*Drift
	for _, d := range p.Drift {
		c := p.byAddress[d.Address]
		if c != nil && c.Action != NoOp || d.leadsTo(relevant) {
			out = append(out, d)
		}
	}
	return out
}

// leadsTo reports whether what drifted is among what others are made from.
func (d *Drift) leadsTo(relevant []JSONAttribute) bool {
	at := d.Address
	at.Module = at.Module.Static() // as references are, which have no instance
	return slices.ContainsFunc(relevant, func(a JSONAttribute) bool {
		if a.Resource != at.String() && a.Resource != at.Resource.String() {
			return false
		}
		var parts []string
		for _, step := range a.Attribute {
			parts = append(parts, fmt.Sprint(step))
		}
		path := strings.Join(parts, ".")
		return d.After.IsNull() || path == "" || slices.ContainsFunc(d.Paths(), func(changed string) bool {
			return changed == path || strings.HasPrefix(changed, path+".") || strings.HasPrefix(path, changed+".")
		})
	})
}

// Paths lists what differs.
func (d *Drift) Paths() []string {
	var out []string
	for _, difference := range d.Differences {
		out = append(out, difference.Path)
	}
	return out
}
