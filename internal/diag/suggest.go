package diag

import (
	"slices"

	"github.com/agext/levenshtein"
)

// Suggest gives ` Did you mean "x"?` for the known name nearest to given, or "" when none is
// near. Two edits are near, and in short names fewer than half of the letters. Two letters in
// each other's place are one edit.
func Suggest(given string, known []string) string {
	best, least := "", min(3, (len(given)+2)/2)
	for _, k := range slices.Sorted(slices.Values(known)) {
		if d := distance(given, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return ` Did you mean "` + best + `"?`
}

func distance(given, known string) int {
	least := levenshtein.Distance(given, known, nil)
	swapped := []byte(given)
	for i := 1; i < len(swapped); i++ {
		swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
		least = min(least, 1+levenshtein.Distance(string(swapped), known, nil))
		swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
	}
	return least
}
