package plan

import (
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// formatPath writes a path into a value as the state records it: "peer.name", "env.HOME",
// "rule.0.action". An element of a set has no name.
func formatPath(path cty.Path) string {
	var parts []string
	for _, step := range path {
		switch s := step.(type) {
		case cty.GetAttrStep:
			parts = append(parts, s.Name)
		case cty.IndexStep:
			switch {
			case !s.Key.IsKnown() || s.Key.IsNull():
				parts = append(parts, "*")
			case s.Key.Type() == cty.String:
				parts = append(parts, s.Key.AsString())
			case s.Key.Type() == cty.Number:
				parts = append(parts, s.Key.AsBigFloat().Text('f', -1))
			default:
				parts = append(parts, "*")
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

// pathsIn gives the paths of those parts of v that a record lists, each step as v has it: an
// attribute or an index. What v does not have is read as parsePath does.
func pathsIn(v cty.Value, listed []string) []cty.Path {
	if len(listed) == 0 {
		return nil
	}
	found := map[string]bool{}
	for _, s := range listed {
		found[s] = false
	}
	var paths []cty.Path
	_ = cty.Walk(v, func(path cty.Path, _ cty.Value) (bool, error) {
		s := formatPath(path)
		if _, ok := found[s]; ok {
			found[s] = true
			paths = append(paths, path.Copy())
		}
		return true, nil
	})
	for _, s := range listed {
		if !found[s] {
			paths = append(paths, parsePath(s))
		}
	}
	return paths
}

func joinPath(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

func indexPath(prefix string, i int) string { return joinPath(prefix, strconv.Itoa(i)) }
