package config

import (
	"slices"

	"github.com/agext/levenshtein"
)

// suggest gives ` Did you mean "x"?` for the known name nearest to given, or "" when none is
// near. Two edits are near, and in short names fewer than half of the letters.
func suggest(given string, known []string) string {
	best, least := "", min(3, (len(given)+2)/2)
	slices.Sort(known)
	for _, k := range known {
		if d := levenshtein.Distance(given, k, nil); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return ` Did you mean "` + best + `"?`
}
