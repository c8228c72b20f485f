package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/marks"
)

func setVar(text string) VarArg  { return VarArg{Text: text} }
func varFile(path string) VarArg { return VarArg{File: true, Text: path} }

func TestValuePrecedence(t *testing.T) {
	const text = `-- main.diy.hcl --
variable "a" {
  default = "default"
}
-- diyform.vars.hcl --
a = "folder"
-- b.auto.vars.hcl --
a = "b"
-- a.auto.vars.hcl --
a = "a"
-- c.auto.vars.json --
{"a": "c"}
-- named.hcl --
a = "named"
-- named.json --
{"a": "named json"}
`
	env := []string{"DIYFORM_VAR_a=environment", "PATH=/", "DIYFORM_VAR_other=1"}
	tests := map[string]struct {
		without []string // files left out
		environ []string
		args    []VarArg
		want    string
	}{
		"default":              {without: []string{"diyform.vars.hcl", "auto"}, want: "default"},
		"environment":          {without: []string{"diyform.vars.hcl", "auto"}, environ: env, want: "environment"},
		"folder's file":        {without: []string{"auto"}, environ: env, want: "folder"},
		"last automatic file":  {without: []string{"c.auto"}, environ: env, want: "b"},
		"automatic JSON file":  {environ: env, want: "c"},
		"command line":         {environ: env, args: []VarArg{setVar("a=x")}, want: "x"},
		"file, then value":     {args: []VarArg{varFile("named.hcl"), setVar("a=x=y ")}, want: "x=y "},
		"value, then file":     {args: []VarArg{setVar("a=x"), varFile("named.hcl")}, want: "named"},
		"JSON file":            {args: []VarArg{varFile("named.json")}, want: "named json"},
		"an expression's text": {args: []VarArg{setVar(`a=["x"]`)}, want: `["x"]`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := mustLoad(t, withoutFiles(text, tt.without))
			got, diags := c.Values(ValueSources{Environ: tt.environ, Dir: c.Dir, Args: tt.args})
			noProblems(t, diags)
			if v := got["a"]; v.AsString() != tt.want {
				t.Errorf("got %q, want %q", v.AsString(), tt.want)
			}
		})
	}
}

// withoutFiles leaves out of an archive the files whose names hold one of parts.
func withoutFiles(text string, parts []string) string {
	var kept strings.Builder
	for _, section := range strings.SplitAfter(text, "\n-- ") {
		header, _, _ := strings.Cut(section, "\n")
		drop := false
		for _, p := range parts {
			drop = drop || strings.Contains(header, p) && !strings.HasPrefix(header, "-- ")
		}
		if !drop {
			kept.WriteString(section)
		}
	}
	return strings.TrimSuffix(kept.String(), "-- ")
}

func TestValueConversion(t *testing.T) {
	tests := map[string]struct {
		decl string
		text string // of -var; "" for none
		want cty.Value
	}{
		"string is literal":   {`type = string`, `["a"]`, cty.StringVal(`["a"]`)},
		"no type is literal":  {``, `[1]`, cty.StringVal(`[1]`)},
		"any is expression":   {`type = any`, `[1]`, cty.TupleVal([]cty.Value{cty.NumberIntVal(1)})},
		"number":              {`type = number`, `15`, cty.NumberIntVal(15)},
		"bool":                {`type = bool`, `true`, cty.True},
		"list":                {`type = list(string)`, `["a", 1]`, cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("1")})},
		"null":                {`type = list(string)`, `null`, cty.NullVal(cty.List(cty.String))},
		"null not nullable":   {"nullable = false\n type = list(string)\n default = []", `null`, cty.ListValEmpty(cty.String)},
		"sensitive":           {`sensitive = true`, `x`, cty.StringVal("x").Mark(marks.Sensitive)},
		"sensitive default":   {"sensitive = true\n default = 1", ``, cty.NumberIntVal(1).Mark(marks.Sensitive)},
		"optional attributes": {`type = object({ a = optional(number, 3), b = optional(string) })`, `{}`, object("a", cty.NumberIntVal(3), "b", cty.NullVal(cty.String))},
		"optional default":    {"type = object({ a = optional(number, 3) })\n default = {}", ``, object("a", cty.NumberIntVal(3))},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := mustLoad(t, "variable \"a\" {\n"+tt.decl+"\n}")
			src := ValueSources{Dir: c.Dir}
			if tt.text != "" {
				src.Args = []VarArg{setVar("a=" + tt.text)}
			}
			got, diags := c.Values(src)
			noProblems(t, diags)
			if !got["a"].RawEquals(tt.want) {
				t.Errorf("got %#v, want %#v", got["a"], tt.want)
			}
		})
	}
}

