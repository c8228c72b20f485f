package config

import (
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// addTemplates adds the functions that render templates. In a template all functions but
// these can be called.
func addTemplates(dir string, all map[string]function.Function) {
	inside := maps.Clone(all)
	delete(inside, "templatefile")
	delete(inside, "templatestring")
	all["templatefile"] = templateFunc("path", inside, func(path string) (src, name string, err error) {
		src, err = readText(dir, path)
		return src, path, err
	})
	all["templatestring"] = templateFunc("str", inside, func(src string) (string, string, error) {
		return src, "<templatestring argument>", nil
	})
}

// templateFunc makes a function of a template, which source finds by the first argument, and
// an object whose members are the template's names.
func templateFunc(param string, inside map[string]function.Function, source func(string) (src, name string, err error)) function.Function {
	render := func(args []cty.Value) (cty.Value, error) {
		src, name, err := source(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		if !args[1].CanIterateElements() || !args[1].Type().IsObjectType() && !args[1].Type().IsMapType() {
			return cty.NilVal, function.NewArgErrorf(1, "must be a map or an object")
		}
		expr, diags := hclsyntax.ParseTemplate([]byte(src), name, hcl.InitialPos)
		if diags.HasErrors() {
			return cty.NilVal, function.NewArgError(0, diags)
		}
		val, diags := expr.Value(&hcl.EvalContext{Variables: args[1].AsValueMap(), Functions: inside})
		if diags.HasErrors() {
			return cty.NilVal, function.NewArgError(0, diags)
		}
		return val, nil
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: param, Type: cty.String},
			{Name: "vars", Type: cty.DynamicPseudoType},
		},
		Type: func(args []cty.Value) (cty.Type, error) {
			if !args[0].IsKnown() || !args[1].IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			val, err := render(args)
			return val.Type(), err
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return render(args) },
	})
}
