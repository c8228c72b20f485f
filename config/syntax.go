package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/diag"
)

// unclosed are errors about a string that does not end. What follows it is misread, so that each
// string after it seems not to end either.
var unclosed = []string{"Invalid multi-line string", "Unterminated template string", "Unclosed template interpolation sequence"}

// withoutEchoes leaves out of a file's syntax errors those that an earlier one brings about: at the
// same place, and of strings after one that is not closed.
func withoutEchoes(diags hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	at := map[hcl.Pos]bool{}
	open := false
	for _, d := range diag.InOrder(diags) {
		isUnclosed := slices.Contains(unclosed, d.Summary)
		if d.Subject != nil && at[d.Subject.Start] || isUnclosed && open {
			continue
		}
		if d.Subject != nil {
			at[d.Subject.Start] = true
		}
		open = open || isUnclosed
		if d.Summary == "Invalid multi-line string" {
			d.Detail = "This string is not closed on its line: a quote (\") is missing, or it is to have several lines. " +
				"Write those with \\n, or as a heredoc: <<EOT, the lines, EOT."
		}
		out = append(out, d)
	}
	return out
}
