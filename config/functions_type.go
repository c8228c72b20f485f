package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// typeArguments are the functions with an argument that is a type, and which one it is.
var typeArguments = map[string]int{"convert": 1, coreNamespace + "convert": 1}

// typeArgument is a type as variable blocks have it, with defaults of optional attributes.
type typeArgument struct {
	ty       cty.Type
	defaults *typeexpr.Defaults
}

// convert(value, type): the type is written as in a variable block, object({...}) for one.
var convertFunc = makeConvert(func() cty.Type {
	var self cty.Type // values of the type are made by its own operations
	self = cty.CapsuleWithOps("type", reflect.TypeFor[typeArgument](), &cty.CapsuleOps{
		ExtensionData: func(key any) any {
			if key != customdecode.CustomExpressionDecoder {
				return nil
			}
			return customdecode.CustomExpressionDecoderFunc(func(expr hcl.Expression, _ *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
				ty, defaults, diags := typeexpr.TypeConstraintWithDefaults(expr)
				return cty.CapsuleVal(self, &typeArgument{ty, defaults}), diags
			})
		},
	})
	return self
}())

func makeConvert(typeType cty.Type) function.Function {
	converted := func(args []cty.Value) (cty.Value, error) {
		to := args[1].EncapsulatedValue().(*typeArgument)
		v := args[0]
		if to.defaults != nil && !v.IsNull() {
			v = to.defaults.Apply(v)
		}
		v, err := convert.Convert(v, to.ty)
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		return v, nil
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{anything, {Name: "type", Type: typeType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			v, err := converted(args)
			if err != nil {
				return cty.NilType, err
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return converted(args) },
	})
}

// makeTo makes a function that converts to a type, by the rules of stdlib.MakeToFunc; but each
// element keeps its own marks, so that one secret does not hide a whole list.
func makeTo(ty cty.Type) function.Function {
	convertPlain := stdlib.MakeToFunc(ty)
	v := named("v")
	return function.New(&function.Spec{
		Params: []function.Parameter{v},
		Type:   func(args []cty.Value) (cty.Type, error) { return convertPlain.ReturnTypeForValues(args) },
		Impl: func(args []cty.Value, retType cty.Type) (cty.Value, error) {
			if plain, found := args[0].Unmark(); !plain.IsKnown() {
				return cty.UnknownVal(retType).WithMarks(found), nil
			}
			if out, err := convert.Convert(args[0], retType); err == nil {
				return out, nil
			}
			return convertPlain.Call(args) // it says better what is wrong
		},
	})
}

// typeCapsule is what the function type gives: the console prints it with TypeString, and
// nothing else can be done with it.
var typeCapsule = cty.Capsule("type", reflect.TypeFor[cty.Type]())

// type(value), in the console: what type a value has.
var typeFunc = function.New(&function.Spec{
	Params: []function.Parameter{anything},
	Type:   function.StaticReturnType(typeCapsule),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		ty := args[0].Type()
		return cty.CapsuleVal(typeCapsule, &ty), nil
	},
})

// TypeResult gives the type that a value stands for which the function type has given.
func TypeResult(v cty.Value) (cty.Type, bool) {
	v, _ = v.Unmark()
	if v.Type() != typeCapsule || !v.IsKnown() || v.IsNull() {
		return cty.NilType, false
	}
	return *v.EncapsulatedValue().(*cty.Type), true
}

// TypeString writes a type as a variable block would have it, one attribute a line.
func TypeString(ty cty.Type) string { return typeString(ty, "") }

func typeString(ty cty.Type, margin string) string {
	const step = "    "
	var lines []string
	switch {
	case ty.IsObjectType():
		for name, attr := range ty.AttributeTypes() {
			lines = append(lines, fmt.Sprintf("%s: %s", name, typeString(attr, margin+step)))
		}
		slices.Sort(lines)
		return bracketed("object({", lines, "})", margin, step)
	case ty.IsTupleType():
		for _, elem := range ty.TupleElementTypes() {
			lines = append(lines, typeString(elem, margin+step))
		}
		return bracketed("tuple([", lines, "])", margin, step)
	case ty.IsCollectionType():
		kind := map[bool]string{ty.IsListType(): "list(", ty.IsMapType(): "map(", ty.IsSetType(): "set("}[true]
		elem := ty.ElementType()
		if elem.IsObjectType() || elem.IsTupleType() {
			return bracketed(kind, []string{typeString(elem, margin+step)}, ")", margin, step)
		}
		return kind + typeString(elem, margin) + ")"
	}
	return ty.FriendlyName()
}

// bracketed puts each line on one of its own, a step further in than margin.
func bracketed(open string, lines []string, closing, margin, step string) string {
	if len(lines) == 0 {
		return open + closing
	}
	var b strings.Builder
	b.WriteString(open + "\n")
	for _, line := range lines {
		b.WriteString(margin + step + line + ",\n")
	}
	b.WriteString(margin + closing)
	return b.String()
}

// planTimestamp gives plantimestamp(): the time of the plan, also while it is applied. Where
// there is no plan yet, it is unknown.
func planTimestamp(at time.Time) function.Function {
	return function.New(&function.Spec{
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
			if at.IsZero() {
				return cty.UnknownVal(cty.String), nil
			}
			return cty.StringVal(at.UTC().Format(time.RFC3339)), nil
		},
	})
}

// IsRemovedFunction reports whether a function is nothing but an error that says what there is
// instead.
func IsRemovedFunction(name string) bool {
	switch strings.TrimPrefix(name, coreNamespace) {
	case "list", "map":
		return true
	}
	return false
}

// removedFunction makes a function that Terraform once had, so that whoever calls it is told
// what there is now.
func removedFunction(name, instead string) function.Function {
	err := fmt.Errorf("%s was removed from the language with Terraform 0.12; write %s", name, instead)
	values := named("vals")
	return function.New(&function.Spec{
		VarParam: &values,
		Type:     func([]cty.Value) (cty.Type, error) { return cty.NilType, err },
		Impl:     func([]cty.Value, cty.Type) (cty.Value, error) { return cty.NilVal, err },
	})
}
