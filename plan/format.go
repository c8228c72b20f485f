package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/marks"
)

// Format writes a value for people as an expression that gives it, types included, in the
// layout of OpenTofu's console and output.
func Format(v cty.Value) string { return formatValue(v, 0) }

// formatValue writes a value whose further lines stand behind indent spaces.
func formatValue(v cty.Value, indent int) string {
	switch {
	case !v.IsKnown():
		return "(known after apply)"
	case v.HasMark(marks.Sensitive):
		return Hidden
	case v.HasMark(marks.Ephemeral):
		return "(ephemeral value)"
	}
	v, _ = v.Unmark()
	t := v.Type()
	switch {
	case v.IsNull():
		return formatNull(t)
	case t == cty.String:
		return formatString(v.AsString(), indent)
	case t == cty.Number:
		return v.AsBigFloat().Text('f', -1)
	case t == cty.Bool:
		return strconv.FormatBool(v.True())
	case t.IsMapType():
		return "tomap(" + formatElements(v, indent) + ")"
	case t.IsListType():
		return "tolist(" + formatElements(v, indent) + ")"
	case t.IsSetType():
		return "toset(" + formatElements(v, indent) + ")"
	case t.IsCapsuleType():
		return t.FriendlyName()
	}
	return formatElements(v, indent)
}

// formatNull names the type of a null where that says something.
func formatNull(t cty.Type) string {
	switch {
	case t == cty.DynamicPseudoType:
		return "null"
	case t.IsPrimitiveType():
		return fmt.Sprintf("to%s(null)", t.FriendlyName())
	case t.IsListType(), t.IsSetType(), t.IsMapType():
		kind, _, _ := strings.Cut(t.FriendlyName(), " ")
		return fmt.Sprintf("to%s(null) /* of %s */", kind, t.ElementType().FriendlyName())
	}
	return fmt.Sprintf("null /* %s */", t.FriendlyName())
}

// formatString writes several lines as a heredoc.
func formatString(s string, indent int) string {
	lines := strings.Split(s, "\n")
	if len(lines) == 1 {
		return strconv.Quote(s)
	}
	operator, end := "<<", "EOT"
	if indent > 0 {
		operator = "<<-"
	}
	for slices.ContainsFunc(lines, func(line string) bool { return strings.TrimSpace(line) == end }) {
		end += "_"
	}
	newLine := "\n" + strings.Repeat(" ", indent)
	return operator + end + newLine + strings.Join(append(lines, end), newLine)
}

// formatElements writes the elements of a collection, tuple or object, one a line.
func formatElements(v cty.Value, indent int) string {
	keyed := v.Type().IsMapType() || v.Type().IsObjectType()
	brackets := "[]"
	if keyed {
		brackets = "{}"
	}
	newLine := "\n" + strings.Repeat(" ", indent)
	var b strings.Builder
	b.WriteByte(brackets[0])
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if keyed {
			fmt.Fprintf(&b, "%s  %s = %s", newLine, formatValue(k, indent+2), formatValue(e, indent+2))
		} else {
			fmt.Fprintf(&b, "%s  %s,", newLine, formatValue(e, indent+2))
		}
	}
	if b.Len() > 1 {
		b.WriteString(newLine)
	}
	b.WriteByte(brackets[1])
	return b.String()
}
