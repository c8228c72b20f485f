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
// the value can tell; who hides compares the written forms, so attributes serve for all.
func parsePath(s string) cty.Path {
	var path cty.Path
	for part := range strings.SplitSeq(s, ".") {
		path = path.GetAttr(part)
	}
	return path
}

func joinPath(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

func indexPath(prefix string, i int) string { return joinPath(prefix, strconv.Itoa(i)) }
