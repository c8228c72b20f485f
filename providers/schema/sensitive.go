package schema

import (
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Sensitive lists the parts of v that are never shown: attributes with the sensitive flag
// that have a value, be it unknown. v has the implied type or is the part that can be set.
func (s *Schema) Sensitive(v cty.Value) []cty.Path {
	if !s.hasSensitive {
		return nil
	}
	return s.sensitive(v, nil, nil)
}

func (s *Schema) sensitive(v cty.Value, prefix cty.Path, out []cty.Path) []cty.Path {
	if v.IsNull() || !v.IsKnown() {
		return out
	}
	for _, a := range s.Attributes {
		if a.Sensitive && !part(v, a.Name, a.Type).IsNull() {
			out = append(out, prefix.Copy().GetAttr(a.Name))
		}
	}
	for _, b := range s.Blocks {
		if !b.hasSensitive {
			continue
		}
		nested, path := part(v, b.Name, b.nestedType()), prefix.Copy().GetAttr(b.Name)
		if b.Nesting != List {
			out = b.sensitive(nested, path, out)
		} else if nested.IsKnown() {
			for i, e := range elements(nested) {
				out = b.sensitive(e, path.Copy().IndexInt(i), out)
			}
		}
	}
	return out
}

// Hides reports whether the attribute at path ("peer.key", "rule.0.key"), or what it is in,
// has the sensitive flag.
func (s *Schema) Hides(path string) bool {
	name, rest, _ := strings.Cut(path, ".")
	if a := s.Attribute(name); a != nil {
		return a.Sensitive
	}
	b := s.Block(name)
	if b == nil || !b.hasSensitive {
		return false
	}
	if b.Nesting == List {
		_, rest, _ = strings.Cut(rest, ".")
	}
	return b.Hides(rest)
}

// Addressable gives the longest beginning of path that names something of its own: an
// attribute, an element of a map, a nested block. Elements of a list attribute have no names
// that last, since where their order means nothing it changes.
func (s *Schema) Addressable(path cty.Path) cty.Path {
	at := s
	for i, step := range path {
		attr, ok := step.(cty.GetAttrStep)
		if !ok {
			continue // which of the nested blocks of one type
		}
		if a := at.Attribute(attr.Name); a != nil {
			switch {
			case a.Type == cty.DynamicPseudoType:
				return path
			case a.Type.IsMapType() && len(path) > i+1:
				return path[:i+2]
			}
			return path[:i+1]
		}
		b := at.Block(attr.Name)
		if b == nil {
			break
		}
		at = b.Schema
	}
	return path
}
