package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
)

// relevantDrift lists the drift that the plan reacts to: of what it changes, and of what that
// is made from. A refresh-only plan is about all of it.
func (p *Plan) relevantDrift() []*Drift {
	if p.Input.Mode == RefreshOnly || p.Input.State == nil { // the latter: as a file says
		return p.Drift
	}
	if len(p.Drift) == 0 {
		return nil
	}
	dependents := p.changingDependents()
	var out []*Drift
	for _, d := range p.Drift {
		c := p.byAddress[d.Address]
		if c != nil && c.Action != NoOp || p.leadsToChanges(d, dependents) {
			out = append(out, d)
		}
	}
	return out
}

// changingDependents lists what changes by what it depends on.
func (p *Plan) changingDependents() map[Dependency][]*Change {
	out := map[Dependency][]*Change{}
	for _, c := range p.Changes {
		if !c.acts() || c.Action == Delete {
			continue
		}
		for _, d := range c.Dependencies {
			out[d] = append(out[d], c)
		}
	}
	return out
}

// leadsToChanges reports whether something that changes is made from what drifted.
func (p *Plan) leadsToChanges(d *Drift, dependents map[Dependency][]*Change) bool {
	uses := func(c *Change) bool { return p.usesDrifted(c, d) }
	a := d.Address
	if slices.ContainsFunc(dependents[Dependency{Block: a.Resource, Key: a.Key, Exact: true}], uses) ||
		slices.ContainsFunc(dependents[Dependency{Block: a.Resource}], uses) {
		return true
	}
	for m := a.Module; !m.IsRoot(); m, _ = m.Split() {
		if slices.ContainsFunc(dependents[Dependency{Block: m.Resource(addr.Resource{})}], uses) {
			return true
		}
	}
	return false
}

// usesDrifted reports whether c refers to what differs, as far as that can be told: not of what
// comes to it by local values or another module's.
func (p *Plan) usesDrifted(c *Change, d *Drift) bool {
	r := p.Input.Config.Resource(c.Address.Resource)
	if r == nil || d.After.IsNull() {
		return true
	}
	direct := false
	for _, ref := range config.BodyReferences(r.Body, c.Schema.Spec()) {
		if ref.Subject.Kind != config.ResourceSubject || ref.Subject.Resource != d.Address.Local() {
			continue
		}
		direct = true
		a, _ := attributeOf(r.Addr, ref)
		if d.differsIn(a.Attribute) {
			return true
		}
	}
	return !direct
}

// differsIn reports whether a part of the object drifted, or a part of that.
func (d *Drift) differsIn(attribute []any) bool {
	var parts []string
	for _, step := range attribute {
		parts = append(parts, fmt.Sprint(step))
	}
	path := strings.Join(parts, ".")
	for _, difference := range d.Differences {
		changed := difference.Path
		if path == "" || changed == path || strings.HasPrefix(changed, path+".") || strings.HasPrefix(path, changed+".") {
			return true
		}
	}
	return false
}
