package config

import (
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/diyform/diyform/internal/marks"
)

// length(value): elements of a collection, characters of a string. Sensitive elements do not
// make their number sensitive.
var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{
		Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true, AllowMarked: true,
	}},
	Type: func(args []cty.Value) (cty.Type, error) {
		ty := args[0].Type()
		if ty == cty.String || ty == cty.DynamicPseudoType || ty.IsCollectionType() || ty.IsTupleType() || ty.IsObjectType() {
			return cty.Number, nil
		}
		return cty.Number, function.NewArgErrorf(0, "must be a string, a collection or a structure, not %s", ty.FriendlyName())
	},
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		val, valMarks := args[0].Unmark()
		ty := val.Type()
		length := cty.UnknownVal(cty.Number)
		switch {
		case ty == cty.String:
			var err error
			if length, err = stdlib.Strlen(val); err != nil {
				return cty.NilVal, err
			}
		case ty.IsTupleType():
			length = cty.NumberIntVal(int64(len(ty.TupleElementTypes())))
		case ty.IsObjectType():
			length = cty.NumberIntVal(int64(len(ty.AttributeTypes())))
		case ty.IsCollectionType():
			length = val.Length()
		}
		return length.WithMarks(valMarks), nil
	},
})

// lookup(map, key, default): the default may be left out, and then the key must be there.
var lookupFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "map", Type: cty.DynamicPseudoType, AllowMarked: true},
		{Name: "key", Type: cty.String, AllowMarked: true},
	},
	VarParam: &function.Parameter{
		Name: "default", Type: cty.DynamicPseudoType,
		AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
	},
	Type: lookupType,
	Impl: func(args []cty.Value, retType cty.Type) (cty.Value, error) {
		from, mapMarks := args[0].Unmark()
		keyVal, keyMarks := args[1].Unmark()
		key := keyVal.AsString()
		var found cty.Value
		switch {
		case from.Type().IsObjectType() && from.Type().HasAttribute(key):
			found = from.GetAttr(key)
		case from.Type().IsMapType() && from.HasIndex(keyVal).True():
			found = from.Index(keyVal)
		case len(args) == 3:
			var err error
			if found, err = convert.Convert(args[2], retType); err != nil {
				return cty.NilVal, function.NewArgError(2, err)
			}
		default:
			return cty.NilVal, missingKey(args[1])
		}
		return found.WithMarks(mapMarks, keyMarks), nil
	},
})

func missingKey(key cty.Value) error {
	plain, found := key.Unmark()
	if found.Has(marks.Sensitive) || found.Has(marks.Ephemeral) {
		return function.NewArgErrorf(1, "there is no such key, which is sensitive or ephemeral, and no default is given")
	}
	return function.NewArgErrorf(1, "there is no key %q, and no default is given", plain.AsString())
}

func lookupType(args []cty.Value) (cty.Type, error) {
	if len(args) > 3 {
		return cty.NilType, fmt.Errorf("lookup takes two or three arguments, got %d", len(args))
	}
	from := args[0].Type()
	switch {
	case from.IsMapType():
		if len(args) == 3 {
			if _, err := convert.Convert(args[2], from.ElementType()); err != nil {
				return cty.NilType, function.NewArgErrorf(2, "must have the type of the map's elements")
			}
		}
		return from.ElementType(), nil
	case from.IsObjectType():
		key, _ := args[1].Unmark()
		if !key.IsKnown() {
			return cty.DynamicPseudoType, nil
		}
		if from.HasAttribute(key.AsString()) {
			return from.AttributeType(key.AsString()), nil
		}
		if len(args) == 3 {
			return args[2].Type(), nil
		}
		return cty.NilType, missingKey(args[1])
	}
	return cty.NilType, function.NewArgErrorf(0, "must be a map or an object, not %s", from.FriendlyName())
}

// index(list, value): the position of the first element that equals value.
var indexFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "list", Type: cty.DynamicPseudoType},
		{Name: "value", Type: cty.DynamicPseudoType},
	},
	Type:         function.StaticReturnType(cty.Number),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if !args[0].Type().IsListType() && !args[0].Type().IsTupleType() {
			return cty.NilVal, function.NewArgErrorf(0, "must be a list or tuple, not %s", args[0].Type().FriendlyName())
		}
		for it := args[0].ElementIterator(); it.Next(); {
			i, v := it.Element()
			eq, err := stdlib.Equal(v, args[1])
			if err != nil {
				return cty.NilVal, err
			}
			if !eq.IsKnown() {
				return cty.UnknownVal(cty.Number), nil
			}
			if eq.True() {
				return i, nil
			}
		}
		return cty.NilVal, function.NewArgErrorf(1, "the list has no such element")
	},
})

// coalesce(values...): the first that is neither null nor an empty string. Which one that is
// tells of all of them, so the result has the marks of all.
var coalesceFunc = function.New(&function.Spec{
	VarParam: &function.Parameter{
		Name: "vals", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowNull: true,
	},
	Type: func(args []cty.Value) (cty.Type, error) {
		types := make([]cty.Type, len(args))
		for i, arg := range args {
			types[i] = arg.Type()
		}
		ty, _ := convert.UnifyUnsafe(types)
		if ty == cty.NilType {
			return cty.NilType, fmt.Errorf("all arguments must have the same type")
		}
		return ty, nil
	},
	RefineResult: notNull,
	Impl: func(args []cty.Value, retType cty.Type) (cty.Value, error) {
		for _, arg := range args {
			val, err := convert.Convert(arg, retType)
			if err != nil {
				return cty.NilVal, err
			}
			if !val.IsKnown() {
				return cty.UnknownVal(retType), nil
			}
			if val.IsNull() || retType == cty.String && val.AsString() == "" {
				continue
			}
			return val, nil
		}
		return cty.NilVal, fmt.Errorf("no argument is other than null or an empty string")
	},
})

