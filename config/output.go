package config

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/diag"
)

var outputSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
	{Name: "value", Required: true}, {Name: "description"}, {Name: "sensitive"}, {Name: "ephemeral"}, {Name: "depends_on"},
}, Blocks: []hcl.BlockHeaderSchema{{Type: "precondition"}}}

func (c *Config) addOutput(block *hcl.Block) hcl.Diagnostics {
	o := &Output{Name: block.Labels[0], DeclRange: block.DefRange}
	diags := checkName(o.Name, block.LabelRanges[0])
	content, more := block.Body.Content(outputSchema)
	diags = append(diags, more...)
	if attr, ok := content.Attributes["value"]; ok {
		o.Expr = attr.Expr
	}
	diags = append(diags, decode(content, "description", &o.Description)...)
	diags = append(diags, decode(content, "sensitive", &o.Sensitive)...)
	diags = append(diags, decode(content, "ephemeral", &o.Ephemeral)...)
	if attr, ok := content.Attributes["ephemeral"]; ok && o.Ephemeral && c.Path.IsRoot() {
		diags = append(diags, diag.Error(&attr.NameRange, "Ephemeral output of the root module",
			"Outputs of the root module are recorded, and what is ephemeral is not. Only a module that is called can have such an output."))
	}
	for _, b := range content.Blocks {
		cond, more := decodeCondition(b)
		diags = append(diags, more...)
		if cond != nil {
			o.Conditions = append(o.Conditions, *cond)
		}
	}
	o.DependsOn, more = decodeDependsOn(content.Attributes["depends_on"])
	diags = append(diags, more...)
	if first, ok := c.Outputs[o.Name]; ok {
		return append(diags, duplicate("output", o.Name, o.DeclRange, first.DeclRange))
	}
	c.Outputs[o.Name] = o
	return diags
}
