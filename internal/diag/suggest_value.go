package diag

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// suggestFunction gives, for an error about a function that there is not, the one that was
// probably meant. The library looks in the innermost scope alone, where there may be none.
func suggestFunction(d *hcl.Diagnostic) string {
	call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d)
	if !ok || strings.Contains(d.Detail, "Did you mean") {
		return ""
	}
	var known []string
	for scope := d.EvalContext; scope != nil; scope = scope.Parent() {
		known = slices.AppendSeq(known, maps.Keys(scope.Functions))
	}
	return Suggest(call.CalledFunctionNamespace()+call.CalledFunctionName(), known)
}

// suggestPart gives, for an error about a part that a value has not, the part that was probably
// meant. The language's library says only that it is not there.
func suggestPart(d *hcl.Diagnostic) string {
	if d.Summary != "Unsupported attribute" && d.Summary != "Invalid index" || strings.Contains(d.Detail, "Did you mean") ||
		d.Expression == nil || d.EvalContext == nil {
		return ""
	}
	for _, traversal := range d.Expression.Variables() {
		for n := 1; n < len(traversal); n++ {
			v, diags := traversal[:n].TraverseAbs(d.EvalContext)
			if diags.HasErrors() {
				break
			}
			name := partName(traversal[n])
			if known := parts(v); name != "" && len(known) > 0 && !slices.Contains(known, name) {
				return Suggest(name, known)
			}
		}
	}
	return ""
}

// partName is the name of an attribute or the key of an element that a step leads to.
func partName(step hcl.Traverser) string {
	switch s := step.(type) {
	case hcl.TraverseAttr:
		return s.Name
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			key, _ := s.Key.Unmark()
			return key.AsString()
		}
	}
	return ""
}

// parts are the names of a value's attributes, or the keys of its elements. Those of a value
// with marks may be what must not be told.
func parts(v cty.Value) []string {
	switch {
	case v.Type().IsObjectType():
		return slices.Collect(maps.Keys(v.Type().AttributeTypes()))
	case v.Type().IsMapType() && v.IsKnown() && !v.IsNull() && !v.IsMarked():
		return slices.Collect(maps.Keys(v.AsValueMap()))
	}
	return nil
}
