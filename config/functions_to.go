package config

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// toCollection is tolist, toset or tomap. To find the type that elements of
// several types have in common, the library compares each with each other, even where all have
// one type: seconds for ten thousand. So such are told their type, which is what it would find.
func toCollection(collection func(element cty.Type) cty.Type) function.Function {
	want := collection(cty.DynamicPseudoType)
	general := makeTo(want)
	return function.New(&function.Spec{
		Params: general.Params(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if _, ok := uniform(args[0].Type()); ok {
				if conv := convert.GetConversionUnsafe(shortened(args[0].Type()), want); conv != nil {
					return want, nil
				}
			}
			return general.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			plain, _ := args[0].Unmark()
			if element, ok := uniform(plain.Type()); ok && plain.IsKnown() {
				if v, err := convert.Convert(args[0], collection(element)); err == nil {
					return v, nil
				}
			}
			return general.Call(args)
		},
	})
}

// uniform gives the type that all elements of a tuple or object have, if it is one alone.
func uniform(t cty.Type) (element cty.Type, ok bool) {
	switch {
	case t.IsTupleType():
		types := t.TupleElementTypes()
		if len(types) == 0 {
			return cty.NilType, false
		}
		element = types[0]
		for _, other := range types {
			if !other.Equals(element) {
				return cty.NilType, false
			}
		}
	case t.IsObjectType():
		for _, other := range t.AttributeTypes() {
			if element != cty.NilType && !other.Equals(element) {
				return cty.NilType, false
			}
			element = other
		}
	}
	return element, element != cty.NilType && !element.HasDynamicTypes()
}

// shortened gives a uniform type with one element, which converts as the whole does.
func shortened(t cty.Type) cty.Type {
	if t.IsTupleType() {
		return cty.Tuple(t.TupleElementTypes()[:1])
	}
	for name, element := range t.AttributeTypes() {
		return cty.Object(map[string]cty.Type{name: element})
	}
	return t
}
