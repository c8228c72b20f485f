package plan

import (
	"fmt"
	"io"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/providers/schema"
)

// Palette colours text for a terminal, or leaves it as it is.
type Palette struct{ On bool }

func (p Palette) paint(code, s string) string {
	if !p.On {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// Green and the following are the colours of Terraform's plans.
func (p Palette) Green(s string) string  { return p.paint("32", s) }
func (p Palette) Red(s string) string    { return p.paint("31", s) }
func (p Palette) Yellow(s string) string { return p.paint("33", s) }
func (p Palette) Cyan(s string) string   { return p.paint("36", s) }
func (p Palette) Bold(s string) string   { return p.paint("1", s) }
func (p Palette) Faint(s string) string  { return p.paint("2", s) }

// symbol is the sign before what is added, changed or removed, coloured.
func (p Palette) symbol(a Action) string {
	switch a {
	case Create:
		return p.Green("+")
	case Update:
		return p.Yellow("~")
	case Delete:
		return p.Red("-")
	case Replace:
		return p.Red("-") + "/" + p.Green("+")
	case Read:
		return p.Cyan("<=")
	case Forget:
		return p.Faint(".")
	}
	return " "
}

// Render writes the plan as Terraform writes its plans: what drifted, what will be done,
// changed arguments only, and a line that sums up.
func (p *Plan) Render(w io.Writer, palette Palette) {
	r := &renderer{w: w, Palette: palette}
	r.drift(p)
	if !p.HasChanges() {
		text := " The kernel is as the configuration wants it."
		switch {
		case p.Input.Mode == Destroy:
			text = " Nothing is left to destroy."
		case p.Input.Mode == RefreshOnly && len(p.Drift) > 0:
			r.line("Applying records this, and changes nothing in the kernel.")
			return
		case p.Input.Mode == RefreshOnly:
			text = " What is recorded is what is there."
		}
		r.line("%s", r.Bold(r.Green("No changes.")+r.Bold(text)))
		return
	}
	lead := ""
	if r.changes(p) {
		r.line("%s %s", r.Bold("Plan:"), p.Tally())
		lead = "\n"
	}
	r.outputs(p.Outputs, lead)
	if lead == "" {
		r.line("\nNothing in the kernel changes: applying records the outputs.")
	}
}

// changes writes what will be done, and tells whether that is anything.
func (r *renderer) changes(p *Plan) bool {
	some := false
	for _, c := range p.Changes {
		if !c.Told() {
			continue
		}
		if !some {
			r.line("diyform will perform the following actions:\n")
		}
		some = true
		r.change(c)
	}
	return some
}

type renderer struct {
	Palette
	w io.Writer
}

func (r *renderer) line(format string, args ...any) { fmt.Fprintf(r.w, format+"\n", args...) }

// drift tells of what was changed outside of diyform, as far as the plan reacts to it.
func (r *renderer) drift(p *Plan) {
	shown := p.relevantDrift()
	if len(shown) == 0 {
		return
	}
	r.drifted("Changed outside of diyform since the last apply:", shown)
}

// drifted writes what is not as it was recorded.
func (r *renderer) drifted(headline string, list []*Drift) {
	r.line("%s\n", r.Bold(headline))
	for _, d := range list {
		if d.After.IsNull() {
			r.line("  %s\n", r.Bold("# "+d.Address.String()+" is gone"))
			continue
		}
		r.line("  %s", r.Bold("# "+d.Address.String()+" has changed"))
		r.body(d.change())
	}
}

var headlines = map[Action]string{
	Create: "will be created", Update: "will be updated in-place", Delete: "will be destroyed",
	Replace: "must be replaced", Read: "will be read during apply",
}

func (r *renderer) change(c *Change) {
	headline := r.Bold("# " + c.headline())
	if source := c.Source(); source != "" {
		headline += r.Faint(" (" + source + ")")
	}
	r.line("  %s", headline)
	for _, origin := range c.origins() {
		r.line("  %s", r.Faint("# "+origin))
	}
	if c.Reason != "" {
		r.line("  %s", r.Faint("# (because "+c.Reason+")"))
	}
	for _, line := range c.Collateral.lines() {
		r.line("  %s", r.Yellow("# ("+line+")"))
	}
	r.body(c)
}

func (r *renderer) body(c *Change) {
	keyword := "resource"
	if c.Address.Mode == addr.Data {
		keyword = "data"
	}
	// The keyword stands in column 4 whatever the width of the symbol: "  + ", "-/+ ", " <= ".
	pad := strings.Repeat(" ", 3-len(plainSymbol(c.Action)))
	if c.Importing != nil && c.Action == NoOp || c.Releases {
		r.line("  %s resource %q %q {", r.symbol(c.Action), c.Address.Type, c.Address.Name)
		b := &blockRenderer{renderer: r, change: c}
		b.plain(c.Schema, c.Before, "", 8)
		r.line("    }\n")
		return
	}
	symbol := r.symbol(c.Action)
	if c.CreateFirst {
		symbol = r.Green("+") + "/" + r.Red("-")
	}
	r.line("%s%s %s %q %q {", pad, symbol, keyword, c.Address.Type, c.Address.Name)
	b := &blockRenderer{renderer: r, change: c}
	b.block(c.Schema, c.Before, c.After, "", 6)
	r.line("    }\n")
}

func plainSymbol(a Action) string {
	switch a {
	case Replace:
		return "-/+"
	case Read:
		return "<="
	}
	return "+"
}

// blockRenderer writes the arguments of one change.
type blockRenderer struct {
	*renderer
	change *Change
}

// block writes the arguments and nested blocks that differ.
func (b *blockRenderer) block(s *schema.Schema, before, after cty.Value, prefix string, indent int) {
	width := b.width(s, before, after, prefix)
	unchanged := 0
	for _, a := range s.Attributes {
		x, y := attribute(before, a.Name), attribute(after, a.Name)
		switch {
		case isNull(x) && isNull(y):
		case !isNull(before) && !isNull(after) && a.Equal(x, y):
			if a.Name == "name" {
				b.line("%s%-*s = %s", strings.Repeat(" ", indent+2), width, a.Name, b.shown(y, joinPath(prefix, a.Name), indent+2))
				continue
			}
			unchanged++
		default:
			b.attribute(a, x, y, joinPath(prefix, a.Name), indent, width)
		}
	}
	if unchanged > 0 {
		b.line("%s%s", strings.Repeat(" ", indent+2), b.unchanged(unchanged, "attribute"))
	}
	for _, nested := range s.Blocks {
		b.nested(nested, attribute(before, nested.Name), attribute(after, nested.Name), joinPath(prefix, nested.Name), indent)
	}
}

func (b *blockRenderer) width(s *schema.Schema, before, after cty.Value, prefix string) int {
	width := 0
	for _, a := range s.Attributes {
		x, y := attribute(before, a.Name), attribute(after, a.Name)
		same := !isNull(before) && !isNull(after) && a.Equal(x, y)
		if !(isNull(x) && isNull(y)) && (!same || a.Name == "name") {
			width = max(width, len(a.Name))
		}
	}
	return width
}

func (b *blockRenderer) attribute(a *schema.Attribute, x, y cty.Value, path string, indent, width int) {
	suffix := ""
	if b.change.Action == Replace && a.Replaces(x) && !a.Equal(x, y) && !isNull(b.change.Before) {
		suffix = b.Red(" # forces replacement")
	}
	if a.Type == cty.DynamicPseudoType && !isNull(x) && y.IsWhollyKnown() && b.value(x, path, indent, "") == b.value(y, path, indent, "") {
		// Where they do not differ either, it is what is hidden that does.
		if was, is := x.Type().FriendlyName(), y.Type().FriendlyName(); was != is {
			suffix = b.Faint(fmt.Sprintf(" # %s becomes %s", was, is)) + suffix
		}
	}
	lead := strings.Repeat(" ", indent) + b.symbol(elementAction(x, y)) + " " + fmt.Sprintf("%-*s", width, a.Name) + " = "
	b.line("%s%s%s", lead, b.became(x, y, path, indent+2), suffix)
}

// elementAction tells what becomes of one value.
func elementAction(x, y cty.Value) Action {
	switch {
	case isNull(x):
		return Create
	case isNull(y):
		return Delete
	}
	return Update
}

func (b *blockRenderer) nested(n *schema.Block, x, y cty.Value, path string, indent int) {
	if n.Nesting != schema.List {
		b.nestedOne(n, x, y, path, indent)
		return
	}
	old, now := listElements(x), listElements(y)
	if !isNull(y) && !y.IsKnown() {
		b.line("%s%s %s (known after apply)", strings.Repeat(" ", indent), b.symbol(Update), n.Name)
		return
	}
	for i := range max(len(old), len(now)) {
		x, y := cty.NullVal(n.ImpliedType()), cty.NullVal(n.ImpliedType())
		if i < len(old) {
			x = old[i]
		}
		if i < len(now) {
			y = now[i]
		}
		b.nestedOne(n, x, y, indexPath(path, i), indent)
	}
}

func (b *blockRenderer) nestedOne(n *schema.Block, x, y cty.Value, path string, indent int) {
	if isNull(x) && isNull(y) || !isNull(x) && !isNull(y) && len(n.Diff(x, y)) == 0 {
		return
	}
	b.line("")
	pad := strings.Repeat(" ", indent)
	suffix := ""
	if b.change.Action == Replace && n.Replace && isNull(x) != isNull(y) && !isNull(b.change.Before) {
		suffix = b.Red(" # forces replacement")
	}
	b.line("%s%s %s {%s", pad, b.symbol(elementAction(x, y)), n.Name, suffix)
	b.block(n.Schema, x, y, path, indent+4)
	b.line("%s  }", pad)
}

func listElements(v cty.Value) []cty.Value {
	if isNull(v) || !v.IsKnown() {
		return nil
	}
	return v.AsValueSlice()
}

func (r *renderer) outputs(list []*OutputChange, lead string) {
	var lines []string
	width := 0
	for _, o := range list {
		if o.Action != NoOp {
			width = max(width, len(o.Name))
		}
	}
	b := &blockRenderer{renderer: r, change: &Change{Schema: &schema.Schema{}}}
	for _, o := range list {
		if o.Action == NoOp {
			continue
		}
		text := Hidden
		if !o.Sensitive {
			text = b.became(o.Before, o.After, "", 4)
		}
		lines = append(lines, fmt.Sprintf("  %s %-*s = %s", r.symbol(o.Action), width, o.Name, text))
	}
	if len(lines) == 0 {
		return
	}
	r.line("%sChanges to Outputs:\n%s", lead, strings.Join(lines, "\n"))
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func isNull(v cty.Value) bool { return v.IsKnown() && v.IsNull() }

// attribute gives an attribute of an object that may be null or unknown.
func attribute(v cty.Value, name string) cty.Value {
	switch {
	case !v.IsKnown():
		return cty.DynamicVal
	case v.IsNull():
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return v.GetAttr(name)
}

// RenderObject writes an object as its resource block, for `state show`.
func RenderObject(w io.Writer, palette Palette, a addr.Instance, s *schema.Schema, v cty.Value, sensitive []string) {
	r := &renderer{w: w, Palette: palette}
	c := &Change{Address: a, Schema: s, Sensitive: parsePaths(sensitive)}
	r.line("# %s:\nresource %q %q {", a, a.Type, a.Name)
	b := &blockRenderer{renderer: r, change: c}
	b.plain(s, v, "", 4)
	r.line("}")
}

// plain writes all arguments that have a value.
func (b *blockRenderer) plain(s *schema.Schema, v cty.Value, prefix string, indent int) {
	pad := strings.Repeat(" ", indent)
	width := 0
	for _, a := range s.Attributes {
		if !isNull(attribute(v, a.Name)) {
			width = max(width, len(a.Name))
		}
	}
	for _, a := range s.Attributes {
		if e := attribute(v, a.Name); !isNull(e) {
			b.line("%s%-*s = %s", pad, width, a.Name, b.shown(e, joinPath(prefix, a.Name), indent))
		}
	}
	for _, n := range s.Blocks {
		e := attribute(v, n.Name)
		list := []cty.Value{e}
		if n.Nesting == schema.List {
			list = listElements(e)
		}
		for i, e := range list {
			if isNull(e) {
				continue
			}
			path := joinPath(prefix, n.Name)
			if n.Nesting == schema.List {
				path = indexPath(path, i)
			}
			b.line("\n%s%s {", pad, n.Name)
			b.plain(n.Schema, e, path, indent+4)
			b.line("%s}", pad)
		}
	}
}
