package config

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/diag"
)

// Import is an import block: something that is there already and shall be a resource.
type Import struct {
	To        *Endpoint
	ID        hcl.Expression
	ForEach   hcl.Expression // nil when the block has none
	DeclRange hcl.Range
}

var importSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
	{Name: "to", Required: true}, {Name: "id", Required: true}, {Name: "for_each"},
}}

// Scope gives the scope of the block's id, and of an index in to.
func (i *Import) Scope() Scope { return Scope{Each: i.ForEach != nil} }

// Type gives the resource type that the block is about, and whether it is about a resource.
func (i *Import) Type() (string, bool) { return i.To.resourceType() }

func (c *Config) addImport(block *hcl.Block) hcl.Diagnostics {
	if c.Parent != nil {
		return hcl.Diagnostics{diag.Error(&block.DefRange, "Import block in a module",
			"What exists is named by the root module, since every instance of a module would import the same. Write the block there: "+
				"to = module.NAME.TYPE.NAME.")}
	}
	content, diags := block.Body.Content(importSchema)
	if diags.HasErrors() {
		return diags
	}
	i := &Import{ID: content.Attributes["id"].Expr, DeclRange: block.DefRange}
	if attr, ok := content.Attributes["for_each"]; ok {
		i.ForEach = attr.Expr
	}
	to, more := decodeEndpoint(content.Attributes["to"])
	if diags = append(diags, more...); diags.HasErrors() {
		return diags
	}
	i.To = to
	c.Imports = append(c.Imports, i)
	return diags
}
