package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/diag"
)

var checkSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "data", LabelNames: []string{"type", "name"}},
	{Type: "assert"},
}}

var conditionSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
	{Name: "condition", Required: true}, {Name: "error_message", Required: true},
}}

func (c *Config) addCheck(block *hcl.Block) hcl.Diagnostics {
	check := &Check{Name: block.Labels[0], DeclRange: block.DefRange}
	diags := checkName(check.Name, block.LabelRanges[0])
	content, more := block.Body.Content(checkSchema)
	diags = append(diags, more...)
	for _, b := range content.Blocks {
		switch b.Type {
		case "data":
			diags = append(diags, c.addCheckData(check, b)...)
		case "assert":
			cond, more := decodeCondition(b)
			diags = append(diags, more...)
			if cond != nil {
				check.Asserts = append(check.Asserts, *cond)
			}
		}
	}
	if len(check.Asserts) == 0 && !diags.HasErrors() {
		diags = append(diags, diag.Error(block.DefRange.Ptr(), "Check without an assert block",
			fmt.Sprintf("Check %q asserts nothing. Add at least one assert block.", check.Name)))
	}
	if first, ok := c.Checks[check.Name]; ok {
		return append(diags, duplicate("check", check.Name, check.DeclRange, first.DeclRange))
	}
	c.Checks[check.Name] = check
	return diags
}

// addCheckData takes in the check's data block, of which there is one instance only, so that its
// asserts can speak of it without a key.
func (c *Config) addCheckData(k *Check, block *hcl.Block) hcl.Diagnostics {
	data, diags := c.decodeResource(block)
	if k.Data != nil {
		return append(diags, diag.Error(block.DefRange.Ptr(), "More than one data block in a check",
			fmt.Sprintf("Check %q has a data block already, at %s. Write a second check for "+
				"this one.", k.Name, k.Data.DeclRange)))
	}
	for _, expr := range []hcl.Expression{data.Count, data.ForEach} {
		if expr != nil {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Repeated data block in a check",
				Detail: "A data block inside a check cannot have count or for_each. Write it outside, or " +
					"write one check for each.",
				Subject: expr.Range().Ptr(),
				Context: block.DefRange.Ptr(),
			})
		}
	}
	if at := data.Lifecycle.DeclRange; !at.Empty() {
		diags = append(diags, diag.Error(&at, "Lifecycle block in a check",
			"The data block of a check is read for its asserts alone. Write conditions as assert blocks."))
	}
	k.Data = data
	return diags
}

// decodeCondition reads a validation or assert block. It is nil when an argument is missing.
func decodeCondition(block *hcl.Block) (*Condition, hcl.Diagnostics) {
	content, diags := block.Body.Content(conditionSchema)
	condition, ok := content.Attributes["condition"]
	message, ok2 := content.Attributes["error_message"]
	if !ok || !ok2 {
		return nil, diags
	}
	return &Condition{
		Condition:    condition.Expr,
		ErrorMessage: message.Expr,
		DeclRange:    block.DefRange,
	}, diags
}
