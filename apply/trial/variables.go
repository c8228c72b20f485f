package trial

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/diag"
)

// variables gives the variables of a run their values: the run's go before the file's, and
// these before all that comes from outside.
func (t *trial) variables(cfg *config.Config, run *config.TestRun) (map[string]cty.Value, hcl.Diagnostics) {
	scope := &hcl.EvalContext{Functions: config.Functions(t.Dir)}
	given, diags := evaluate(t.file.Variables, scope)
	if diags.HasErrors() {
		return nil, diags
	}
	sources := t.sources(cfg, run)
	sources.Given = given
	// What a value of the run refers to may be required, and given by the run alone.
	outside, _ := cfg.Values(sources)
	for _, g := range given {
		if cfg.Variables[g.Name] == nil {
			outside[g.Name] = g.Value
		}
	}
	scope.Variables = map[string]cty.Value{"var": cty.ObjectVal(outside), "run": cty.ObjectVal(t.outputs)}
	own, more := evaluate(run.Variables, scope)
	diags = append(diags, more...)
	if diags.HasErrors() {
		return nil, diags
	}
	for _, g := range own {
		if cfg.Variables[g.Name] == nil {
			diags = append(diags, diag.Warning(&g.Range, "Value for undeclared variable",
				fmt.Sprintf("The configuration declares no variable %q, so this value is not used.%s",
					g.Name, diag.Suggest(g.Name, slices.Sorted(maps.Keys(cfg.Variables))))))
		}
	}
	sources.Given = append(sources.Given, own...)
	values, more := cfg.Values(sources)
	if run.Source != "" {
		more = slices.DeleteFunc(more, func(d *hcl.Diagnostic) bool { return d.Severity == hcl.DiagWarning })
	}
	return values, append(diags, more...)
}

// sources are where a module's variables get values from outside. What the command line says is
// about the configuration: another module takes of it what it declares.
func (t *trial) sources(cfg *config.Config, run *config.TestRun) config.ValueSources {
	sources := t.Sources
	if run.Source != "" {
		sources.Args = slices.DeleteFunc(slices.Clone(sources.Args), func(a config.VarArg) bool {
			name, _, _ := strings.Cut(a.Text, "=")
			return !a.File && cfg.Variables[strings.TrimSpace(name)] == nil
		})
	}
	return sources
}

func evaluate(attrs []*hcl.Attribute, scope *hcl.EvalContext) ([]config.Given, hcl.Diagnostics) {
	var given []config.Given
	var diags hcl.Diagnostics
	for _, attr := range attrs {
		v, more := attr.Expr.Value(scope)
		diags = append(diags, more...)
		at := attr.Expr.Range()
		if !more.HasErrors() && !v.IsWhollyKnown() {
			diags = append(diags, diag.Error(&at, "Unknown value of a variable",
				fmt.Sprintf("The value of %q depends on what an earlier run has only planned. Let that run apply.", attr.Name)))
		}
		given = append(given, config.Given{Name: attr.Name, Value: v, Range: at})
	}
	return given, diags
}
