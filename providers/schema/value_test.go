package schema_test

import (
	"maps"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"
)

// values are attributes by name.
type values map[string]cty.Value

// object gives an object of type t with the given attributes, the others null or empty.
func object(t cty.Type, given values) cty.Value {
	m := values{}
	for name, at := range t.AttributeTypes() {
		m[name] = cty.NullVal(at)
		if at.IsListType() && at.ElementType().IsObjectType() {
			m[name] = cty.ListValEmpty(at.ElementType())
		}
	}
	maps.Copy(m, given)
	return cty.ObjectVal(m)
}

// whole gives a link with all attributes, given what may be set.
func whole(given values) cty.Value { return object(links.ImpliedType(), given) }

// settable gives a link as configuration decodes it.
func settable(given values) cty.Value { return object(hcldec.ImpliedType(links.Spec()), given) }

func nested(block string, given values) cty.Value {
	return object(links.Block(block).ImpliedType(), given)
}

func nestedSettable(block string, given values) cty.Value {
	return object(hcldec.ImpliedType(links.Block(block).Spec()), given)
}

func str(s string) cty.Value { return cty.StringVal(s) }

func num(n int64) cty.Value { return cty.NumberIntVal(n) }

func strs(list ...string) cty.Value {
	var elems []cty.Value
	for _, s := range list {
		elems = append(elems, str(s))
	}
	if len(elems) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	return cty.ListVal(elems)
}
