// Package marks holds the marks that travel with cty values. Start with Sensitive.
package marks

type mark string

// Sensitive marks a value that views must not print. State and plan files hold it all the
// same, which is why they have mode 0600.
const Sensitive = mark("sensitive")