func object(pairs ...any) cty.Value {
	m := map[string]cty.Value{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1].(cty.Value)
	}
	return cty.ObjectVal(m)
}

func TestValueDiagnostics(t *testing.T) {
	tests := map[string]struct {
		text    string
		environ []string
		args    []VarArg
		want    []string
	}{
		"required": {text: "variable \"a\" {}", want: []string{
			`main.diy.hcl:1,1-13: No value for required variable; Set it with -var 'a=VALUE'`}},
		"required, and set for Terraform": {text: "variable \"a\" {}", environ: []string{"TF_VAR_ab=1", "TF_VAR_a=1"}, want: []string{
			`main.diy.hcl:1,1-13: No value for required variable; TF_VAR_a is set, but that is Terraform's: call it DIYFORM_VAR_a.`}},
		"files of Terraform's": {
			text: "-- main.diy.hcl --\nlocals {}\n-- terraform.tfvars --\na = 1\n-- x.auto.tfvars.json --\n{}\n-- by_name.tfvars --\n",
			want: []string{
				`warning: -: Values that are not read; terraform.tfvars by itself. Here it would be called diyform.vars.hcl; -var-file=terraform.tfvars reads`,
				`warning: -: Values that are not read; x.auto.tfvars.json by itself. Here it would be called x.auto.vars.json; `,
			}},
		"files of Terraform's, beside its configuration": {text: "-- main.diy.hcl --\nlocals {}\n-- terraform.tfvars --\n-- main.tf --\n"},
		"undeclared -var": {text: "variable \"subnet\" {\n  default = 1\n}", args: []VarArg{setVar("subnt=1")}, want: []string{
			`-: Value for undeclared variable; -var sets "subnt", which the configuration does not declare. Did you mean "subnet"?`}},
		"-var without a value": {text: "locals {}", args: []VarArg{setVar("a")}, want: []string{
			`-: Invalid -var option; -var 'NAME=VALUE'`}},
		"undeclared in a file": {text: "-- main.diy.hcl --\nlocals {}\n-- diyform.vars.hcl --\n\na = 1\n", want: []string{
			`warning: diyform.vars.hcl:2,1-2: Value for undeclared variable; declares no variable "a"`}},
		"undeclared in the environment": {text: "locals {}", environ: []string{"DIYFORM_VAR_a=1"}},
		"wrong type in a file": {text: "-- main.diy.hcl --\nvariable \"a\" {\n  type = number\n}\n-- x.auto.vars.hcl --\na = [1]\n", want: []string{
			`x.auto.vars.hcl:1,5-8: Invalid value for variable; does not fit variable "a"`}},
		"wrong type in the environment": {text: "variable \"a\" {\n  type = number\n}", environ: []string{"DIYFORM_VAR_a=x"}, want: []string{
			`main.diy.hcl:1,1-13: Invalid value for variable; The environment variable DIYFORM_VAR_a does not fit`}},
		"wrong type on the command line": {text: "variable \"a\" {\n  type = list(number)\n}", args: []VarArg{setVar("a=[true]")}, want: []string{
			`<value of var.a>:1,1-7: Invalid value for variable; -var a does not fit variable "a", declared at `}},
		"bad expression": {text: "variable \"a\" {\n  type = list(number)\n}", args: []VarArg{setVar("a=[")}, want: []string{
			`<value of var.a>:1,2-2: Missing expression; end of the file`}},
		"expression with a reference": {text: "variable \"a\" {\n  type = list(number)\n}", args: []VarArg{setVar("a=[b]")}, want: []string{
			`<value of var.a>:1,2-3: Variables not allowed; Variables may not be used here.`}},
		"reference in a file": {text: "-- main.diy.hcl --\nvariable \"a\" {}\n-- diyform.vars.hcl --\na = var.b\n", want: []string{
			`diyform.vars.hcl:1,5-8: Variables not allowed; Variables may not be used here.`}},
		"syntax error in a file": {text: "-- main.diy.hcl --\nlocals {}\n-- diyform.vars.hcl --\na = \n", want: []string{
			`diyform.vars.hcl:1,5-2,1: Invalid expression; Expected the start of an expression`}},
		"block in a file": {text: "-- main.diy.hcl --\nlocals {}\n-- diyform.vars.hcl --\na {}\n", want: []string{
			`diyform.vars.hcl:1,1-2: Unexpected "a" block; Blocks are not allowed here.`}},
		"missing file": {text: "locals {}", args: []VarArg{varFile("none.hcl")}, want: []string{
			`-: Cannot read configuration; none.hcl: no such file or directory.`}},
		"null": {text: "variable \"a\" {\n  nullable = false\n  type     = list(string)\n}", args: []VarArg{setVar("a=null")}, want: []string{
			`<value of var.a>:1,1-5: Invalid value for variable; null is not allowed`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := mustLoad(t, tt.text)
			_, diags := c.Values(ValueSources{Environ: tt.environ, Dir: c.Dir, Args: tt.args})
			wantDiags(t, diags, tt.want...)
			for _, d := range diags {
				if d.Subject != nil && c.Files[d.Subject.Filename] == nil {
					t.Errorf("no source for %s", d.Subject)
				}
			}
		})
	}
}

