package schema

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Any is the Go type of an attribute that takes a value of any type: cty.DynamicPseudoType.
// What is null or not wholly known has its zero value.
//
// It cannot stand in a nested block that may be given several times: those make a list, and
// the elements of a list have one type.
type Any struct{ Value cty.Value }

func (a Any) value() cty.Value {
	if a.Value == cty.NilVal {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return a.Value
}

// hasAny reports whether values of the schema's type can differ in type.
func (s *Schema) hasAny() bool {
	for _, a := range s.Attributes {
		if a.Type.HasDynamicTypes() {
			return true
		}
	}
	for _, b := range s.Blocks {
		if b.hasAny() {
			return true
		}
	}
	return false
}

// equalAny compares two values of any type. Null is null, whatever type it was given.
func equalAny(x, y cty.Value) bool {
	if isNull(x) || isNull(y) {
		return isNull(x) && isNull(y)
	}
	return x.IsWhollyKnown() && y.IsWhollyKnown() && x.RawEquals(y)
}

func isNull(v cty.Value) bool { return v.IsKnown() && v.IsNull() }

// anyFromJSON reads what ctyjson.Marshal writes of a value of any type: the value and its type.
func anyFromJSON(m map[string]any, path string) (cty.Value, error) {
	raw, ok := m["value"]
	if !ok || len(m) != 2 {
		return cty.NilVal, fmt.Errorf("%q is not a value with its type", path)
	}
	t, err := typeFromJSON(m["type"])
	if err != nil {
		return cty.NilVal, fmt.Errorf("%q: %w", path, err)
	}
	return fromJSON(raw, t, path)
}

func typeFromJSON(v any) (cty.Type, error) {
	switch v {
	case "string": // most are
		return cty.String, nil
	case "number":
		return cty.Number, nil
	case "bool":
		return cty.Bool, nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return cty.NilType, err
	}
	return ctyjson.UnmarshalType(b)
}

func tupleFromJSON(list []any, types []cty.Type, path string) (cty.Value, error) {
	if len(list) != len(types) {
		return cty.NilVal, fmt.Errorf("%q has %d elements, and its type %d", path, len(list), len(types))
	}
	elems := make([]cty.Value, len(list))
	for i, e := range list {
		v, err := fromJSON(e, types[i], join(path, strconv.Itoa(i)))
		if err != nil {
			return cty.NilVal, err
		}
		elems[i] = v
	}
	return cty.TupleVal(elems), nil
}

func setFromJSON(list []any, t cty.Type, path string) (cty.Value, error) {
	if len(list) == 0 {
		return cty.SetValEmpty(t), nil
	}
	v, err := listFromJSON(list, t, path)
	if err != nil {
		return cty.NilVal, err
	}
	return cty.SetVal(v.AsValueSlice()), nil
}

// Copies gives, for a path into an attribute that others are a copy of, the same path into
// each of those: what is to be hidden in the one is to be hidden in the other.
func (s *Schema) Copies(path cty.Path) []cty.Path {
	first, ok := path[0].(cty.GetAttrStep)
	if !ok {
		return nil
	}
	var out []cty.Path
	for _, a := range s.Attributes {
		if a.CopyOf == first.Name {
			out = append(out, append(cty.GetAttrPath(a.Name), path[1:]...))
		}
	}
	return out
}
