package diag

import "github.com/hashicorp/hcl/v2"

// Distinct leaves out what was told before: one faulty local value is met by every instance
// that uses it.
func Distinct(diags hcl.Diagnostics) hcl.Diagnostics {
	type telling struct {
		severity        hcl.DiagnosticSeverity
		summary, detail string
		at              hcl.Range
	}
	told := map[telling]bool{}
	var out hcl.Diagnostics
	for _, d := range diags {
		t := telling{severity: d.Severity, summary: d.Summary, detail: d.Detail}
		if d.Subject != nil {
			t.at = *d.Subject
		}
		if !told[t] {
			told[t] = true
			out = append(out, d)
		}
	}
	return out
}
