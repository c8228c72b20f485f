package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// checkRemoved finds removed blocks about what is still declared.
func checkRemoved(cfg *config.Config) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, c := range cfg.All() {
		for _, r := range c.Removed {
			if at := removedAt(c, r.From); at != nil {
				diags = append(diags, diag.Error(&r.FromRange, "What is removed is still declared",
					fmt.Sprintf("This block says that %s is no longer in the configuration, but it is declared at %s:%d. Remove one of the two.",
						r.From, at.Filename, at.Start.Line)))
			}
		}
	}
	return diags
}

// removedAt gives where something is declared, from a module on, or nil.
func removedAt(c *config.Config, e addr.Endpoint) *hcl.Range {
	for i, step := range e.Modules {
		call := c.Calls[step.Name]
		if call == nil {
			return nil
		}
		if e.IsModule() && i == len(e.Modules)-1 {
			return &call.DeclRange
		}
		if c = c.Children[step.Name]; c == nil {
			return nil
		}
	}
	if r := c.Resources[c.Path.Resource(e.Resource)]; r != nil {
		return &r.DeclRange
	}
	return nil
}

// letsGo gives the removed block by which an object shall stay when its resource goes, or nil.
func (p *Plan) letsGo(a addr.Instance) *config.Removed {
	if p.Input.Config == nil {
		return nil
	}
	if p.lettingGo == nil {
		p.lettingGo = lettingGo(p.Input.Config)
	}
	block := a.Resource.Static()
	if r := p.lettingGo[block]; r != nil {
		return r
	}
	steps := block.Module.Steps()
	for i := range steps {
		if r := p.lettingGo[addr.ModuleOf(steps[:i+1]).Resource(addr.Resource{})]; r != nil {
			return r
		}
	}
	return nil
}

// Stays reports whether an object stays when its resource goes: destroy = false in its lifecycle
// block, or in the one that it had.
func (p *Plan) Stays(a addr.Instance) bool {
	if p.Input.Config != nil {
		if r := p.Input.Config.Resource(a.Resource); r != nil {
			return r.Lifecycle.Stays
		}
	}
	rec := p.recorded[a]
	return rec != nil && rec.Record.Stays
}

// staysOtherwise reports whether a record says otherwise than configuration whether its object
// stays.
func (p *Plan) staysOtherwise(c *Change) bool {
	rec := p.recorded[c.Address]
	return rec != nil && rec.Record != nil && !c.Untouched && rec.Record.Stays != p.Stays(c.Address)
}

// keptBy gives where it says that an object stays when its resource goes, or nil: a removed
// block before the lifecycle block.
func (p *Plan) keptBy(a addr.Instance) (kept bool, at *hcl.Range) {
	if r := p.letsGo(a); r != nil {
		return true, &r.FromRange
	}
	if !p.Stays(a) {
		return false, nil
	}
	if p.Input.Config != nil {
		if r := p.Input.Config.Resource(a.Resource); r != nil {
			return true, &r.Lifecycle.StaysRange
		}
	}
	return true, nil
}

// checkStays finds resources that would be replaced although their objects stay.
func (p *Plan) checkStays() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, c := range p.Changes {
		if c.Action != Replace || !p.Stays(c.Address) {
			continue
		}
		_, at := p.keptBy(c.Address)
		diags = append(diags, diag.Error(at, "An object that stays would be replaced",
			fmt.Sprintf("%s has destroy = false, and this plan would replace it%s. Undo what asks for that; or take destroy = false away, "+
				"and the object goes; or let go of it by a removed block first.", c.Address, c.why())))
	}
	return diags
}

// lettingGo lists the removed blocks that let go, by what they name, without keys: a block, or
// with nothing but a Module all that is in that.
func lettingGo(cfg *config.Config) map[addr.Resource]*config.Removed {
	list := map[addr.Resource]*config.Removed{}
	for _, c := range cfg.All() {
		for _, r := range c.Removed {
			of := staticBlock(slices.Concat(c.Path.Steps(), r.From.Modules), r.From.Resource)
			if !r.Destroy && list[of] == nil {
				list[of] = r
			}
		}
	}
	return list
}

// checkReleases finds objects that cannot be let go of.
func (p *Plan) checkReleases() hcl.Diagnostics {
	if !slices.ContainsFunc(p.Changes, func(c *Change) bool { return c.Releases }) {
		return nil
	}
	going := p.heldBefore(func(c *Change) bool { return c.Prior != nil && c.removes() })
	var diags hcl.Diagnostics
	for _, c := range p.Changes {
		if !c.Releases {
			continue
		}
		_, at := p.keptBy(c.Address)
		if t := p.Input.Registry.Type(c.Address.Type); !t.Releases() {
			diags = append(diags, diag.Error(at, "The object cannot be let go of",
				fmt.Sprintf("%s cannot stay without diyform. %s", c.Address, t.RefuseRelease())))
			continue
		}
		if holder, place := findHolder(c, p.was(c).Within, going); holder != nil {
			diags = append(diags, diag.Error(at, "What it is in goes",
				fmt.Sprintf("%s shall stay, but it is in the %s, which this plan destroys (%s), and goes along with that. Let go of that one too, "+
					"or of neither.", c.Address, place, holder.Address)))
		}
	}
	return diags
}

// nearTargets suggests what an address was probably meant to be.
func nearTargets(cfg *config.Config, a addr.Resource) string {
	var known []string
	for _, c := range cfg.All() {
		for _, r := range sortedBlocks(c) {
			if r.Mode == addr.Managed {
				known = append(known, r.String())
			}
		}
	}
	if s := diag.Suggest(a.String(), known); s != "" {
		return s
	}
	of := slices.DeleteFunc(known, func(s string) bool { return !strings.HasPrefix(s, a.Type+".") })
	if len(of) == 0 {
		return ""
	}
	return fmt.Sprintf(" There is %s.", strings.Join(of, ", "))
}
