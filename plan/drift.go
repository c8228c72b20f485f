package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/diyform/diyform/config"
)

// relevantDrift lists the drift that the plan reacts to: of what it changes, and of what that
// is made from. A refresh-only plan is about all of it.
func (p *Plan) relevantDrift() []*Drift {
	if p.Input.Mode == RefreshOnly || p.Input.State == nil { // the latter: as a file says
		return p.Drift
	}
	var out []*Drift
	for _, d := range p.Drift {
		c := p.byAddress[d.Address]
		if c != nil && c.Action != NoOp || p.leadsToChanges(d) {
			out = append(out, d)
		}
	}
	return out
}

// leadsToChanges reports whether something that changes is made from what drifted.
func (p *Plan) leadsToChanges(d *Drift) bool {
	return slices.ContainsFunc(p.Changes, func(c *Change) bool {
		depends := func(on Dependency) bool { return on.Covers(d.Address) }
		return c.Told() && c.Action != Delete && slices.ContainsFunc(c.Dependencies, depends) && p.usesDrifted(c, d)
	})
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
