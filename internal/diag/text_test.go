package diag_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/marks"
)

const source = `resource "bridge" "lan" {
  name = "${var.host.nme}-${var.secret}-${net.ns[var.key].index}"
  mtu  = 17
}
`

// fault is what evaluating the name in source gives.
func fault(t *testing.T, edit func(scope map[string]cty.Value)) (*hcl.Diagnostic, map[string]*hcl.File) {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(source), "main.diy.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	expr := file.Body.(*hclsyntax.Body).Blocks[0].Body.Attributes["name"].Expr
	scope := map[string]cty.Value{
		"var": cty.ObjectVal(map[string]cty.Value{
			"host":   cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("a"), "size": cty.NumberIntVal(3)}),
			"secret": cty.StringVal("hush").Mark(marks.Sensitive),
			"key":    cty.StringVal("k"),
		}),
		"net": cty.ObjectVal(map[string]cty.Value{"ns": cty.MapVal(map[string]cty.Value{
			"k": cty.UnknownVal(cty.Object(map[string]cty.Type{"index": cty.Number})),
		})}),
	}
	if edit != nil {
		edit(scope)
	}
	_, diags = expr.Value(&hcl.EvalContext{Variables: scope})
	if len(diags) == 0 {
		t.Fatal("nothing is wrong")
	}
	return diag.At(diags, `bridge.lan["x"]`)[0], map[string]*hcl.File{"main.diy.hcl": file}
}

