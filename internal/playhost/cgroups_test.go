package playhost_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"

	"github.com/diyform/diyform/internal/playhost"
)

// makeGroups is a script that makes a group in each hierarchy, and tells of each where it is.
const makeGroups = `set -e
	cut -d: -f3 /proc/self/cgroup | sort -u
	for procs in $(find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -name cgroup.procs -writable); do
		mkdir ${procs%/*}/$GROUP
		echo ${procs%/*}/$GROUP
	done
`

// groupsNamed finds such groups on this machine, in playhosts or not.
func groupsNamed(t *testing.T, name string) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"", "*", "*/*"} {
		dirs, err := filepath.Glob(filepath.Join("/sys/fs/cgroup", pattern, name))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, dirs...)
	}
	return found
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("control groups belong to root")
	}
}

func TestControlGroupsAreItsOwn(t *testing.T) {
	needsRoot(t)
	name := fmt.Sprint("made-inside-", os.Getpid())
	t.Setenv("GROUP", name)
	out, err := run(t, makeGroups)
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for line := range strings.SplitSeq(out, "\n") {
		if filepath.Base(line) == name {
			made++
		} else if line != "/" && line != "/init.scope" {
			t.Errorf("it is in group %s", line)
		}
	}
	if made == 0 {
		t.Errorf("it could make no group:\n%s", out)
	}
	if left := groupsNamed(t, name); len(left) > 0 {
		t.Errorf("there is left %v", left)
	}
}

// TestPlayhostInAPlayhost also has the ordinary user's, who may write to no group.
func TestPlayhostInAPlayhost(t *testing.T) {
	needsRoot(t)
	for name, become := range map[string]string{"root": "", "ordinary user": "setpriv --reuid 1000 --regid 1000 --clear-groups "} {
		t.Run(name, func(t *testing.T) {
			binary := copyOfTests(t)
			t.Setenv(scriptVariable, "cat /proc/self/cgroup; ls /sys/fs/cgroup")
			out, err := run(t, become+binary+" && find /sys/fs/cgroup -name 'playhost-*'")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out, "/") || strings.Contains(out, "playhost-") {
				t.Errorf("inside, and after it:\n%s", out)
			}
		})
	}
}

func TestRemaindersOfAKilledPlayhostAreRemoved(t *testing.T) {
	needsRoot(t)
	name := fmt.Sprint("left-inside-", os.Getpid())
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "GROUP="+name, scriptVariable+"="+makeGroups+"echo made; sleep 600")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	for piece := make([]byte, 1000); !strings.Contains(said.String(), "made\n"); {
		n, err := out.Read(piece)
		if err != nil {
			t.Fatal(err)
		}
		said.Write(piece[:n])
	}
	left := groupsNamed(t, name)
	cmd.Process.Kill()
	_, _ = said.ReadFrom(out) // ends when everybody in the playhost has
	cmd.Wait()
	if len(left) == 0 {
		t.Fatal("the killed playhost had no control groups")
	}
	for end := time.Now().Add(10 * time.Second); len(left) > 0; left = groupsNamed(t, name) {
		if time.Now().After(end) {
			t.Fatalf("there is left %v", left)
		}
		if _, err := run(t, "true"); err != nil {
			t.Fatal(err)
		}
	}
}

// An ordinary user's playhost has groups where the user was given one, as by systemd's
// Delegate=yes.
func TestControlGroupsOfAnOrdinaryUser(t *testing.T) {
	needsRoot(t)
	given := delegate(t)
	group, err := os.Open(given)
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	name := fmt.Sprint("made-by-user-", os.Getpid())
	cmd := exec.Command(copyOfTests(t))
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "GROUP="+name, scriptVariable+"="+makeGroups)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
		UseCgroupFD: true, CgroupFD: int(group.Fd()),
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), "/"+name+"\n") || !strings.Contains(string(out), "/init.scope\n") {
		t.Errorf("it has no groups of its own: %s", out)
	}
	if left, _ := filepath.Glob(filepath.Join(given, "*/cgroup.procs")); len(left) > 0 {
		t.Errorf("there is left %v", left)
	}
}

// nobody is an ordinary user that every machine has.
const nobody = 65534

// delegate makes a group of version 2 that belongs to the ordinary user.
func delegate(t *testing.T) string {
	t.Helper()
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup2"))
	if err != nil {
		t.Fatal(err)
	}
	if len(mounts) == 0 {
		t.Skip("version 2 of control groups is not mounted")
	}
	dir := filepath.Join(mounts[len(mounts)-1].Mountpoint, fmt.Sprint("delegated-", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Rmdir(dir); err != nil {
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

// copyOfTests copies this test's binary to where any user can run it.
func copyOfTests(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "playhost.test")
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(path); dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// scriptVariable makes the test binary run a shell script in a playhost.
const scriptVariable = "PLAYHOST_TEST_SCRIPT"

func runScript(script string) int {
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := playhost.Run(cmd)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, err)
	return playhost.SetupFailed
}
