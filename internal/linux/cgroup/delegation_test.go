package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/diyform/diyform/internal/playhost/playtest"
)

// nobody is the ordinary user of these tests.
const nobody = 65534

// The tests that make real groups are run once more by an ordinary user, in a group of version
// 2 that belongs to it: as by systemd's Delegate=yes.
func TestDelegatedToAnOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		playtest.Missing(t, errors.New("only root can become an ordinary user"))
	}
	y := unifiedWithControllers(t)
	dir := delegate(t, y)
	group, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	binary := filepath.Join(t.TempDir(), "cgroup.test")
	copyTo(t, binary)
	cmd := exec.Command(binary, "-test.v", "-test.run=^Test(MemoryHog|ForkBomb|CPUIs|UsageIs|LimitsChange|RemoveTakes|KillEnds)")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "CI=true", "HOME=/", "TMPDIR=/tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
		UseCgroupFD: true, CgroupFD: int(group.Fd()),
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("as an ordinary user: %v\n%s", err, out)
	}
	if passed := strings.Count(string(out), "\n--- PASS"); passed != 7 {
		t.Errorf("%d tests passed as an ordinary user, not 7:\n%s", passed, out)
	}
	// What it had to make room for itself stays until the group that it was given goes.
	if entries, _ := filepath.Glob(filepath.Join(dir, "*/cgroup.procs")); len(entries) != 1 || filepath.Dir(entries[0]) != filepath.Join(dir, vacated) {
		t.Errorf("in the given group there is %v", entries)
	}
}

func TestAnOrdinaryUserWithoutDelegationIsTold(t *testing.T) {
	if os.Geteuid() != 0 {
		playtest.Missing(t, errors.New("only root can become an ordinary user"))
	}
	binary := filepath.Join(t.TempDir(), "cgroup.test")
	copyTo(t, binary)
	cmd := exec.Command(binary, "-test.run=^$")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), supportsVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"Limits of the memory controller cannot be enforced: this user may not make groups below", "Run diyform"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it is told %q, without %q", out, want)
		}
	}
}

// unifiedWithControllers gives the hierarchy of version 2 where that has what the tests limit.
func unifiedWithControllers(t *testing.T) hierarchy {
	t.Helper()
	hierarchies, err := thisHost().hierarchies()
	if err != nil {
		t.Fatal(err)
	}
	for _, y := range hierarchies {
		text, _ := readText(y.mount, "cgroup.controllers")
		all := strings.Fields(text)
		if y.version == 2 && slices.Contains(all, "memory") && slices.Contains(all, "cpu") && slices.Contains(all, "pids") {
			if y.base == "" {
				playtest.Missing(t, fmt.Errorf("no groups may be made below %s", y.mount))
			}
			return y
		}
	}
	t.Skip("the controllers are those of version 1")
	return hierarchy{}
}

// delegate makes a group that belongs to the ordinary user.
func delegate(t *testing.T, y hierarchy) string {
	t.Helper()
	dir := filepath.Join(y.base, "diyform-test-"+strconv.Itoa(os.Getpid()))
	for _, c := range []string{"memory", "cpu", "pids"} {
		if err := enableOne(y.base, c, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), removeTime)
		defer cancel()
		if err := removeTree(ctx, dir); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"} {
		if err := os.Chown(filepath.Join(dir, name), nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// copyTo copies this test's binary to where any user can run it.
func copyTo(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(path); dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
