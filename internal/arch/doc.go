// Package arch holds the architecture's rules in the form of tests: which package may import
// which, where raw system calls and exits may be, how long files and functions may get.
// There is nothing in it to call. Start with the tables in rules_test.go.
package arch
