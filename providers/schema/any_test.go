package schema_test

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/diyform/diyform/providers/schema"
)

// note has attributes of any type, on top and in a nested block.
type note struct {
	Input  schema.Any `diy:"input"`
	ID     string     `diy:"id,computed"`
	Output schema.Any `diy:"output,computed" copy:"input"`
	Inner  *inner     `diy:"inner,block"`
}

type inner struct {
	Value schema.Any `diy:"value,required"`
}

var notes = schema.Of[note]()

func noteOf(input cty.Value) cty.Value {
	return cty.ObjectVal(values{
		"input": input, "id": str("i"), "output": input, "inner": cty.ObjectVal(values{"value": input}),
	})
}

// anyValues are of all types that an expression gives.
var anyValues = map[string]cty.Value{
	"string": str("é\x00\""), "number": cty.MustParseNumberVal("1e-30"), "bool": cty.True,
	"third":       cty.NumberIntVal(1).Divide(cty.NumberIntVal(3)),
	"tuple":       cty.TupleVal([]cty.Value{str("a"), num(1), cty.NullVal(cty.DynamicPseudoType)}),
	"empty tuple": cty.EmptyTupleVal, "object": cty.ObjectVal(values{"a b.c": num(1), "d": cty.EmptyObjectVal}),
	"list": strs("a", "b"), "empty list": strs(), "list of nothing": cty.ListValEmpty(cty.DynamicPseudoType),
	"set": cty.SetVal([]cty.Value{cty.TupleVal([]cty.Value{num(1)}), cty.TupleVal([]cty.Value{num(2)})}), "empty set": cty.SetValEmpty(cty.Number),
	"map": cty.MapVal(values{"x": strs("y")}), "empty map": cty.MapValEmpty(cty.Bool),
	"list of nulls": cty.ListVal([]cty.Value{cty.NullVal(cty.String)}),
}

func TestAnyRoundTrip(t *testing.T) {
	if got := notes.ImpliedType().AttributeType("input"); got != cty.DynamicPseudoType {
		t.Fatalf("input has type %#v", got)
	}
	for name, input := range anyValues {
		v := noteOf(input)
		data, err := ctyjson.Marshal(v, notes.ImpliedType())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		read, err := notes.Parse(data)
		if err != nil || !read.RawEquals(v) {
			t.Errorf("%s: got %#v, %v of %s", name, read, err, data)
			continue
		}
		var n note
		if unknown := notes.Decode(read, &n); len(unknown) > 0 {
			t.Errorf("%s: %v is unknown", name, unknown)
		}
		if again := notes.Encode(n); !again.RawEquals(v) || len(notes.Diff(v, again)) > 0 {
			t.Errorf("%s: encoded as %#v", name, again)
		}
		if same := notes.Propose(cty.ObjectVal(values{"input": input, "inner": v.GetAttr("inner")}), v); len(notes.Diff(v, same)) > 0 {
			t.Errorf("%s: proposed again as %#v", name, same)
		}
	}
}

func TestAnyDamaged(t *testing.T) {
	for text, want := range map[string]string{
		`{"input": "bare"}`:                                       "is not dynamic",
		`{"input": {"value": 1}}`:                                 "not a value with its type",
		`{"input": {"value": 1, "type": "number", "more": 1}}`:    "not a value with its type",
		`{"input": {"value": 1, "type": "nummer"}}`:               "nummer",
		`{"input": {"value": "1", "type": "number"}}`:             "is not number",
		`{"input": {"value": [1], "type": ["tuple", []]}}`:        "has 1 elements",
		`{"input": {"value": ["a", 1], "type": ["set","bool"]}}`:  "is not bool",
		`{"input": {"value": ["a"], "type": ["tuple",["bool"]]}}`: `"input.0" is not bool`,
	} {
		if _, err := notes.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestAnyUnknown(t *testing.T) {
	partly := cty.TupleVal([]cty.Value{str("a"), cty.UnknownVal(cty.String)})
	for _, input := range []cty.Value{cty.DynamicVal, cty.UnknownVal(cty.String), partly} {
		var n note
		if unknown := notes.Decode(noteOf(input), &n); !unknown.Has("input") || !unknown.Has("inner.value") || n.Input.Value != cty.NilVal {
			t.Errorf("%#v: unknown are %v, input is %#v", input, unknown, n.Input.Value)
		}
		planned := notes.Propose(cty.ObjectVal(values{"input": input, "inner": cty.NullVal(notes.Block("inner").SettableType())}), noteOf(str("old")))
		if got := planned.GetAttr("output"); !got.RawEquals(input) || !planned.GetAttr("id").RawEquals(str("i")) {
			t.Errorf("%#v: planned is %#v", input, planned)
		}
		if len(notes.Diff(noteOf(str("old")), planned)) != 3 {
			t.Errorf("%#v: differs in %v", input, notes.Diff(noteOf(str("old")), planned))
		}
	}
}

// Null is null, whatever its type: what is recorded of it has none.
func TestAnyNull(t *testing.T) {
	a := notes.Attribute("input")
	null, typed := cty.NullVal(cty.DynamicPseudoType), cty.NullVal(cty.String)
	if !a.Equal(null, typed) || a.Equal(null, str("")) || a.Equal(str("1"), num(1)) || a.Equal(strs("a"), cty.TupleVal([]cty.Value{str("a")})) {
		t.Error("what is equal is not, or what is not is")
	}
	if got := notes.Settle(noteOf(typed), notes.Encode(&note{ID: "i", Inner: &inner{}})); len(notes.Diff(got, noteOf(null))) > 0 {
		t.Errorf("settled as %#v", got)
	}
}

// What hides a part of an attribute hides it in the copy too, as deep as names go.
func TestAnyPaths(t *testing.T) {
	path := cty.GetAttrPath("input").GetAttr("deep").IndexInt(1).IndexString("k")
	if got := notes.Addressable(path); !got.Equals(path) {
		t.Errorf("addressable is %#v", got)
	}
	got := notes.Copies(path)
	if len(got) != 1 || !got[0].Equals(cty.GetAttrPath("output").GetAttr("deep").IndexInt(1).IndexString("k")) {
		t.Errorf("the copies are %#v", got)
	}
	if got := notes.Copies(cty.GetAttrPath("id")); got != nil {
		t.Errorf("id has the copies %#v", got)
	}
}

func TestAnyInList(t *testing.T) {
	defer func() {
		if got := recover(); got == nil || !strings.Contains(got.(string), "may be given several times") {
			t.Errorf("got %v", got)
		}
	}()
	schema.Of[struct {
		List []inner `diy:"list,block"`
	}]()
}
