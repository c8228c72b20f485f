package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
)

// decodeDependsOn reads a depends_on argument: a list of whole resources or modules, or of
// instances of them. What the index of an instance refers to follows it in the result.
func decodeDependsOn(attr *hcl.Attribute) ([]Reference, hcl.Diagnostics) {
	if attr == nil {
		return nil, nil
	}
	items, diags := hcl.ExprList(attr.Expr)
	var refs []Reference
	for _, item := range items {
		found, ok := dependency(item)
		if !ok {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Invalid dependency",
				Detail: "An item of depends_on is the address of a resource, data or module block, or of one " +
					"instance, and not an attribute" + withoutQuotes(item) + ": veth_pair.uplink, " +
					"data.host.this, bridge.lan[each.key], module.lab.",
				Subject: item.Range().Ptr(),
				Context: attr.Range.Ptr(),
			})
			continue
		}
		found[0].Everything = found[0].Subject.Kind == ModuleSubject
		refs = append(refs, found...)
	}
	return refs, diags
}

// dependency reads one item. In JSON the item is a string that holds the address itself.
func dependency(item hcl.Expression) ([]Reference, bool) {
	expr, ok := item.(hclsyntax.Expression)
	if !ok {
		expr = jsonAddress(item)
	}
	traversal, key := expr, hclsyntax.Expression(nil)
	if index, ok := expr.(*hclsyntax.IndexExpr); ok {
		traversal, key = index.Collection, index.Key
	}
	t, ok := traversal.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		return nil, false
	}
	refs := nativeReferences(expr)
	steps := len(t.Traversal)
	if key == nil && refs[0].Key != nil {
		steps-- // a literal index is a step of the traversal
	}
	kind := refs[0].Subject.Kind
	if kind != ResourceSubject && kind != ModuleSubject {
		return refs, false
	}
	return refs, steps == len(t.Traversal)-len(refs[0].Rest())
}

// withoutQuotes says how an item is written. In JSON it is a string.
func withoutQuotes(item hcl.Expression) string {
	if json.IsJSONExpression(item) {
		return ""
	}
	return ", without quotes"
}

// jsonAddress parses the expression that a JSON string holds, or gives nil.
func jsonAddress(item hcl.Expression) hclsyntax.Expression {
	template, ok := jsonTemplate(item).(*hclsyntax.TemplateExpr)
	if !ok || !template.IsStringLiteral() {
		return nil
	}
	text, diags := template.Value(nil)
	if diags.HasErrors() {
		return nil
	}
	rng := item.Range()
	start := rng.Start
	start.Byte++
	start.Column++
	expr, diags := hclsyntax.ParseExpression([]byte(text.AsString()), rng.Filename, start)
	if diags.HasErrors() {
		return nil
	}
	return expr
}
