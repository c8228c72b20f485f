package diag

import (
	"slices"

	"github.com/agext/levenshtein"
)

// Suggest gives ` Did you mean "x"?` for the known name nearest to given, or "" when none is
// near. Two edits are near, and in short names fewer than half of the letters.
func Suggest(given string, known []string) string {
	best, least := "", min(3, (len(given)+2)/2)
	for _, k := range slices.Sorted(slices.Values(known)) {
		if d := levenshtein.Distance(given, k, nil); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return ` Did you mean "` + best + `"?`
}
