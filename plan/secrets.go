package plan

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/marks"
)

// HideSecrets takes sensitive values out of what the language's library says of an expression: of
// two elements with one key it quotes the key, and knows no marks. Functions keep quiet themselves.
func HideSecrets(diags hcl.Diagnostics) hcl.Diagnostics {
	for i, d := range diags {
		if d.Summary == "Duplicate object key" && d.Expression != nil && d.EvalContext != nil {
			diags[i] = replaceSecrets(hcl.Diagnostics{d}, secretTexts(secretsOf(d)))[0]
		}
	}
	return diags
}

// secretsOf lists the sensitive parts of what the diagnostic's expression gives.
func secretsOf(d *hcl.Diagnostic) []cty.Value {
	plain, marked := valueOf(d.Expression, d.EvalContext).UnmarkDeepWithPaths()
	var paths []cty.Path
	for _, m := range marked {
		if _, secret := m.Marks[marks.Sensitive]; secret {
			paths = append(paths, m.Path)
		}
	}
	return parts(plain, paths)
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
