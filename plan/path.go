package plan

import (
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// formatPath writes a path into a value as the state records it: "peer.name", "env.HOME",
// "rule.0.action".
func formatPath(path cty.Path) string {
	var parts []string
	for _, step := range path {
		switch s := step.(type) {
		case cty.GetAttrStep:
			parts = append(parts, s.Name)
		case cty.IndexStep:
			if s.Key.Type() == cty.String {
				parts = append(parts, s.Key.AsString())
			} else {
				parts = append(parts, s.Key.AsBigFloat().Text('f', -1))
			}
		}
	}
	return strings.Join(parts, ".")
}

// parsePath reads what formatPath wrote. Which step is an attribute and which an index only
// the value can tell; hides compares the written forms instead, so attributes serve for all.
func parsePath(s string) cty.Path {
	var path cty.Path
	for part := range strings.SplitSeq(s, ".") {
		path = path.GetAttr(part)
	}
	return path
}

// hides reports whether the part of the value at path, as formatPath writes it, is under one
// of the sensitive paths.
func (c *Change) hides(path string) bool {
	for _, p := range c.Sensitive {
		s := formatPath(p)
		if s == path || strings.HasPrefix(path, s+".") || s == "" {
			return true
		}
	}
	a := c.Schema.Attribute(strings.SplitN(path, ".", 2)[0])
	return a != nil && a.Sensitive
}

// SensitivePaths gives the paths for the state's record.
func (c *Change) SensitivePaths() []string {
	var out []string
	for _, p := range c.Sensitive {
		out = append(out, formatPath(p))
	}
	return out
}

func joinPath(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

func indexPath(prefix string, i int) string { return joinPath(prefix, strconv.Itoa(i)) }
