package config

import (
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/diyform/diyform/internal/marks"
)

// assumeequal(actual, assumed): the second, known in a plan already, although the first is
// known only after apply. It is an error once they turn out to differ.
var assumeEqualFunc = function.New(&function.Spec{
	Params: []function.Parameter{named("actual_value"), named("expected_value")},
	Type:   func(args []cty.Value) (cty.Type, error) { return args[1].Type(), nil },
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		actual, err := convert.Convert(args[0], args[1].Type())
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "the actual value is %s, the assumed one %s",
				args[0].Type().FriendlyName(), args[1].Type().FriendlyName())
		}
		if eq, _ := actual.Equals(args[1]).Unmark(); eq.IsKnown() && eq.False() {
			return cty.NilVal, function.NewArgErrorf(0, "the actual value is not the assumed one")
		}
		// The assumed value was written down openly, so it is no secret that the other is equal.
		_, others := actual.UnmarkDeepWithPaths()
		others = slices.DeleteFunc(others, func(at cty.PathValueMarks) bool {
			delete(at.Marks, marks.Sensitive)
			delete(at.Marks, marks.Ephemeral)
			return len(at.Marks) == 0
		})
		return args[1].MarkWithPaths(others), nil
	},
})

// assumenotnull(value): a value that is unknown in the plan is taken not to be null.
var assumeNotNullFunc = assume(cty.DynamicPseudoType, nil, func(v cty.Value, _ []cty.Value) (cty.Value, error) {
	if v.Type() == cty.DynamicPseudoType {
		return cty.NilVal, fmt.Errorf(`the value must be of a known type; convert gives it one`)
	}
	return refine(v, notNull)
})

// assumestringprefix(value, prefix): the start of a string that is unknown in the plan.
var assumeStringPrefixFunc = assume(cty.String, []string{"prefix"}, func(v cty.Value, args []cty.Value) (cty.Value, error) {
	return refine(v, func(b *cty.RefinementBuilder) *cty.RefinementBuilder { return b.StringPrefix(args[0].AsString()) })
})

// bounds are the lengths that are assumed of a collection.
type bounds struct {
	params []string
	of     func(n []int) (least, most int)
}

const unbounded = math.MaxInt

var (
	lengthBetween = bounds{[]string{"min_length", "max_length"}, func(n []int) (int, int) { return n[0], n[1] }}
	lengthAtLeast = bounds{[]string{"min_length"}, func(n []int) (int, int) { return n[0], unbounded }}
	lengthAtMost  = bounds{[]string{"max_length"}, func(n []int) (int, int) { return 0, n[0] }}
)

// assumeLength makes assumelistlength(list, bounds...) and its like, for what kind makes.
func assumeLength(kind func(cty.Type) cty.Type, b bounds) function.Function {
	return assume(kind(cty.DynamicPseudoType), b.params, func(v cty.Value, args []cty.Value) (cty.Value, error) {
		numbers := make([]int, len(args))
		for i, arg := range args {
			n, accuracy := arg.AsBigFloat().Int64()
			if accuracy != big.Exact || n >= math.MaxInt {
				return cty.NilVal, function.NewArgErrorf(i+1, "must be a whole number")
			}
			numbers[i] = int(n)
		}
		least, most := b.of(numbers)
		return refine(v, func(r *cty.RefinementBuilder) *cty.RefinementBuilder {
			r = r.CollectionLengthLowerBound(least)
			if most != unbounded {
				r = r.CollectionLengthUpperBound(most)
			}
			return r
		})
	})
}

// assume makes a function that gives its first argument with more known of it, and strings or
// numbers after it that say what.
func assume(ty cty.Type, params []string, with func(v cty.Value, args []cty.Value) (cty.Value, error)) function.Function {
	spec := &function.Spec{
		Params: []function.Parameter{{Name: "value", Type: ty, AllowUnknown: true, AllowNull: true, AllowDynamicType: true}},
		Type:   function.StaticReturnType(ty),
		Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return with(args[0], args[1:]) },
	}
	for _, name := range params {
		p := function.Parameter{Name: name, Type: cty.Number}
		if ty == cty.String {
			p.Type = cty.String
		}
		spec.Params = append(spec.Params, p)
	}
	return function.New(spec)
}

// refine says what more is known of a value. cty has no other way to tell that it contradicts
// the value than a panic.
func refine(v cty.Value, with func(*cty.RefinementBuilder) *cty.RefinementBuilder) (out cty.Value, err error) {
	defer func() {
		if recover() != nil {
			err = function.NewArgErrorf(0, "the assumption does not hold")
		}
	}()
	return v.RefineWith(with), nil
}