// matchkeys(values, keys, searchset): the values at the positions of keys that are in searchset.
var matchKeysFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "values", Type: cty.List(cty.DynamicPseudoType)},
		{Name: "keys", Type: cty.List(cty.DynamicPseudoType)},
		{Name: "searchset", Type: cty.List(cty.DynamicPseudoType)},
	},
	Type: func(args []cty.Value) (cty.Type, error) {
		if ty, _ := convert.UnifyUnsafe([]cty.Type{args[1].Type(), args[2].Type()}); ty == cty.NilType {
			return cty.NilType, fmt.Errorf("keys and searchset must be of the same type")
		}
		return args[0].Type(), nil
	},
	RefineResult: notNull,
	Impl:         matchKeys,
})

func matchKeys(args []cty.Value, retType cty.Type) (cty.Value, error) {
	values := args[0]
	ty, _ := convert.UnifyUnsafe([]cty.Type{args[1].Type(), args[2].Type()})
	keys, err := convert.Convert(args[1], ty)
	if err != nil {
		return cty.NilVal, function.NewArgError(1, err)
	}
	wanted, err := convert.Convert(args[2], ty)
	if err != nil {
		return cty.NilVal, function.NewArgError(2, err)
	}
	switch {
	case values.LengthInt() != keys.LengthInt():
		return cty.NilVal, fmt.Errorf("keys and values must be of equal length")
	case wanted.LengthInt() == 0:
		return cty.ListValEmpty(retType.ElementType()), nil
	case !values.IsWhollyKnown() || !keys.IsWhollyKnown() || !wanted.IsWhollyKnown():
		return cty.UnknownVal(retType), nil
	}
	var out []cty.Value
	elements := values.AsValueSlice()
	for i, key := range keys.AsValueSlice() {
		if slices.ContainsFunc(wanted.AsValueSlice(), key.RawEquals) {
			out = append(out, elements[i])
		}
	}
	if len(out) == 0 {
		return cty.ListValEmpty(retType.ElementType()), nil
	}
	return cty.ListVal(out), nil
}

// one(list): its only element, or null when it has none.
var oneFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type: func(args []cty.Value) (cty.Type, error) {
		ty := args[0].Type()
		switch {
		case ty.IsListType() || ty.IsSetType():
			return ty.ElementType(), nil
		case ty.IsTupleType() && ty.Length() == 0:
			return cty.DynamicPseudoType, nil
		case ty.IsTupleType() && ty.Length() == 1:
			return ty.TupleElementType(0), nil
		}
		return cty.NilType, function.NewArgErrorf(0, "must be a list, set or tuple of no or one element")
	},
	Impl: func(args []cty.Value, retType cty.Type) (cty.Value, error) {
		if !args[0].Length().IsKnown() {
			return cty.UnknownVal(retType), nil
		}
		switch args[0].LengthInt() {
		case 0:
			return cty.NullVal(retType), nil
		case 1:
			return args[0].AsValueSlice()[0], nil
		}
		return cty.NilVal, function.NewArgErrorf(0, "must be a list, set or tuple of no or one element")
	},
})

// sum(list): of numbers, or of what converts to numbers.
var sumFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type:         function.StaticReturnType(cty.Number),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if !args[0].CanIterateElements() || args[0].Type().IsMapType() || args[0].Type().IsObjectType() {
			return cty.NilVal, function.NewArgErrorf(0, "must be a list, set or tuple of numbers")
		}
		if args[0].LengthInt() == 0 {
			return cty.NilVal, function.NewArgErrorf(0, "cannot sum an empty list")
		}
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(cty.Number), nil
		}
		total := cty.Zero
		for it := args[0].ElementIterator(); it.Next(); {
			_, v := it.Element()
			number, err := convert.Convert(v, cty.Number)
			if err != nil || number.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "must hold numbers only")
			}
			total = total.Add(number)
		}
		return total, nil
	},
})

// transpose(map of lists): each element becomes a key, with the keys that listed it.
var transposeFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "values", Type: cty.Map(cty.List(cty.String))}},
	Type:         function.StaticReturnType(cty.Map(cty.List(cty.String))),
	RefineResult: notNull,
	Impl: func(args []cty.Value, retType cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(retType), nil
		}
		keysByItem := map[string][]cty.Value{}
		for it := args[0].ElementIterator(); it.Next(); {
			key, items := it.Element()
			for _, item := range items.AsValueSlice() {
				if item.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "must not hold null")
				}
				keysByItem[item.AsString()] = append(keysByItem[item.AsString()], key)
			}
		}
		if len(keysByItem) == 0 {
			return cty.MapValEmpty(cty.List(cty.String)), nil
		}
		out := map[string]cty.Value{}
		for item, keys := range keysByItem {
			out[item] = cty.ListVal(keys)
		}
		return cty.MapVal(out), nil
	},
})

var (
	allTrueFunc = function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			for _, v := range args[0].AsValueSlice() {
				switch {
				case !v.IsKnown():
					return cty.UnknownVal(cty.Bool), nil
				case v.IsNull() || v.False():
					return cty.False, nil
				}
			}
			return cty.True, nil
		},
	})

	anyTrueFunc = function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			result := cty.False
			for _, v := range args[0].AsValueSlice() {
				switch {
				case !v.IsKnown():
					result = cty.UnknownVal(cty.Bool)
				case !v.IsNull() && v.True():
					return cty.True, nil
				}
			}
			return result, nil
		},
	})
)