func TestText(t *testing.T) {
	d, files := fault(t, nil)
	warning := diag.Warning(nil, "Mind this", "It is\x1b[31m long, "+strings.Repeat("very ", 10)+"long.")
	var b strings.Builder
	if err := diag.WriteText(&b, files, hcl.Diagnostics{d, warning}, diag.Style{}); err != nil {
		t.Fatal(err)
	}
	want := `Warning: Mind this

It is\x1b[31m long, very very very very very very very very very very long.

Error: Unsupported attribute

  with bridge.lan["x"],
  on main.diy.hcl line 2, in resource "bridge" "lan":
   2:   name = "${var.host.nme}-${var.secret}-${net.ns[var.key].index}"
    ├────────────────
    │ var.host is object with 2 attributes

This object does not have an attribute named "nme". Did you mean "name"?

`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestTextForTerminals(t *testing.T) {
	d, files := fault(t, nil)
	d.Detail = "One two three four."
	var b strings.Builder
	if err := diag.WriteText(&b, files, hcl.Diagnostics{d}, diag.Style{Color: true, Width: 14}); err != nil {
		t.Fatal(err)
	}
	plain := b.String()
	for _, code := range []string{"0", "1", "2", "4", "31", "1;31"} {
		plain = strings.ReplaceAll(plain, "\x1b["+code+"m", "")
	}
	want := `╷
│ Error: Unsupported attribute
│
│   with bridge.lan["x"],
│   on main.diy.hcl line 2, in resource "bridge" "lan":
│    2:   name = "${var.host.nme}-${var.secret}-${net.ns[var.key].index}"
│     ├────────────────
│     │ var.host is object with 2 attributes
│
│ One two
│ three four.
│ Did you mean
│ "name"?
╵
`
	if diff := cmp.Diff(want, plain); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(b.String(), "${var.host\x1b[4m.nme\x1b[0m}") {
		t.Errorf("what is at fault is not underlined:\n%q", b.String())
	}
}

// The values that an expression refers to are told, secrets and what is in them are not.
func TestValues(t *testing.T) {
	d, files := fault(t, nil)
	expr, diags := hclsyntax.ParseExpression([]byte(`[var.secret, var.key, net.ns[var.key].index, net.ns["k"], var.list, var.one, var.none, var.many["x"]]`), "e", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	d.Expression = expr
	d.EvalContext = &hcl.EvalContext{Variables: map[string]cty.Value{
		"var": cty.ObjectVal(map[string]cty.Value{
			"secret": cty.StringVal("hush").Mark(marks.Sensitive), "key": cty.StringVal("k\n"),
			"list": cty.ListVal([]cty.Value{cty.StringVal("hush").Mark(marks.Sensitive)}), "none": cty.NullVal(cty.Number),
			"one":  cty.ObjectVal(map[string]cty.Value{"only": cty.True}),
			"many": cty.MapVal(map[string]cty.Value{"a": cty.Zero, "b": cty.Zero}).Mark(marks.Ephemeral),
		}),
		"net": cty.ObjectVal(map[string]cty.Value{"ns": cty.MapVal(map[string]cty.Value{"k": cty.UnknownVal(cty.Number)})}),
	}}
	var got []string
	for _, v := range diag.NewDocument(d, files).Snippet.Values {
		got = append(got, v.Traversal+" "+v.Statement)
	}
	want := []string{
		`net.ns is map of number with 1 element`,
		`net.ns["k"] is a number, known only after apply`,
		`var.key is "k\n"`,
		`var.list is list of string with 1 element`,
		`var.many has an ephemeral value`,
		`var.none is null`,
		`var.one is object with 1 attribute "only"`,
		`var.secret has a sensitive value`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDocument(t *testing.T) {
	d, files := fault(t, func(scope map[string]cty.Value) { scope["net"] = cty.DynamicVal })
	text, err := json.Marshal(diag.NewDocument(d, files))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"severity":"error","summary":"Unsupported attribute","detail":"This object does not have an attribute named \"nme\". Did you mean \"name\"?",` +
		`"address":"bridge.lan[\"x\"]","range":{"filename":"main.diy.hcl","start":{"line":2,"column":21,"byte":46},"end":{"line":2,"column":25,"byte":50}},` +
		`"snippet":{"context":"resource \"bridge\" \"lan\"","code":"  name = \"${var.host.nme}-${var.secret}-${net.ns[var.key].index}\"","start_line":2,` +
		`"highlight_start_offset":20,"highlight_end_offset":24,"values":[{"traversal":"var.host","statement":"is object with 2 attributes"}]}}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Error(diff)
	}
}

// What failed in a function says which, and how it is called.
func TestCall(t *testing.T) {
	file, diags := hclsyntax.ParseConfig([]byte("a = join(x, 1)\n"), "f", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	scope := (&hcl.EvalContext{Functions: map[string]function.Function{"join": stdlib.JoinFunc}}).NewChild()
	scope.Variables = map[string]cty.Value{"x": cty.StringVal("-")}
	_, diags = file.Body.(*hclsyntax.Body).Attributes["a"].Expr.Value(scope)
	var b strings.Builder
	if err := diag.WriteText(&b, map[string]*hcl.File{"f": file}, diags, diag.Style{}); err != nil {
		t.Fatal(err)
	}
	want := `  on f line 1:
   1: a = join(x, 1)
    ├────────────────
    │ while calling join(separator, lists...)
`
	if !strings.Contains(b.String(), want) {
		t.Errorf("got\n%s", b.String())
	}
}

// Functions are found in whatever scope they are.
func TestUnknownFunction(t *testing.T) {
	expr, diags := hclsyntax.ParseExpression([]byte("jion(1)"), "f", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	outer := &hcl.EvalContext{Functions: map[string]function.Function{"join": stdlib.JoinFunc}}
	for _, scope := range []*hcl.EvalContext{outer, outer.NewChild()} {
		_, diags := expr.Value(scope)
		if got := diag.NewDocument(diags[0], nil).Detail; got != `There is no function named "jion". Did you mean "join"?` {
			t.Errorf("got %q", got)
		}
	}
}

// A place without a file, without an end, at the end of the file, over several lines.
func TestSnippets(t *testing.T) {
	_, files := fault(t, nil)
	whole := hcl.Range{Filename: "main.diy.hcl", Start: hcl.InitialPos, End: hcl.Pos{Line: 4, Column: 2, Byte: len(source) - 1}}
	end := hcl.Pos{Line: 5, Column: 1, Byte: len(source)}
	for _, test := range []struct {
		subject  hcl.Range
		code     string
		from, to int
	}{
		{whole, strings.TrimSuffix(source, "\n"), 0, len(source) - 1},
		{hcl.Range{Filename: "main.diy.hcl", Start: hcl.InitialPos}, `resource "bridge" "lan" {`, 0, 1},
		{hcl.Range{Filename: "main.diy.hcl", Start: end, End: end}, "", 0, 0},
	} {
		s := diag.NewDocument(diag.Error(&test.subject, "S", "D"), files).Snippet
		if s.Code != test.code || s.HighlightStartOffset != test.from || s.HighlightEndOffset != test.to {
			t.Errorf("%v: got %+v", test.subject, s)
		}
	}
	other := hcl.Range{Filename: "other"}
	if d := diag.NewDocument(diag.Error(&other, "S", "D"), files); d.Snippet != nil || d.Range == nil {
		t.Errorf("got %+v", d)
	}
}

func TestCompact(t *testing.T) {
	at := &hcl.Range{Filename: "f", Start: hcl.Pos{Line: 3}}
	var b strings.Builder
	list := hcl.Diagnostics{diag.Warning(at, "A", "D"), diag.Warning(nil, "B", "D"), diag.Warning(at, "A", "E")}
	if err := diag.WriteCompact(&b, list, diag.Style{}); err != nil {
		t.Fatal(err)
	}
	want := "Warnings:\n\n- A\n  on f line 3 (and 1 more)\n- B\n\nWithout -compact-warnings they are told in full.\n\n"
	if b.String() != want {
		t.Errorf("got %q", b.String())
	}
}
