package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/marks"
	"github.com/diyform/diyform/providers/schema"
)

// What must not be shown is marked in the evaluator's values, so that it stays hidden
// whatever it is made part of, and is listed as paths in a Change, whose values have no
// marks. Paths go as deep as schema.Addressable says.

// unmark takes the marks off the arguments of an instance and tells which parts were
// sensitive.
func unmark(s *schema.Schema, v cty.Value) (cty.Value, []cty.Path) {
	if !anyMarked(v) {
		return v, nil
	}
	plain, marked := v.UnmarkDeepWithPaths()
	var paths []cty.Path
	for _, m := range marked {
		if _, ok := m.Marks[marks.Sensitive]; ok {
			paths = append(paths, s.Addressable(m.Path))
			paths = append(paths, s.Copies(m.Path)...)
		}
	}
	return plain, distinctPaths(paths)
}

// anyMarked is ContainsMarked for an object, most of whose attributes are single values: to
// walk through those takes more time than all the rest of unmark.
func anyMarked(v cty.Value) bool {
	if v.IsMarked() {
		return true
	}
	for name, t := range v.Type().AttributeTypes() {
		e := v.GetAttr(name)
		if e.IsMarked() || !t.IsPrimitiveType() && e.ContainsMarked() {
			return true
		}
	}
	return false
}

// mark puts the marks back.
func mark(v cty.Value, paths []cty.Path) cty.Value {
	if len(paths) == 0 {
		return v
	}
	var pvm []cty.PathValueMarks
	for _, p := range paths {
		pvm = append(pvm, cty.PathValueMarks{Path: p, Marks: cty.NewValueMarks(marks.Sensitive)})
	}
	return v.MarkWithPaths(pvm)
}

func distinctPaths(paths []cty.Path) []cty.Path {
	slices.SortFunc(paths, func(a, b cty.Path) int { return cmp.Compare(formatPath(a), formatPath(b)) })
	return slices.CompactFunc(paths, func(a, b cty.Path) bool { return formatPath(a) == formatPath(b) })
}

// hideBySchema adds the parts of After that are sensitive whatever configuration says, and those
// that have a sensitive text in them.
func (c *Change) hideBySchema() {
	more := append(c.Schema.Sensitive(c.After), c.derived()...)
	if len(more) > 0 {
		c.Sensitive = distinctPaths(append(slices.Clone(c.Sensitive), more...))
	}
}

// derived lists what was worked out from a sensitive text and shows it: the path of a network
// namespace has its name in it.
func (c *Change) derived() []cty.Path {
	if len(c.Sensitive) == 0 || !c.After.IsKnown() || c.After.IsNull() {
		return nil
	}
	var paths []cty.Path
	for _, a := range c.Schema.Attributes {
		v := c.After.GetAttr(a.Name)
		if !a.Computed || a.Type != cty.String || !v.IsKnown() || v.IsNull() {
			continue
		}
		shows := func(secret cty.Value) bool {
			text, ok := knownText(secret)
			return ok && len(text) >= shortestSecret && strings.Contains(v.AsString(), text)
		}
		if slices.ContainsFunc(parts(c.After, c.Sensitive), shows) {
			paths = append(paths, cty.GetAttrPath(a.Name))
		}
	}
	return paths
}

// shortestSecret is what a text must have at least to be looked for in others: any text has the
// letter a.
const shortestSecret = 3

func knownText(v cty.Value) (string, bool) {
	if v.Type() != cty.String || !v.IsKnown() || v.IsNull() {
		return "", false
	}
	return v.AsString(), true
}

// hides reports whether the part of the value at path, as formatPath writes it, is under one
// of the sensitive paths, now or before.
func (c *Change) hides(path string) bool {
	under := func(p cty.Path) bool {
		s := formatPath(p)
		return s == path || s == "" || strings.HasPrefix(path, s+".")
	}
	return slices.ContainsFunc(c.Sensitive, under) || slices.ContainsFunc(c.SensitiveBefore, under) || c.Schema.Hides(path)
}

// SensitivePaths gives the paths for the state's record.
func (c *Change) SensitivePaths() []string { return formatPaths(c.Sensitive) }

func formatPaths(paths []cty.Path) []string {
	var out []string
	for _, p := range paths {
		out = append(out, formatPath(p))
	}
	return out
}

func parsePaths(list []string) []cty.Path {
	var paths []cty.Path
	for _, s := range list {
		paths = append(paths, parsePath(s))
	}
	return paths
}

// Hidden stands for a value that is not to be shown.
const Hidden = "(sensitive value)"

// censor takes the sensitive values of c's arguments out of what diagnostics say, whoever
// wrote them: a format that does not fit, a rule of the type, the kernel.
func (c *Change) censor(diags hcl.Diagnostics) hcl.Diagnostics {
	if len(diags) == 0 {
		return nil
	}
	return censor(diags, c.Config, append(slices.Clone(c.Sensitive), c.Schema.Sensitive(c.Config)...))
}

// Censor does the same for a recorded resource.
func (r *Recorded) Censor(diags hcl.Diagnostics) hcl.Diagnostics {
	return censor(diags, r.Object.Attributes, pathsIn(r.Object.Attributes, r.Record.Sensitive))
}

// Hides reports whether an attribute, "command", is recorded as sensitive or has parts that are.
func (r *Recorded) Hides(attribute string) bool {
	return slices.ContainsFunc(r.Record.Sensitive, func(path string) bool {
		return path == attribute || path == "" || strings.HasPrefix(path, attribute+".")
	})
}

func censor(diags hcl.Diagnostics, v cty.Value, sensitive []cty.Path) hcl.Diagnostics {
	return replaceSecrets(diags, secretTexts(parts(v, sensitive)))
}
