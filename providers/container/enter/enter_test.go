package enter_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/enter"
	"github.com/diyform/diyform/providers/container/launch"
	"github.com/diyform/diyform/providers/container/rootfs"
)

func TestMain(m *testing.M) { os.Exit(playtest.Main(m)) }

// start runs a container until the test ends.
func start(t *testing.T, change func(*launch.Spec)) (*launch.Container, launch.Spec) {
	t.Helper()
	data, err := os.MkdirTemp("", "data")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		filepath.WalkDir(data, func(path string, d os.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				os.Chmod(path, 0o700)
			}
			return nil
		})
		os.RemoveAll(data)
	})
	spec := launch.Spec{
		ID: "box", Root: rootfs.Spec{Host: true}, Command: []string{"sleep", "1000"}, Data: data,
		BootTime: launch.BootTimeZero, IDMap: launch.IDMapAuto, StopSignal: int(syscall.SIGTERM),
	}
	if change != nil {
		change(&spec)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	c, err := launch.Create(t.Context(), spec, launch.Options{
		Scope: t.Name(), Stdout: w, Stderr: w, Record: func(*pidfd.Process, *netns.Namespace) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, spec
}

// run runs a script in a container and gives its output.
func run(t *testing.T, c *launch.Container, spec launch.Spec, script string, o enter.Options) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	o.Command, o.Stdin, o.Stdout, o.Stderr = []string{"sh", "-c", script}, null, w, w
	_, err = enter.Run(t.Context(), c.Process, spec, o)
	w.Close()
	if err != nil {
		return "error: " + err.Error()
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func TestUser(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		c, spec := start(t, nil)
		const who = "id -u; echo $HOME; pwd; grep CapEff /proc/self/status"
		if got := run(t, c, spec, who, enter.Options{}); !strings.HasPrefix(got, "0\n/root\n/\n") {
			t.Errorf("as the container's user: %q", got)
		}
		if got := run(t, c, spec, who, enter.Options{User: "nosuchuser"}); !strings.Contains(got, `find user "nosuchuser"`) {
			t.Errorf("as an unknown user: %q", got)
		}
		if ids, err := launch.IDsOf(c.Process.PID); err != nil || len(ids.UIDs) == 1 && ids.UIDs[0].Count == 1 {
			t.Skip("one id is mapped")
		}
		if got := run(t, c, spec, who, enter.Options{User: "daemon", WorkingDir: "/usr"}); got != "1\n/usr/sbin\n/usr\nCapEff:\t0000000000000000" {
			t.Errorf("as daemon: %q", got)
		}
	})
}

func TestPlace(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		c, spec := start(t, func(s *launch.Spec) { s.ResourceLimits = []launch.ResourceLimit{{Name: "nofile", Soft: 55, Hard: 66}} })
		placed := 0
		if got := run(t, c, spec, "ulimit -n; ulimit -Hn", enter.Options{Place: func(pid int) error { placed = pid; return nil }}); got != "55\n66" || placed == 0 {
			t.Errorf("limits %q, placed process %d", got, placed)
		}
		refused := errors.New("no place")
		if got := run(t, c, spec, "true", enter.Options{Place: func(int) error { return refused }}); !strings.Contains(got, "no place") {
			t.Errorf("got %q", got)
		}
	})
}

// TestNothingOfOursInside checks that a command has no descriptor but its own three, and that
// it cannot leave by its working folder.
func TestNothingOfOursInside(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		c, spec := start(t, nil)
		if got := run(t, c, spec, "ls /proc/self/fd | tr '\\n' ' '", enter.Options{}); got != "0 1 2 3" {
			t.Errorf("descriptors %q", got)
		}
		for fd := range 12 {
			got := run(t, c, spec, "pwd", enter.Options{WorkingDir: fmt.Sprintf("/proc/self/fd/%d", fd)})
			if !strings.HasPrefix(got, "error: ") {
				t.Errorf("through descriptor %d: %q", fd, got)
			}
		}
	})
}

func TestDial(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		if _, err := exec.LookPath("python3"); err != nil {
			playtest.Missing(t, err)
		}
		c, _ := start(t, func(s *launch.Spec) {
			s.Command = []string{"python3", "-c", `
import socket
l = socket.create_server(("127.0.0.1", 7777))
while True:
    c, _ = l.accept()
    c.sendall(b"hello")
    c.close()
`}
		})
		var conn io.ReadCloser
		for deadline := time.Now().Add(30 * time.Second); conn == nil; time.Sleep(20 * time.Millisecond) {
			dialed, err := enter.Dial(t.Context(), c.Process, "tcp", "localhost:7777")
			switch {
			case err == nil:
				conn = dialed
			case !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(deadline):
				t.Fatal(err)
			}
		}
		defer conn.Close()
		if text, err := io.ReadAll(conn); err != nil || string(text) != "hello" {
			t.Errorf("read %q, %v", text, err)
		}
		if _, err := enter.Dial(t.Context(), c.Process, "udp", "127.0.0.1:1"); err == nil {
			t.Error("connected by udp")
		}
	})
}

// TestSharedNamespaces enters containers that have not all namespaces for themselves.
func TestSharedNamespaces(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		for _, kind := range []string{"uts", "ipc", "network", "pid", "cgroup", "time", "user"} {
			if kind == "user" && os.Geteuid() != 0 {
				continue
			}
			c, spec := start(t, func(s *launch.Spec) { s.ID, s.Namespaces.Keep = "keeps-"+kind, []string{kind} })
			if got := run(t, c, spec, "id -u", enter.Options{}); got != "0" {
				t.Errorf("in a container that keeps %s: %q", kind, got)
			}
		}
	})
}
