package diag

import (
	"cmp"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// InOrder puts diagnostics in the order of the source, those without a place first.
func InOrder(diags hcl.Diagnostics) hcl.Diagnostics {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		x, y := cmp.Or(a.Subject, &hcl.Range{}), cmp.Or(b.Subject, &hcl.Range{})
		return cmp.Or(cmp.Compare(x.Filename, y.Filename), cmp.Compare(x.Start.Byte, y.Start.Byte))
	})
	return diags
}

// Distinct leaves out what was told before: one faulty local value is met by every instance
// that uses it.
func Distinct(diags hcl.Diagnostics) hcl.Diagnostics {
	type telling struct {
		severity        hcl.DiagnosticSeverity
		summary, detail string
		at              hcl.Range
		address         string // of what has no place: several resources may have one problem
	}
	told := map[telling]bool{}
	var out hcl.Diagnostics
	for _, d := range diags {
		t := telling{severity: d.Severity, summary: d.Summary, detail: d.Detail}
		if d.Subject != nil {
			t.at = *d.Subject
		} else {
			t.address = addressOf(d)
		}
		if !told[t] {
			told[t] = true
			out = append(out, d)
		}
	}
	return out
}

// ErrorsLast puts warnings before errors, each in the order of the source.
func ErrorsLast(diags hcl.Diagnostics) hcl.Diagnostics {
	sorted := InOrder(slices.Clone(diags))
	slices.SortStableFunc(sorted, func(a, b *hcl.Diagnostic) int { return cmp.Compare(b.Severity, a.Severity) })
	return sorted
}

// Warnings gives those that are no errors, Errors the others.
func Warnings(diags hcl.Diagnostics) hcl.Diagnostics { return ofSeverity(diags, hcl.DiagWarning) }

// Errors gives the errors.
func Errors(diags hcl.Diagnostics) hcl.Diagnostics { return ofSeverity(diags, hcl.DiagError) }

func ofSeverity(diags hcl.Diagnostics, severity hcl.DiagnosticSeverity) hcl.Diagnostics {
	var out hcl.Diagnostics
	for _, d := range diags {
		if d.Severity == severity {
			out = append(out, d)
		}
	}
	return out
}
