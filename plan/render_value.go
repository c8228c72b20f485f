package plan

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// layout says how the lines of a collection stand.
type layout struct {
	indent int    // of its last line
	step   int    // how much further its elements stand
	mark   string // the sign before each element, or ""
}

// inner is the layout of an element.
func (l layout) inner() layout {
	l.indent += l.step
	return l
}

// lead is what an element's line begins with. A sign stands within the step.
func (l layout) lead() string {
	if l.mark == "" {
		return strings.Repeat(" ", l.indent+l.step)
	}
	return strings.Repeat(" ", l.indent+l.step-2) + l.mark
}

// shown writes a value unless it is hidden.
func (b *blockRenderer) shown(v cty.Value, path string, indent int) string {
	if b.change.hides(path) {
		return Hidden
	}
	return b.value(v, path, indent, "")
}

// value writes a value in a plan. indent is that of the last line of a collection; mark goes
// before each line of one.
func (b *blockRenderer) value(v cty.Value, path string, indent int, mark string) string {
	return b.nestedValue(v, path, layout{indent: indent, step: 4, mark: mark})
}

func (b *blockRenderer) nestedValue(v cty.Value, path string, at layout) string {
	switch {
	case !v.IsKnown():
		return "(known after apply)"
	case v.IsNull():
		return "null"
	case v.Type() == cty.String:
		return strconv.Quote(v.AsString())
	case v.Type() == cty.Number:
		return v.AsBigFloat().Text('f', -1)
	case v.Type() == cty.Bool:
		return strconv.FormatBool(v.True())
	case isKeyed(v):
		return b.keyed(v, path, at)
	}
	return b.list(v, path, at)
}

func (b *blockRenderer) list(v cty.Value, path string, at layout) string {
	if v.LengthInt() == 0 {
		return "[]"
	}
	var out strings.Builder
	out.WriteString("[\n")
	i := 0
	for it := v.ElementIterator(); it.Next(); i++ {
		_, e := it.Element()
		fmt.Fprintf(&out, "%s%s,\n", at.lead(), b.element(e, indexPath(path, i), at))
	}
	return out.String() + strings.Repeat(" ", at.indent) + "]"
}

// element writes one element of a collection unless it is hidden.
func (b *blockRenderer) element(v cty.Value, path string, at layout) string {
	if b.change.hides(path) {
		return Hidden
	}
	return b.nestedValue(v, path, at.inner())
}

func (b *blockRenderer) keyed(v cty.Value, path string, at layout) string {
	if v.LengthInt() == 0 {
		return "{}"
	}
	m := v.AsValueMap()
	keys := sortedNames(m)
	width := keyWidth(keys)
	var out strings.Builder
	out.WriteString("{\n")
	for _, k := range keys {
		fmt.Fprintf(&out, "%s%-*s = %s\n", at.lead(), width, strconv.Quote(k), b.element(m[k], joinPath(path, k), at))
	}
	return out.String() + strings.Repeat(" ", at.indent) + "}"
}

func keyWidth(keys []string) int {
	width := 0
	for _, k := range keys {
		width = max(width, len(strconv.Quote(k)))
	}
	return width
}

func isSequence(v cty.Value) bool {
	return v.IsKnown() && !v.IsNull() && (v.Type().IsListType() || v.Type().IsSetType() || v.Type().IsTupleType())
}

func isKeyed(v cty.Value) bool {
	return v.IsKnown() && !v.IsNull() && (v.Type().IsMapType() || v.Type().IsObjectType())
}

// became writes what becomes of one value: x before, y after, null where there is none.
func (b *blockRenderer) became(x, y cty.Value, path string, indent int) string {
	switch action := elementAction(x, y); {
	case b.change.hides(path) && action == Delete:
		return Hidden + " -> null"
	case b.change.hides(path):
		return Hidden
	case action == Create:
		return b.value(y, path, indent, b.symbol(Create)+" ")
	case action == Delete:
		return b.value(x, path, indent, b.symbol(Delete)+" ") + " -> null"
	case isSequence(x) && isSequence(y):
		return b.sequence(x, y, path, indent)
	case isKeyed(x) && isKeyed(y):
		return b.mapping(x, y, path, indent)
	}
	return b.value(x, path, indent, "") + " -> " + b.value(y, path, indent, "")
}

// sequence writes the elements that went and came between two lists, in order.
func (b *blockRenderer) sequence(x, y cty.Value, path string, indent int) string {
	at := layout{indent: indent, step: 4}
	texts := func(v cty.Value) []string {
		var out []string
		for i, e := range v.AsValueSlice() {
			out = append(out, b.element(e, indexPath(path, i), at))
		}
		return out
	}
	left := map[string]int{}
	now := texts(y)
	for _, t := range now {
		left[t]++
	}
	var out strings.Builder
	line := func(mark, text string) {
		at.mark = mark
		fmt.Fprintf(&out, "%s%s,\n", at.lead(), text)
	}
	for _, t := range texts(x) {
		if left[t] > 0 {
			left[t]--
			line("", t)
		} else {
			line(b.symbol(Delete)+" ", t)
		}
	}
	for _, t := range now {
		if left[t] > 0 {
			left[t]--
			line(b.symbol(Create)+" ", t)
		}
	}
	return "[\n" + out.String() + strings.Repeat(" ", indent) + "]"
}

// mapping writes the elements that differ between two maps.
func (b *blockRenderer) mapping(x, y cty.Value, path string, indent int) string {
	before, after := x.AsValueMap(), y.AsValueMap()
	all := maps.Clone(after)
	if all == nil {
		all = map[string]cty.Value{}
	}
	maps.Copy(all, before)
	keys := sortedNames(all)
	width := keyWidth(keys)
	unchanged := 0
	var out strings.Builder
	for _, k := range keys {
		old, now := element(before, k), element(after, k)
		if now.IsWhollyKnown() && now.RawEquals(old) {
			unchanged++
			continue
		}
		at := layout{indent: indent, step: 4, mark: b.symbol(elementAction(old, now)) + " "}
		text := b.became(old, now, joinPath(path, k), indent+4)
		fmt.Fprintf(&out, "%s%-*s = %s\n", at.lead(), width, strconv.Quote(k), text)
	}
	if unchanged > 0 {
		fmt.Fprintf(&out, "%s%s\n", strings.Repeat(" ", indent+4), b.unchanged(unchanged, "element"))
	}
	return "{\n" + out.String() + strings.Repeat(" ", indent) + "}"
}

func element(m map[string]cty.Value, key string) cty.Value {
	if v, ok := m[key]; ok {
		return v
	}
	return cty.NullVal(cty.DynamicPseudoType)
}

func (b *blockRenderer) unchanged(n int, word string) string {
	return b.Faint(fmt.Sprintf("# (%d unchanged %s hidden)", n, plural(n, word)))
}
