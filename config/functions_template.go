package config

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxTemplateDepth is how deep templates may call templatefile. HCL evaluates both sides of a
// condition, so a template that calls itself has no other end than a for over nothing.
const maxTemplateDepth = 1024

// addTemplates adds the functions that render templates. A template can call all functions in
// all, also those that are added later.
func addTemplates(dir string, all map[string]function.Function) {
	scope := &hcl.EvalContext{Functions: all}
	all["templatefile"] = templateFile(dir, scope, 0)
	vars := templateVars
	vars.AllowMarked, vars.AllowUnknown = true, true // a secret that it does not use does not make the text one
	all["templatestring"] = templateFunc("data", vars, scope, func(src string) (string, string, error) {
		return src, "<templatestring argument>", nil
	})
}

func templateFile(dir string, scope *hcl.EvalContext, depth int) function.Function {
	inside := scope.NewChild()
	return templateFunc("path", templateVars, inside, func(path string) (src, name string, err error) {
		if depth > maxTemplateDepth {
			return "", "", templatesTooDeep(path)
		}
		if inside.Functions == nil { // made only when needed: each has another one inside
			deeper := discreet(templateFile(dir, scope, depth+1))
			inside.Functions = map[string]function.Function{"templatefile": deeper, coreNamespace + "templatefile": deeper}
		}
		src, err = readText(dir, path)
		return src, path, err
	})
}

var templateVars = function.Parameter{Name: "vars", Type: cty.DynamicPseudoType}

// templateFunc makes a function of a template, which source finds by the first argument, and
// an object whose members are the template's names. What it gives is known only once it is
// rendered: a template that is one expression can give anything.
func templateFunc(
	param string, vars function.Parameter, scope *hcl.EvalContext, source func(string) (src, name string, err error),
) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: param, Type: cty.String}, vars},
		Type:   function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			vars, found := args[1].Unmark()
			if !vars.IsKnown() {
				return cty.DynamicVal.WithMarks(found), nil
			}
			src, name, err := source(args[0].AsString())
			if err != nil {
				return cty.NilVal, templateError(err)
			}
			expr, diags := hclsyntax.ParseTemplate([]byte(src), name, hcl.InitialPos)
			if diags.HasErrors() {
				return cty.NilVal, function.NewArgError(0, diags)
			}
			out, err := render(expr, vars, scope)
			return out.WithMarks(found), err
		},
	})
}

func render(expr hclsyntax.Expression, vars cty.Value, scope *hcl.EvalContext) (cty.Value, error) {
	if !vars.Type().IsObjectType() && !vars.Type().IsMapType() {
		return cty.NilVal, function.NewArgErrorf(1, "must be a map or an object")
	}
	inside := scope.NewChild()
	inside.Variables = vars.AsValueMap()
	for name := range inside.Variables {
		if !hclsyntax.ValidIdentifier(name) {
			return cty.NilVal, function.NewArgErrorf(1, "%q cannot be the name of a value in a template: "+
				"a name is a letter, then letters, digits, underscores and dashes", name)
		}
	}
	for _, traversal := range expr.Variables() {
		if _, ok := inside.Variables[traversal.RootName()]; !ok {
			return cty.NilVal, function.NewArgErrorf(1, "has no %q, which the template uses at %s",
				traversal.RootName(), traversal.SourceRange())
		}
	}
	val, diags := expr.Value(inside)
	if diags.HasErrors() {
		return cty.NilVal, templateError(diags)
	}
	return val, nil
}

// templatesTooDeep is the error of a template, by its path, that is called too deep.
type templatesTooDeep string

func (path templatesTooDeep) Error() string {
	return fmt.Sprintf("%s: templates call templatefile more than %d deep; does one call itself without an end?",
		string(path), maxTemplateDepth)
}

// templateError is what is wrong with the template of a call. That of a thousand calls in
// each other is told once, not with each of them before it.
func templateError(err error) error {
	if deep, ok := errors.AsType[templatesTooDeep](err); ok {
		return deep
	}
	diags, _ := errors.AsType[hcl.Diagnostics](err)
	for _, d := range diags {
		if call, ok := d.Extra.(hclsyntax.FunctionCallDiagExtra); ok {
			if deep, ok := errors.AsType[templatesTooDeep](call.FunctionCallError()); ok {
				return deep
			}
		}
	}
	return function.NewArgError(0, err)
}
