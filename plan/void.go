package plan

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers/schema"
)

// checkNamespaces finds arguments that are null, and so mean the host's network namespace or
// the like, only because the namespace that they refer to has no name. Who takes over another
// resource's own argument, which is null for the host's, means just that.
func (m *module) checkNamespaces(a *arguments, v cty.Value) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, attr := range a.schema.Attributes {
		expr := a.values[attr.Name]
		if expr == nil || attr.Format != "namespace" {
			continue
		}
		if name := v.GetAttr(attr.Name); !name.IsKnown() || !name.IsNull() {
			continue
		}
		for _, ref := range config.References(expr) {
			if source := m.nameless(ref); source != nil {
				diags = append(diags, diag.Error(expr.Range().Ptr(), "The network namespace has no name", fmt.Sprintf(
					"%s.%s is null, so this argument would be as if it were left out. What %s is: %s",
					ref.Subject.Resource, source.Name, source.Name, source.Doc)))
			}
		}
	}
	for _, b := range a.schema.Blocks {
		part := v.GetAttr(b.Name)
		if !part.IsKnown() || part.IsNull() {
			continue
		}
		nested := []cty.Value{part}
		if b.Nesting == schema.List {
			nested = part.AsValueSlice()
		}
		for i, block := range a.blocks[b.Name] {
			diags = append(diags, m.checkNamespaces(block, nested[i])...)
		}
	}
	return diags
}

// nameless gives the attribute that a reference goes to, if it is for diyform to set and is
// null.
func (m *module) nameless(ref config.Reference) *schema.Attribute {
	name, _ := m.attributeOf(m.cfg, ref)
	if name == "" {
		return nil
	}
	b := m.blocks[ref.Subject.Resource]
	attr := b.schema.Attribute(name)
	if attr == nil || !attr.Computed {
		return nil
	}
	for _, v := range b.values {
		v, _ = v.Unmark()
		if v.IsNull() || !v.IsKnown() {
			continue
		}
		if part, _ := v.GetAttr(name).Unmark(); part.IsKnown() && part.IsNull() {
			return attr
		}
	}
	return nil
}
