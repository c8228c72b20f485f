package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/diyform/diyform/internal/marks"
)

// Evaluate gives whether the condition holds, as a bool that may be unknown but not null, and
// the message for when it does not. The message is evaluated only then.
func (cond *Condition) Evaluate(ctx *hcl.EvalContext) (holds cty.Value, message string, diags hcl.Diagnostics) {
	val, diags := cond.Condition.Value(ctx)
	if diags.HasErrors() {
		return cty.UnknownVal(cty.Bool), "", diags
	}
	val, _ = val.Unmark()
	holds, err := convert.Convert(val, cty.Bool)
	if err != nil || holds.IsNull() {
		return cty.UnknownVal(cty.Bool), "", append(diags, &hcl.Diagnostic{
			Severity:    hcl.DiagError,
			Summary:     "Invalid condition result",
			Detail:      "A condition must give true or false, and this one gives " + describe(val) + ".",
			Subject:     cond.Condition.Range().Ptr(),
			Expression:  cond.Condition,
			EvalContext: ctx,
		})
	}
	if !holds.IsKnown() || holds.True() {
		return holds, "", diags
	}
	message, more := cond.message(ctx)
	return holds, message, append(diags, more...)
}

func (cond *Condition) message(ctx *hcl.EvalContext) (string, hcl.Diagnostics) {
	val, diags := cond.ErrorMessage.Value(ctx)
	if diags.HasErrors() {
		return "", diags
	}
	switch {
	case marks.Contains(val, marks.Sensitive):
		return "The error message holds a sensitive value, so it is not shown.", diags
	case marks.Contains(val, marks.Ephemeral):
		return "The error message holds an ephemeral value, so it is not shown.", diags
	}
	val, _ = val.Unmark()
	text, err := convert.Convert(val, cty.String)
	if err != nil || text.IsNull() || !text.IsKnown() {
		return "", append(diags, &hcl.Diagnostic{
			Severity:    hcl.DiagError,
			Summary:     "Invalid error message",
			Detail:      "An error message must give a known string, and this one gives " + describe(val) + ".",
			Subject:     cond.ErrorMessage.Range().Ptr(),
			Expression:  cond.ErrorMessage,
			EvalContext: ctx,
		})
	}
	return text.AsString(), diags
}

func describe(val cty.Value) string {
	switch {
	case val.IsNull():
		return "null"
	case !val.IsKnown():
		return "a value that is not known yet"
	}
	return "a value of type " + val.Type().FriendlyName()
}
