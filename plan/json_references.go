package plan

import (
	"encoding/json"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// referenceTexts gives what is referred to, then what that is part of, and so on: callers
// compare whole texts, as with Terraform's.
func referenceTexts(ref config.Reference) []string {
	var out []string
	least := 2
	if ref.Traversal.RootName() == "data" {
		least = 3
	}
	for n := len(ref.Traversal); n >= min(least, len(ref.Traversal)); n-- {
		out = append(out, diag.Traversal(ref.Traversal[:n]))
	}
	return out
}

// JSONAttribute is a part of a resource that others are made from.
type JSONAttribute struct {
	Resource  string `json:"resource"`
	Attribute []any  `json:"attribute"`
}

// relevantAttributes lists what the blocks that change refer to: what may have led to it.
func (p *Plan) relevantAttributes() []JSONAttribute {
	var out []JSONAttribute
	seen := map[string]bool{}
	for _, r := range p.changingBlocks() {
		s := p.Input.Registry.Schema(r.Addr)
		if s == nil {
			continue
		}
		for _, ref := range config.BodyReferences(r.Body, s.Spec()) {
			a, ok := attributeOf(r.Addr, ref)
			if key, _ := json.Marshal(a); ok && !seen[string(key)] {
				seen[string(key)] = true
				out = append(out, a)
			}
		}
	}
	return out
}

// changingBlocks lists the blocks of which an instance changes, in the order of addresses.
func (p *Plan) changingBlocks() []*config.Resource {
	var out []*config.Resource
	if p.Input.Config == nil {
		return nil
	}
	for _, c := range p.Changes {
		r := p.Input.Config.Resource(c.Address.Resource)
		if r != nil && c.acts() && c.Action != Delete && !slices.Contains(out[max(0, len(out)-1):], r) {
			out = append(out, r)
		}
	}
	return out
}

// attributeOf gives the part of a resource that a reference in the block at is to.
func attributeOf(at addr.Resource, ref config.Reference) (JSONAttribute, bool) {
	if ref.Subject.Kind != config.ResourceSubject {
		return JSONAttribute{}, false
	}
	target := ref.Subject.Resource
	target.Module = at.Module
	a := JSONAttribute{Resource: target.String(), Attribute: []any{}}
	skip := 2
	if target.Mode == addr.Data {
		skip = 3
	}
	for i, step := range ref.Traversal[min(skip, len(ref.Traversal)):] {
		switch s := step.(type) {
		case hcl.TraverseAttr:
			a.Attribute = append(a.Attribute, s.Name)
		case hcl.TraverseIndex:
			if i == 0 {
				a.Resource += diag.Traversal(hcl.Traversal{s})
			} else if s.Key.Type() == cty.String {
				a.Attribute = append(a.Attribute, s.Key.AsString())
			} else {
				n, _ := s.Key.AsBigFloat().Int64()
				a.Attribute = append(a.Attribute, n)
			}
		}
	}
	return a, true
}
