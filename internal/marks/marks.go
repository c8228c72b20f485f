// Package marks holds the marks that travel with cty values. Start with Sensitive.
package marks

import "github.com/zclconf/go-cty/cty"

type mark string

const (
	// Sensitive marks a value that views must not print. State and plan files hold it all the
	// same, which is why they have mode 0600.
	Sensitive = mark("sensitive")

	// Ephemeral marks a value that nothing may record: it is gone with the command that was
	// given it.
	Ephemeral = mark("ephemeral")
)

// Contains reports whether a value or any part of it has a mark.
func Contains(v cty.Value, mark any) bool {
	if !v.ContainsMarked() {
		return false
	}
	_, found := v.UnmarkDeep()
	_, ok := found[mark]
	return ok
}
