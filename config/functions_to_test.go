package config

import (
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/diyform/diyform/internal/marks"
)

// What has elements of one type converts to what it would as any other, errors included.
func TestToCollection(t *testing.T) {
	a, b := cty.StringVal("a"), cty.StringVal("b")
	secret := b.Mark(marks.Sensitive)
	object := func(x, y cty.Value) cty.Value { return cty.ObjectVal(map[string]cty.Value{"x": x, "y": y}) }
	tuple := func(list ...cty.Value) cty.Value { return cty.TupleVal(list) }
	inputs := []cty.Value{
		tuple(), tuple(a), tuple(a, b, a), tuple(a, cty.NumberIntVal(1)), tuple(a, cty.NullVal(cty.String)), tuple(a, secret),
		tuple(a, cty.UnknownVal(cty.String)), tuple(a, cty.DynamicVal), tuple(cty.NullVal(cty.DynamicPseudoType)),
		tuple(tuple(a), tuple(b)), tuple(tuple(a), tuple(a, b)), tuple(object(a, b), object(b, a)),
		tuple(cty.ListValEmpty(cty.DynamicPseudoType)), tuple(a, b).Mark(marks.Sensitive),
		cty.EmptyObjectVal, object(a, b), object(a, cty.True), object(a, secret), object(a, cty.UnknownVal(cty.String)),
		object(tuple(a), tuple(b)), cty.ListVal([]cty.Value{a, b}), cty.SetVal([]cty.Value{a, b}),
		cty.MapVal(map[string]cty.Value{"k": a}), cty.DynamicVal, cty.NullVal(cty.DynamicPseudoType),
		cty.UnknownVal(tuple(a, b).Type()), cty.NullVal(tuple(a, b).Type()), cty.UnknownVal(object(a, b).Type()), a,
	}
	for name, collection := range map[string]func(cty.Type) cty.Type{"tolist": cty.List, "toset": cty.Set, "tomap": cty.Map} {
		ours, theirs := toCollection(collection), makeTo(collection(cty.DynamicPseudoType))
		for _, v := range inputs {
			got, want := called(ours, v), called(theirs, v)
			if got != want {
				t.Errorf("%s(%#v) is %s, and not %s", name, v, got, want)
			}
		}
	}
}

func called(f function.Function, v cty.Value) string {
	got, err := f.Call([]cty.Value{v})
	t, typeErr := f.ReturnTypeForValues([]cty.Value{v})
	return fmt.Sprintf("%#v %v %#v %v", got, err, t, typeErr)
}

func BenchmarkToSet(b *testing.B) {
	elems := make([]cty.Value, 10_000)
	for i := range elems {
		elems[i] = cty.StringVal(fmt.Sprint(i))
	}
	f, v := toCollection(cty.Set), cty.TupleVal(elems)
	for b.Loop() {
		if _, err := f.Call([]cty.Value{v}); err != nil {
			b.Fatal(err)
		}
	}
}
