package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/marks"
)

func TestFormat(t *testing.T) {
	str, num := cty.StringVal, cty.NumberIntVal
	for _, c := range []struct {
		value cty.Value
		want  string
	}{
		{str("a\"b"), `"a\"b"`},
		{num(1 << 60), "1152921504606846976"},
		{cty.NumberFloatVal(0.5), "0.5"},
		{cty.True, "true"},
		{cty.UnknownVal(cty.String), "(known after apply)"},
		{str("x").Mark(marks.Sensitive), "(sensitive value)"},
		{str("x").Mark(marks.Ephemeral), "(ephemeral value)"},
		{cty.UnknownVal(cty.String).Mark(marks.Sensitive), "(known after apply)"},
		{cty.NullVal(cty.DynamicPseudoType), "null"},
		{cty.NullVal(cty.String), "tostring(null)"},
		{cty.NullVal(cty.Number), "tonumber(null)"},
		{cty.NullVal(cty.Bool), "tobool(null)"},
		{cty.NullVal(cty.List(cty.String)), "tolist(null) /* of string */"},
		{cty.NullVal(cty.Set(cty.Number)), "toset(null) /* of number */"},
		{cty.NullVal(cty.Map(cty.Bool)), "tomap(null) /* of bool */"},
		{cty.NullVal(cty.EmptyObject), "null /* object */"},
		{cty.EmptyTupleVal, "[]"},
		{cty.EmptyObjectVal, "{}"},
		{cty.ListValEmpty(cty.String), "tolist([])"},
		{cty.TupleVal([]cty.Value{num(1), str("a")}), "[\n  1,\n  \"a\",\n]"},
		{cty.SetVal([]cty.Value{num(1)}), "toset([\n  1,\n])"},
		{
			cty.ObjectVal(map[string]cty.Value{"a": cty.MapVal(map[string]cty.Value{"k": str("v")}), "hidden": num(1).Mark(marks.Sensitive)}),
			"{\n  \"a\" = tomap({\n    \"k\" = \"v\"\n  })\n  \"hidden\" = (sensitive value)\n}",
		},
		{str("one\ntwo"), "<<EOT\none\ntwo\nEOT"},
		{str("one\nEOT\n"), "<<EOT_\none\nEOT\n\nEOT_"},
		{cty.ListVal([]cty.Value{str("one\ntwo")}), "tolist([\n  <<-EOT\n  one\n  two\n  EOT,\n])"},
	} {
		if diff := cmp.Diff(c.want, Format(c.value)); diff != "" {
			t.Errorf("%#v:\n%s", c.value, diff)
		}
	}
}

// A record lists sensitive parts by their written paths, whatever their steps are.
func TestPathsIn(t *testing.T) {
	secret := cty.StringVal("hunter2")
	v := cty.ObjectVal(map[string]cty.Value{
		"env":  cty.MapVal(map[string]cty.Value{"PASSWORD": secret, "LANG": cty.StringVal("C")}),
		"peer": cty.ObjectVal(map[string]cty.Value{"key": secret}),
		"list": cty.ListVal([]cty.Value{secret, cty.StringVal("b")}),
	})
	want := "{\n  \"env\" = tomap({\n    \"LANG\" = \"C\"\n    \"PASSWORD\" = (sensitive value)\n  })\n" +
		"  \"list\" = tolist([\n    (sensitive value),\n    \"b\",\n  ])\n  \"peer\" = {\n    \"key\" = (sensitive value)\n  }\n}"
	got := Format(mark(v, pathsIn(v, []string{"env.PASSWORD", "peer.key", "list.0", "gone.0"})))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
