package config

import (
	"errors"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/diyform/diyform/internal/marks"
)

var (
	sensitiveFunc = markFunc(func(v cty.Value) cty.Value { return v.Mark(marks.Sensitive) })

	nonsensitiveFunc = markFunc(func(v cty.Value) cty.Value {
		v, rest := v.Unmark()
		delete(rest, marks.Sensitive)
		return v.WithMarks(rest)
	})

	isSensitiveFunc = function.New(&function.Spec{
		Params:       []function.Parameter{anything},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsKnown() {
				// What it will be may come from elsewhere, as in x ? var.secret : "a".
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.BoolVal(args[0].HasMark(marks.Sensitive)), nil
		},
	})
)

var anything = function.Parameter{
	Name: "value", Type: cty.DynamicPseudoType,
	AllowUnknown: true, AllowNull: true, AllowMarked: true, AllowDynamicType: true,
}

func named(name string) function.Parameter {
	p := anything
	p.Name = name
	return p
}

// markFunc makes a function that changes nothing but the marks of its argument.
func markFunc(change func(cty.Value) cty.Value) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anything},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return change(args[0]), nil
		},
	})
}

// ephemeralasnull(value): null in the place of everything ephemeral in it.
var ephemeralAsNullFunc = function.New(&function.Spec{
	Params: []function.Parameter{anything},
	Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return cty.Transform(args[0], func(_ cty.Path, v cty.Value) (cty.Value, error) {
			plain, found := v.Unmark()
			_, ephemeral := found[marks.Ephemeral]
			delete(found, marks.Ephemeral)
			switch {
			case !plain.IsKnown(): // whether it is ephemeral, and so null, is seen only later
				plain = cty.UnknownVal(plain.Type())
			case ephemeral:
				plain = cty.NullVal(plain.Type())
			}
			return plain.WithMarks(found), nil
		})
	},
})

// quotesNothing are the functions whose errors never have an argument's value in them. Their
// arguments may be large collections, where discreet costs as much as the call itself.
var quotesNothing = map[string]bool{
	"alltrue": true, "anytrue": true, "can": true, "chunklist": true, "coalesce": true, "coalescelist": true,
	"compact": true, "concat": true, "contains": true, "convert": true, "distinct": true, "element": true,
	"ephemeralasnull": true, "flatten": true, "index": true, "issensitive": true, "join": true,
	"jsonencode": true, "keys": true, "length": true, "lookup": true, "matchkeys": true, "merge": true,
	"nonsensitive": true, "one": true, "range": true, "reverse": true, "sensitive": true,
	"setintersection": true, "setproduct": true, "setsubtract": true, "setunion": true, "slice": true,
	"sort": true, "sum": true, "tolist": true, "tomap": true, "toset": true, "transpose": true, "try": true,
	"values": true, "yamlencode": true, "zipmap": true,
}

// discreet makes a function that gives no reason for an error when an argument is sensitive or
// ephemeral: reasons quote arguments.
func discreet(f function.Function) function.Function {
	hide := func(args []cty.Value, err error) error {
		if err == nil {
			return nil
		}
		for _, arg := range args {
			if marks.Contains(arg, marks.Sensitive) || marks.Contains(arg, marks.Ephemeral) {
				return hiddenReason(err)
			}
		}
		return err
	}
	spec := &function.Spec{
		Description: f.Description(),
		VarParam:    f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			ty, err := f.ReturnTypeForValues(args)
			return ty, hide(args, err)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			return v, hide(args, err)
		},
	}
	for _, p := range f.Params() {
		spec.Params = append(spec.Params, passThrough(p))
	}
	if spec.VarParam != nil {
		p := passThrough(*spec.VarParam)
		spec.VarParam = &p
	}
	return function.New(spec)
}

// passThrough leaves it to the function itself what becomes of unknown and marked arguments.
func passThrough(p function.Parameter) function.Parameter {
	p.AllowUnknown, p.AllowDynamicType, p.AllowMarked = true, true, true
	return p
}

func hiddenReason(err error) error {
	const reason = "it does not accept these arguments; the reason could show a sensitive or ephemeral one"
	if argErr, ok := errors.AsType[function.ArgError](err); ok {
		return function.NewArgErrorf(argErr.Index, reason)
	}
	return errors.New(reason)
}
