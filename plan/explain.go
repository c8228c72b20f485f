package plan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/diag"
)

// Explain makes of what the language's library says of expressions what users can act on, without
// sensitive values: see HideSecrets.
func Explain(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		if d.Detail == "This value is null, so it does not have any attributes." && d.Subject != nil {
			d.Detail += whatIsNull(d)
		}
		if d.Subject == nil || d.EvalContext == nil || !speaksOfKeys(d.Detail) {
			continue
		}
		if collection, key := indexed(d); collection != cty.NilVal {
			d.Detail += elementsOf(collection, key)
		}
	}
	return HideSecrets(diags)
}

// whatIsNull names what has no attributes because it is null.
func whatIsNull(d *hcl.Diagnostic) string {
	e, ok := d.Expression.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		return ""
	}
	i, _ := stepAt(e.Traversal, d.Subject)
	if i < 1 {
		return ""
	}
	name := diag.Traversal(e.Traversal[:i])
	for _, ref := range config.References(e) {
		kind := ref.Subject.Kind
		if (kind == config.ResourceSubject || kind == config.ModuleSubject) && ref.Subject.String() == name {
			return fmt.Sprintf(" %s is not there: enabled is false in its lifecycle block. It may be asked for: %[1]s == null.", name)
		}
	}
	return fmt.Sprintf(" What is null is %s.", name)
}

// speaksOfKeys reports whether a text is about a key or attribute that something does not have, and
// does not say what it has.
func speaksOfKeys(detail string) bool {
	return detail == "The given key does not identify an element in this collection value." ||
		strings.HasPrefix(detail, "This object does not have an attribute named ") && strings.HasSuffix(detail, `".`)
}

// indexed gives the collection that a step led nowhere in, and the key; cty.NilVal where that
// cannot be told.
func indexed(d *hcl.Diagnostic) (collection, key cty.Value) {
	switch e := d.Expression.(type) {
	case *hclsyntax.IndexExpr:
		return valueOf(e.Collection, d.EvalContext), valueOf(e.Key, d.EvalContext)
	case *hclsyntax.ScopeTraversalExpr:
		i, key := stepAt(e.Traversal, d.Subject)
		if i < 1 {
			break
		}
		if v, diags := e.Traversal[:i].TraverseAbs(d.EvalContext); !diags.HasErrors() {
			return v, key
		}
	case *hclsyntax.RelativeTraversalExpr:
		i, key := stepAt(e.Traversal, d.Subject)
		if i < 0 {
			break
		}
		if v, diags := e.Traversal[:i].TraverseRel(valueOf(e.Source, d.EvalContext)); !diags.HasErrors() {
			return v, key
		}
	}
	return cty.NilVal, cty.NilVal
}

// stepAt finds the step of a traversal that is at a place, and its key; -1 where there is none.
func stepAt(t hcl.Traversal, at *hcl.Range) (int, cty.Value) {
	for i, step := range t {
		switch step := step.(type) {
		case hcl.TraverseIndex:
			if step.SrcRange == *at {
				return i, step.Key
			}
		case hcl.TraverseAttr:
			if step.SrcRange == *at {
				return i, cty.StringVal(step.Name)
			}
		}
	}
	return -1, cty.NilVal
}

// mostKeys are told of a collection.
const mostKeys = 10

// elementsOf says what there is in a collection instead of the element with a key.
func elementsOf(collection, key cty.Value) string {
	keys, ok := keysIn(collection)
	switch {
	case !ok || !key.IsKnown() || key.IsMarked() || key.IsNull() || key.Type() != cty.String:
		return ""
	case len(keys) == 0:
		return " It is empty."
	}
	if hint := diag.Suggest(key.AsString(), keys); hint != "" {
		return hint
	}
	more := ""
	if n := len(keys); n > mostKeys {
		keys, more = keys[:mostKeys], fmt.Sprintf(" and %d more", n-mostKeys)
	}
	for i := range keys {
		keys[i] = strconv.Quote(keys[i])
	}
	return fmt.Sprintf(" It has: %s%s.", strings.Join(keys, ", "), more)
}

// keysIn lists the keys of a map or the attributes of an object, if they are known and may be shown.
func keysIn(v cty.Value) ([]string, bool) {
	switch {
	case v.IsMarked():
		return nil, false
	case v.Type().IsObjectType():
		return sortedNames(v.Type().AttributeTypes()), true
	case v.Type().IsMapType() && v.IsKnown() && !v.IsNull():
		return sortedNames(v.AsValueMap()), true
	}
	return nil, false
}
