package supervisor_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/diyform/diyform/internal/playhost"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/enter"
	"github.com/diyform/diyform/providers/container/rootfs"
	"github.com/diyform/diyform/providers/container/supervisor"
	"github.com/diyform/diyform/providers/container/userns"
)

func TestMain(m *testing.M) {
	if supervisor.Invoked() {
		os.Exit(supervisor.Main())
	}
	if userns.Invoked() {
		os.Exit(userns.Main(map[string]userns.Func{rootfs.RemoveWork: rootfs.RemoveWorker}))
	}
	if dir, ok := os.LookupEnv(createVariable); ok {
		if err := createOnly(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Otherwise every process of a test with -race takes a second to exit.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(playtest.Main(m))
}

// asEachUser runs a test as the playhost's root, and where that is the real machine's, once
// more as the ordinary user.
func asEachUser(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	playtest.Require(t)
	if os.Geteuid() != 0 {
		test(t)
		return
	}
	t.Run("root", test)
	if !realRoot() {
		return
	}
	t.Run("user", func(t *testing.T) {
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
		cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()[:len(t.Name())-len("/user")]+"$", "-test.v="+strconv.FormatBool(testing.Verbose()))
		cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home)
		cmd.Dir = home
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: playhost.UserID, Gid: playhost.UserID}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("as an ordinary user: %v\n%s", err, out)
		}
		t.Logf("%s", out)
	})
}

// realRoot reports whether the playhost has more users than one.
func realRoot() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && len(text) > 0 && string(text[len(text)-11:]) == "4294967295\n"
}

// runIn runs a command in a container.
func runIn(ctx context.Context, status supervisor.Status, o enter.Options) (int, error) {
	target, err := status.Find()
	if err != nil {
		return 0, err
	}
	defer target.Close()
	return enter.Run(ctx, target, status.Spec, o)
}
