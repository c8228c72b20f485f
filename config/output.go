package config

import "github.com/hashicorp/hcl/v2"

var outputSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
	{Name: "value", Required: true}, {Name: "description"}, {Name: "sensitive"}, {Name: "depends_on"},
}}

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
	o.DependsOn, more = decodeDependsOn(content.Attributes["depends_on"])
	diags = append(diags, more...)
	if first, ok := c.Outputs[o.Name]; ok {
		return append(diags, duplicate("output", o.Name, o.DeclRange, first.DeclRange))
	}
	c.Outputs[o.Name] = o
	return diags
}
