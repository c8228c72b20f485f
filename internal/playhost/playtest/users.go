package playtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/diyform/diyform/internal/playhost"
)

// AsEachUser runs a test as the playhost's root, and where that is the real machine's, once
// more as the ordinary user, in a process of its own.
func AsEachUser(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	Require(t)
	if os.Geteuid() != 0 {
		test(t)
		return
	}
	t.Run("root", test)
	if RealRoot() {
		t.Run("user", again)
	}
}

// RealRoot reports whether the playhost's root is the machine's, so that there are other
// users.
func RealRoot() bool {
	ranges, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.HasSuffix(string(ranges), "4294967295\n")
}

// again runs the test around this one as the ordinary user, with a home and a folder for
// temporary files.
func again(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	for dir := home; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(home, playhost.UserID, playhost.UserID); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+strings.TrimSuffix(t.Name(), "/user")+"$",
		"-test.v="+strconv.FormatBool(testing.Verbose()))
	cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home)
	cmd.Dir = home
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: playhost.UserID, Gid: playhost.UserID}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("as an ordinary user: %v\n%s", err, out)
	}
	t.Logf("%s", out)
}
