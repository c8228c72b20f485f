package launch

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/rootfs"
)

func TestMain(m *testing.M) {
	if os.Getenv(attackVariable) != "" {
		attack()
		return
	}
	os.Exit(playtest.Main(m))
}

// shell is a container that runs a script.
func shell(t *testing.T, script string) Spec {
	return Spec{
		ID: "box", Root: rootfs.Spec{Host: true}, Command: []string{"/bin/sh", "-c", script},
		BootTime: BootTimeZero, IDMap: IDMapAuto, StopSignal: int(syscall.SIGTERM), Data: dataFolder(t),
	}
}

// dataFolder is removed by the container's root in effect: an overlay's work folder belongs
// to it.
func dataFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "data")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		filepath.WalkDir(dir, func(path string, d os.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				os.Chmod(path, 0o700)
			}
			return nil
		})
		os.RemoveAll(dir)
	})
	return dir
}

// running is a container whose output is read.
type running struct {
	*Container
	t      *testing.T
	output chan string
}

// begin creates a container.
func begin(t *testing.T, spec Spec, o Options) (*running, error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	o.Scope, o.Stdout, o.Stderr = t.Name(), w, w
	if o.Record == nil {
		o.Record = func(*pidfd.Process, *netns.Namespace) error { return nil }
	}
	c, err := Create(t.Context(), spec, o)
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	run := &running{c, t, make(chan string, 1)}
	go func() {
		defer r.Close()
		text, _ := io.ReadAll(r)
		run.output <- strings.TrimSpace(string(text))
	}()
	t.Cleanup(func() {
		if c.Process.Alive() {
			c.Kill()
		}
	})
	return run, nil
}

// finish waits for the container's end.
func (r *running) finish() (output string, exit pidfd.Exit) {
	r.t.Helper()
	if err := r.Process.Wait(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	exit, err := r.Process.Reap()
	if err != nil {
		r.t.Fatal(err)
	}
	return <-r.output, exit
}

// outcome runs a container to its end, and gives its output, or its error.
func outcome(t *testing.T, spec Spec) string {
	t.Helper()
	c, err := begin(t, spec, Options{})
	if err == nil {
		err = c.Start(t.Context())
	}
	if err != nil {
		if c != nil {
			c.Kill()
		}
		return "error: " + err.Error()
	}
	output, exit := c.finish()
	if exit.Code != 0 {
		output += fmt.Sprintf("\nexit code %d", exit.Code)
	}
	return strings.TrimSpace(output)
}

// expect runs a container and checks that its output, or error, holds a text.
func expect(t *testing.T, spec Spec, want string) {
	t.Helper()
	if got := outcome(t, spec); !strings.Contains(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
