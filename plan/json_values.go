package plan

import (
	"encoding/json"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// knownJSON encodes what is known of v: unknown attributes are left out, unknown elements of
// a list are null.
func knownJSON(v cty.Value) (json.RawMessage, error) {
	v = omitUnknown(v)
	return ctyjson.Marshal(v, v.Type())
}

func omitUnknown(v cty.Value) cty.Value {
	switch {
	case !v.IsKnown(), v.IsNull() && v.Type() == cty.DynamicPseudoType:
		return cty.NullVal(cty.String) // one of no type would be written with that
	case v.IsNull(), v.IsWhollyKnown() && !v.Type().HasDynamicTypes():
		return v
	case v.Type().IsObjectType() || v.Type().IsMapType():
		m := map[string]cty.Value{}
		for k, e := range v.AsValueMap() {
			if e.IsKnown() {
				m[k] = omitUnknown(e)
			}
		}
		return cty.ObjectVal(m)
	}
	var elems []cty.Value
	for _, e := range v.AsValueSlice() {
		elems = append(elems, omitUnknown(e))
	}
	return cty.TupleVal(elems)
}

// unknownTree is true where v is unknown, and false or an empty collection where it is not.
func unknownTree(v cty.Value) any {
	return tree(v, "", func(_ string, v cty.Value) bool { return !v.IsKnown() })
}

// sensitiveTree is true where a part of v, or what it is in, is one of the hidden paths.
func sensitiveTree(v cty.Value, hidden map[string]bool) any {
	return tree(v, "", func(path string, _ cty.Value) bool { return hidden[path] })
}

// tree has the form of v. Its leaves are true where holds says so; what is false in an object
// is left out, as Terraform does it.
func tree(v cty.Value, path string, holds func(path string, v cty.Value) bool) any {
	switch {
	case holds(path, v):
		return true
	case !v.IsKnown() || v.IsNull() || v.Type().IsPrimitiveType():
		return false
	case v.Type().IsObjectType() || v.Type().IsMapType():
		m := map[string]any{}
		for k, e := range v.AsValueMap() {
			if t := tree(e, joinPath(path, k), holds); t != false {
				m[k] = t
			}
		}
		return m
	}
	list := []any{}
	for i, e := range v.AsValueSlice() {
		at := indexPath(path, i)
		if v.Type().IsSetType() {
			at = joinPath(path, "*") // see formatPath
		}
		list = append(list, tree(e, at, holds))
	}
	return list
}

// hiddenPaths gives paths as formatPath writes them.
func hiddenPaths(lists ...[]cty.Path) map[string]bool {
	hidden := map[string]bool{}
	for _, list := range lists {
		for _, p := range list {
			hidden[formatPath(p)] = true
		}
	}
	return hidden
}
