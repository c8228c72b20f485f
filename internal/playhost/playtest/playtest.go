// Package playtest runs the tests of a package in a playhost, so that they may do to the
// network, the mounts and the processes what they like:
//
//	func TestMain(m *testing.M) { os.Exit(playtest.Main(m)) }
//
//	func TestLinks(t *testing.T) {
//		playtest.Require(t)
//		...
//	}
//
// It is for tests in Go; those of the whole program are scripts: see cmd/diyform.
package playtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/diyform/diyform/internal/playhost"
)

// inside is the environment variable that tells the tests where they run.
const inside = "DIYFORM_PLAYHOST"

// Main runs the package's tests in a playhost and returns the exit code. Where the user may
// not have one, the tests run as they are, and those that Require it say so.
func Main(m *testing.M) int {
	if playhost.IsInit() {
		return playhost.InitMain()
	}
	if os.Getenv(inside) != "" || Available() != nil {
		return m.Run()
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := playhost.Run(cmd)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, err)
	return playhost.SetupFailed
}

// Require ends a test that is not run in a playhost.
func Require(t testing.TB) {
	t.Helper()
	if os.Getenv(inside) == "" {
		Missing(t, Available())
	}
}

// Missing ends a test that lacks what reason says: skipped on a developer's machine, failed
// in CI, which has to have everything.
func Missing(t testing.TB, reason error) {
	t.Helper()
	if InCI() {
		t.Fatalf("this test may not be skipped in CI: %v", reason)
	}
	t.Skip(reason)
}

// Available says why this user can have no playhost here, or nil.
func Available() error {
	return playhost.Run(exec.Command("true"))
}

// InCI reports whether the environment says that these tests are those that must all run.
func InCI() bool { return os.Getenv("CI") == "true" }
