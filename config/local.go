package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

func (c *Config) addLocals(block *hcl.Block) hcl.Diagnostics {
	attrs, diags := block.Body.JustAttributes()
	for _, attr := range inOrder(attrs) {
		diags = append(diags, checkName(attr.Name, attr.NameRange)...)
		l := &Local{Name: attr.Name, Expr: attr.Expr, DeclRange: attr.NameRange}
		if first, ok := c.Locals[l.Name]; ok {
			diags = append(diags, duplicate("local value", l.Name, l.DeclRange, first.DeclRange))
			continue
		}
		c.Locals[l.Name] = l
	}
	return diags
}

// inOrder gives attributes in the order of the source.
func inOrder(attrs hcl.Attributes) []*hcl.Attribute {
	list := make([]*hcl.Attribute, 0, len(attrs))
	for _, a := range attrs {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *hcl.Attribute) int {
		return a.NameRange.Start.Byte - b.NameRange.Start.Byte
	})
	return list
}