func TestValuesOfMissingFolder(t *testing.T) {
	c := mustLoad(t, "locals {}")
	_, diags := c.Values(ValueSources{Dir: filepath.Join(c.Dir, "none")})
	wantDiags(t, diags, "-: Cannot read configuration; none: no such file or directory.")
}

func TestValuesAsk(t *testing.T) {
	c := mustLoad(t, "variable \"a\" {\n  type = number\n}\nvariable \"b\" {\n  default = 1\n}")
	var asked []string
	answer := func(text string, ok bool) func(*Variable) (string, bool) {
		return func(v *Variable) (string, bool) {
			asked = append(asked, v.Name)
			return text, ok
		}
	}
	got, diags := c.Values(ValueSources{Dir: c.Dir, Ask: answer("3", true)})
	noProblems(t, diags)
	if len(asked) != 1 || asked[0] != "a" || !got["a"].RawEquals(cty.NumberIntVal(3)) {
		t.Errorf("asked %v, got %#v", asked, got["a"])
	}
	_, diags = c.Values(ValueSources{Dir: c.Dir, Ask: answer("", false)})
	wantDiags(t, diags, "main.diy.hcl:1,1-13: No value for required variable; -var 'a=VALUE'")
	_, diags = c.Values(ValueSources{Dir: c.Dir, Ask: answer("x", true)})
	wantDiags(t, diags, `main.diy.hcl:1,1-13: Invalid value for variable; The answer does not fit variable "a"`)
}

func TestConditionWithUnknownResult(t *testing.T) {
	c := mustLoad(t, "check \"a\" {\n  assert {\n    condition     = x > 1\n    error_message = \"no\"\n  }\n}")
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{"x": cty.UnknownVal(cty.Number)}}
	holds, message, diags := c.Checks["a"].Asserts[0].Evaluate(ctx)
	noProblems(t, diags)
	if holds.IsKnown() || message != "" {
		t.Errorf("got %#v, %q", holds, message)
	}
	ctx.Variables["x"] = cty.NumberIntVal(1)
	holds, message, diags = c.Checks["a"].Asserts[0].Evaluate(ctx)
	noProblems(t, diags)
	if !holds.RawEquals(cty.False) || message != "no" {
		t.Errorf("got %#v, %q", holds, message)
	}
}
