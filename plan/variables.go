package plan

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/marks"
	"github.com/diyform/diyform/providers/schema"
)

// validateVariable holds a variable's conditions against its value. What they refer to that is
// not known yet is asked again while applying.
func (m *module) validateVariable(name string) hcl.Diagnostics {
	v := m.cfg.Variables[name]
	if _, diags := m.variable(name); diags.HasErrors() {
		return nil // whoever uses the value tells
	}
	var out hcl.Diagnostics
	for _, cond := range v.Validations {
		ctx, diags := m.context(nil, simpleKeys(config.ConditionReferences([]config.Condition{cond})), nil)
		if diags.HasErrors() {
			return append(out, diags...)
		}
		holds, message, more := cond.Evaluate(ctx)
		out = append(out, more...)
		if more.HasErrors() || !holds.IsKnown() || holds.True() {
			continue
		}
		out = append(out, &hcl.Diagnostic{
			Severity:    hcl.DiagError,
			Summary:     "Invalid value for variable",
			Detail:      fmt.Sprintf("%s\n\nThis was checked by the validation rule at %s.", message, cond.DeclRange),
			Subject:     m.valueRange(v),
			Expression:  cond.Condition,
			EvalContext: ctx,
			Extra:       diag.Condition{Object: m.addr.Join("var." + name)},
		})
	}
	return out
}

// valueRange is where the value of a variable is set, or else where the variable is declared.
func (m *module) valueRange(v *config.Variable) *hcl.Range {
	if m.parent != nil {
		if attr := m.call.cfg.Arguments[v.Name]; attr != nil {
			return attr.Expr.Range().Ptr()
		}
	}
	return v.DeclRange.Ptr()
}

// validateVariables holds all conditions of all variables: what was unknown while planning is
// known after apply.
func (e *Evaluator) validateVariables() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, m := range e.within("") {
		for _, name := range sortedNames(m.cfg.Variables) {
			diags = append(diags, m.validateVariable(name)...)
		}
	}
	return diags
}

// checkEphemeral refuses arguments that would record what nothing may record.
func checkEphemeral(a addr.Resource, r *config.Resource, s *schema.Schema, args cty.Value) hcl.Diagnostics {
	if !anyMarked(args) {
		return nil
	}
	_, marked := args.UnmarkDeepWithPaths()
	var diags hcl.Diagnostics
	for _, at := range marked {
		if _, ok := at.Marks[marks.Ephemeral]; !ok {
			continue
		}
		path := formatPath(s.Addressable(at.Path))
		subject := argumentRange(r.Body, s, path)
		if subject == nil {
			subject = &r.DeclRange
		}
		diags = append(diags, diag.Error(subject, "Ephemeral value in an argument",
			fmt.Sprintf("%s of %s comes from an ephemeral value, which is gone with this command, and arguments are recorded. "+
				"Ephemeral values can be used in conditions, in local values and as arguments of modules.", path, a)))
	}
	return diags
}
