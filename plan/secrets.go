package plan

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/marks"
)

// HideSecrets takes sensitive values out of what functions and the language's library say of an
// expression: they quote what they cannot use, and know no marks. Messages of conditions are not
// touched: they say themselves what they show.
func HideSecrets(diags hcl.Diagnostics) hcl.Diagnostics {
	for i, d := range diags {
		if d.Expression == nil || d.EvalContext == nil || !slices.Contains(quoting, d.Summary) {
			continue
		}
		diags[i] = replaceSecrets(hcl.Diagnostics{d}, secretTexts(secretsOf(d)))[0]
	}
	return diags
}

// quoting are the summaries of diagnostics that quote values.
var quoting = []string{"Invalid function argument", "Error in function call", "Duplicate object key"}

// secretsOf lists the sensitive values that the diagnostic's expression has to do with: its own,
// those that it refers to and, where it is a call, those of its arguments.
func secretsOf(d *hcl.Diagnostic) []cty.Value {
	values := []cty.Value{valueOf(d.Expression, d.EvalContext)}
	for _, t := range d.Expression.Variables() {
		if v, diags := t.TraverseAbs(d.EvalContext); !diags.HasErrors() {
			values = append(values, v)
		}
	}
	if call, ok := d.Expression.(*hclsyntax.FunctionCallExpr); ok {
		for _, arg := range call.Args {
			values = append(values, valueOf(arg, d.EvalContext))
		}
	}
	var secrets []cty.Value
	for _, v := range values {
		plain, marked := v.UnmarkDeepWithPaths()
		for _, m := range marked {
			if _, secret := m.Marks[marks.Sensitive]; !secret {
				continue
			}
			if part, err := m.Path.Apply(plain); err == nil {
				secrets = append(secrets, part)
			}
		}
	}
	return secrets
}

func valueOf(expr hcl.Expression, scope *hcl.EvalContext) cty.Value {
	v, diags := expr.Value(scope)
	if diags.HasErrors() {
		return cty.DynamicVal
	}
	return v
}

// parts gives the parts of v at paths, as far as there are such.
func parts(v cty.Value, paths []cty.Path) []cty.Value {
	var list []cty.Value
	for _, p := range paths {
		if part, err := p.Apply(v); err == nil {
			list = append(list, part)
		}
	}
	return list
}

// replaceSecrets gives diagnostics in which something stands in for secrets: see secretTexts.
func replaceSecrets(diags hcl.Diagnostics, secrets []string) hcl.Diagnostics {
	if len(secrets) == 0 {
		return diags
	}
	replacer := strings.NewReplacer(secrets...)
	out := make(hcl.Diagnostics, len(diags))
	for i, d := range diags {
		copied := *d
		copied.Summary, copied.Detail = replacer.Replace(d.Summary), replacer.Replace(d.Detail)
		out[i] = &copied
	}
	return out
}

// secretTexts lists how secrets may be written, each before what stands in for it; longer ones
// first, for one may be part of another.
func secretTexts(secrets []cty.Value) []string {
	var texts []string
	for _, secret := range secrets {
		_ = cty.Walk(secret, func(_ cty.Path, leaf cty.Value) (bool, error) {
			switch {
			case !leaf.IsKnown() || leaf.IsNull():
			case leaf.Type() == cty.String:
				quoted := strconv.Quote(leaf.AsString())
				texts = append(texts, leaf.AsString(), quoted[1:len(quoted)-1])
			case leaf.Type() == cty.Number:
				texts = append(texts, Format(leaf))
			}
			return true, nil
		})
	}
	slices.SortFunc(texts, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	var pairs []string
	for _, text := range slices.Compact(texts) {
		if text != "" {
			pairs = append(pairs, text, Hidden)
		}
	}
	return pairs
}
