package diag

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/marks"
)

// Value is what something had for a value where the diagnostic arose.
type Value struct {
	Traversal string `json:"traversal"` // var.subnet
	Statement string `json:"statement"` // is "10.0.0.0/24"
}

// InExpression notes which expression a diagnostic is about and what it was evaluated with, so
// that the values in it are told.
func InExpression(d *hcl.Diagnostic, expr hcl.Expression, scope *hcl.EvalContext) *hcl.Diagnostic {
	d.Expression, d.EvalContext = expr, scope
	return d
}

// valuesOf tells the values that the expression at fault refers to, as exactly as they can be
// found: the whole of var.hosts where it has no var.hosts["c"].
func valuesOf(d *hcl.Diagnostic) []Value {
	out := []Value{}
	if d.Expression == nil || d.EvalContext == nil {
		return out
	}
	for _, traversal := range d.Expression.Variables() {
		for n := len(traversal); n > 0; n-- {
			v, diags := traversal[:n].TraverseAbs(d.EvalContext)
			if diags.HasErrors() {
				continue
			}
			name := Traversal(traversal[:n])
			if !slices.ContainsFunc(out, func(v Value) bool { return v.Traversal == name }) {
				out = append(out, Value{name, statement(v)})
			}
			break
		}
	}
	slices.SortFunc(out, func(a, b Value) int { return cmp.Compare(a.Traversal, b.Traversal) })
	return out
}

// Traversal writes a traversal as it stands in the source.
func Traversal(traversal hcl.Traversal) string {
	var b strings.Builder
	for _, step := range traversal {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(s.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + s.Name)
		case hcl.TraverseIndex:
			switch {
			case !s.Key.IsKnown() || s.Key.IsNull():
				b.WriteString("[...]")
			case s.Key.Type() == cty.String:
				b.WriteString("[" + strconv.Quote(s.Key.AsString()) + "]")
			case s.Key.Type() == cty.Number:
				b.WriteString("[" + s.Key.AsBigFloat().Text('f', -1) + "]")
			}
		}
	}
	return b.String()
}

// statement says what a value is: wholly where that is short, else only of which kind. What is
// in a list or object may be sensitive by itself, so nothing of that is shown but names.
func statement(v cty.Value) string {
	found := v.Marks()
	v, _ = v.Unmark()
	_, sensitive := found[marks.Sensitive]
	t := v.Type()
	switch {
	case sensitive:
		return "has a sensitive value"
	case len(found) > 0:
		return "has an ephemeral value"
	case !v.IsKnown() && t == cty.DynamicPseudoType:
		return "will be known only after apply"
	case !v.IsKnown():
		return fmt.Sprintf("is %s, known only after apply", withArticle(t.FriendlyName()))
	}
	return "is " + compact(v)
}

func withArticle(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

func compact(v cty.Value) string {
	t := v.Type()
	switch {
	case v.IsNull():
		return "null"
	case t == cty.Bool:
		return strconv.FormatBool(v.True())
	case t == cty.Number:
		return v.AsBigFloat().Text('g', 10)
	case t == cty.String:
		return strconv.Quote(v.AsString())
	case t.IsObjectType():
		return objectOf(t)
	case t.IsCollectionType() || t.IsTupleType():
		return counted(t.FriendlyName(), v.LengthInt(), "element")
	}
	return t.FriendlyName()
}

func objectOf(t cty.Type) string {
	names := slices.Sorted(maps.Keys(t.AttributeTypes()))
	if len(names) == 1 {
		return fmt.Sprintf("object with 1 attribute %q", names[0])
	}
	return counted("object", len(names), "attribute")
}

func counted(what string, n int, part string) string {
	switch n {
	case 0:
		return "empty " + what
	case 1:
		return what + " with 1 " + part
	}
	return fmt.Sprintf("%s with %d %ss", what, n, part)
}
