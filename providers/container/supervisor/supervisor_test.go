package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/enter"
	"github.com/diyform/diyform/providers/container/launch"
	"github.com/diyform/diyform/providers/container/output"
	"github.com/diyform/diyform/providers/container/rootfs"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// stack is a stack of a test's own.
type stack struct {
	*supervisor.Client
	t   *testing.T
	dir string
}

func newStack(t *testing.T) stack {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "stack")
	s := stack{supervisor.Connect(dir), t, dir}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		list, err := s.List(ctx)
		if err != nil {
			t.Error(err)
		}
		for _, c := range list {
			if err := s.Remove(ctx, c.Spec.ID); err != nil {
				t.Error(err)
			}
		}
		s.expectNothingLeft(ctx)
	})
	return s
}

// Create makes a container with default settings, and gives it a data folder.
func (s stack) Create(ctx context.Context, sp launch.Spec) (supervisor.Status, error) {
	return s.Client.Create(ctx, withData(s.dir, sp), defaults)
}

var defaults = supervisor.Settings{StopTimeout: 10 * time.Second}

func dataOf(dir string) string { return dir + "-data" }

func withData(dir string, sp launch.Spec) launch.Spec {
	if sp.Data == "" {
		sp.Data = filepath.Join(dataOf(dir), sp.ID)
	}
	return sp
}

// Stop stops a container, with a timeout of its own.
func (s stack) Stop(ctx context.Context, id string, timeout time.Duration) (supervisor.Status, error) {
	return s.Client.Stop(ctx, id, &timeout)
}

// log gives what a container has written, by streams.
func (s stack) log(status supervisor.Status) map[output.Stream]string {
	s.t.Helper()
	r, err := output.Open(status.Log, output.Query{Tail: -1})
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	text := map[output.Stream]string{}
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return text
		}
		if err != nil {
			s.t.Fatal(err)
		}
		text[e.Stream] += string(e.Text) + "\n"
	}
}

// expectNothingLeft checks that the stack's folder and supervisor are gone.
func (s stack) expectNothingLeft(ctx context.Context) {
	s.t.Helper()
	if entries, err := os.ReadDir(dataOf(s.dir)); err == nil {
		s.t.Errorf("data is left: %v", entries)
	}
	s.expectNoGroup()
	for ctx.Err() == nil {
		if _, err := os.Stat(s.dir); errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	entries, _ := os.ReadDir(s.dir)
	s.t.Errorf("the stack's folder is still there: %v", entries)
}

// expectNoGroup checks that no control group of the stack is left.
func (s stack) expectNoGroup() {
	s.t.Helper()
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && strings.Contains(e.Name(), strings.ReplaceAll(s.dir, "/", "%2f")) {
			s.t.Errorf("control group %s is left", path)
		}
		return nil
	})
	if err != nil {
		s.t.Error(err)
	}
}

func spec(script string) launch.Spec {
	return launch.Spec{
		ID: "box", Root: rootfs.Spec{Host: true}, Command: []string{"/bin/sh", "-c", script},
		Hostname: "diy", BootTime: launch.BootTimeZero, IDMap: launch.IDMapAuto, StopSignal: int(syscall.SIGTERM),
	}
}

// run creates and starts a container.
func (s stack) run(sp launch.Spec) supervisor.Status {
	s.t.Helper()
	ctx := testContext(s.t)
	created, err := s.Create(ctx, sp)
	if err != nil {
		s.t.Fatal(err)
	}
	if created.Phase != supervisor.Created {
		s.t.Fatalf("phase after create is %q", created.Phase)
	}
	started, err := s.Start(ctx, sp.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return started
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// inContainer runs a script in a container and gives its output.
func inContainer(t *testing.T, status supervisor.Status, script string) (output string, exitCode int) {
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
	text := make(chan string)
	go func() {
		b, _ := io.ReadAll(r)
		text <- string(b)
	}()
	code, err := runIn(testContext(t), status, enter.Options{
		Command: []string{"sh", "-c", script}, Stdin: null, Stdout: w, Stderr: w,
	})
	w.Close()
	out := <-text
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(out), code
}

const forever = "while :; do sleep 60; done"

func TestNamespaces(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		status := newStack(t).run(spec(forever))
		for _, kind := range []string{"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"} {
			ours, err := os.Readlink("/proc/self/ns/" + kind)
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", status.PID, kind))
			if err != nil {
				t.Fatal(err)
			}
			if ours == theirs {
				t.Errorf("the %s namespace is the host's", kind)
			}
			entered, _ := inContainer(t, status, "readlink /proc/self/ns/"+kind)
			if entered != theirs {
				t.Errorf("exec is in %s namespace %s, not %s", kind, entered, theirs)
			}
		}
		if uptime, _ := inContainer(t, status, "cut -d. -f1 /proc/uptime"); len(uptime) != 1 {
			t.Errorf("uptime is %s seconds", uptime)
		}
		if name, _ := inContainer(t, status, "hostname"); name != "diy" {
			t.Errorf("host name is %q", name)
		}
		if id, _ := inContainer(t, status, "id -u; id -g; id -G"); id != "0\n0\n0" {
			t.Errorf("user and groups are %q", id)
		}
		if processes, _ := inContainer(t, status, "ls -d /proc/[0-9]* | wc -l"); len(processes) != 1 {
			t.Errorf("%s processes are to be seen", processes)
		}
	})
}

func TestHardening(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		status := newStack(t).run(spec(forever))
		for _, of := range []string{"1", "self"} {
			text, _ := inContainer(t, status, "grep -E '^(CapBnd|CapEff|CapAmb|NoNewPrivs|Seccomp):' /proc/"+of+"/status | tr -s '\\t\\n' ' '")
			const capabilities = "00000000800435fb"
			want := "CapEff: " + capabilities + " CapBnd: " + capabilities + " CapAmb: 0000000000000000 NoNewPrivs: 1 Seccomp: 2"
			if text != want {
				t.Errorf("process %s has\n%s, want\n%s", of, text, want)
			}
		}
		for script, want := range map[string]string{
			"wc -c < /proc/keys":                                            "0",
			"wc -c < /proc/timer_list":                                      "0",
			"ls -A /sys/firmware /proc/acpi":                                "",
			"(echo x > /proc/sys/kernel/hostname) 2>&1 | grep -c Read-only": "1",
			"mount -t tmpfs none /mnt 2>/dev/null; echo $?":                 "32",
			"unshare -U true 2>/dev/null; echo $?":                          "1",
			"ls -A /run/netns 2>/dev/null":                                  "",
			"ls /proc/self/fd | wc -l":                                      "4",
			"readlink /proc/1/fd/0":                                         "/dev/null",
			"test -e /proc/1/fd/3; echo $?":                                 "1",
			"ulimit -n":                                                     "1024",
		} {
			got, _ := inContainer(t, status, script)
			if script == "ls -A /sys/firmware /proc/acpi" {
				got = strings.NewReplacer("/sys/firmware:", "", "/proc/acpi:", "", "\n", "").Replace(got)
			}
			if got != want {
				t.Errorf("%s: %q, want %q", script, got, want)
			}
		}
	})
}

func TestRootIsWritableAndForgotten(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		image := t.TempDir()
		install(t, image, "sh", "cat", "mkdir", "stat", "sleep")
		if err := os.WriteFile(filepath.Join(image, "old"), []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		sp := spec("exec sleep 1000")
		sp.Root = rootfs.Spec{Directory: image}
		status := newStack(t).run(sp)
		if out, _ := inContainer(t, status, "cat /old; echo new > /old; cat /old; mkdir /dir && stat -c %u /old /dir"); out != "oldnew\n0\n0" {
			t.Errorf("in the container: %q", out)
		}
		if text, err := os.ReadFile(filepath.Join(image, "old")); err != nil || string(text) != "old" {
			t.Errorf("the image has %q, %v", text, err)
		}
		if _, err := os.Stat(filepath.Join(image, "dir")); err == nil {
			t.Error("the image has a new folder")
		}
	})
}

// install copies programs, and the libraries that they load, from the host into an image.
func install(t *testing.T, image string, programs ...string) {
	t.Helper()
	for _, name := range programs {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		copyFile(t, path, filepath.Join(image, "bin", name))
		libraries, err := exec.Command("ldd", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.Fields(string(libraries)) {
			if filepath.IsAbs(word) {
				copyFile(t, word, filepath.Join(image, word))
			}
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestExec(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		status := newStack(t).run(spec(forever))
		if out, code := inContainer(t, status, "echo out; echo err >&2; exit 42"); out != "out\nerr" || code != 42 {
			t.Errorf("output %q, exit code %d", out, code)
		}
		if _, code := inContainer(t, status, "kill -9 $$"); code != 128+9 {
			t.Errorf("exit code after SIGKILL is %d", code)
		}
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		_, err = runIn(testContext(t), status, enter.Options{Command: []string{"no-such-command"}, Stdin: null, Stdout: null, Stderr: null})
		if !errors.Is(err, syscall.ENOENT) || !strings.Contains(err.Error(), `no command "no-such-command" in its PATH`) {
			t.Errorf("error for an unknown command: %v", err)
		}
		signals := make(chan os.Signal, 1)
		signals <- syscall.SIGUSR1
		code, err := runIn(testContext(t), status, enter.Options{
			Command: []string{"sleep", "100"}, Stdin: null, Stdout: null, Stderr: null, Signals: signals,
		})
		if err != nil || code != 128+int(syscall.SIGUSR1) {
			t.Errorf("after SIGUSR1: exit code %d, %v", code, err)
		}
	})
}

func TestExitAndLogs(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		s.run(spec("echo to stdout; echo to stderr >&2; echo direct > /dev/stdout; exit 7"))
		ended, err := s.Wait(testContext(t), "box")
		if err != nil {
			t.Fatal(err)
		}
		if ended.Phase != supervisor.Exited || ended.Exit == nil || ended.Exit.Code != 7 {
			t.Errorf("ended as %s with %+v: %s", ended.Phase, ended.Exit, ended.Problem)
		}
		log := s.log(ended)
		if log[output.Stdout] != "to stdout\ndirect\n" || log[output.Stderr] != "to stderr\n" {
			t.Errorf("log is %q", log)
		}
	})
}

func TestStop(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		for _, c := range []struct {
			name, script string
			timeout      time.Duration
			code, signal int
		}{
			{"handles the signal", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done", 10 * time.Second, 5, 0},
			{"ignores the signal", "trap : TERM; echo ready; while :; do sleep 0.01; done", 50 * time.Millisecond, 128 + 9, 9},
			{"has no handler", "echo ready; " + forever, time.Hour, 128 + 9, 9},
		} {
			t.Run(c.name, func(t *testing.T) {
				s := newStack(t)
				sp := spec(c.script)
				sp.Init = launch.InitNo
				status := s.run(sp)
				waitForLog(t, status, "ready")
				stopped, err := s.Stop(testContext(t), "box", c.timeout)
				if err != nil {
					t.Fatal(err)
				}
				if stopped.Exit == nil || stopped.Exit.Code != c.code || stopped.Exit.Signal != c.signal {
					t.Errorf("ended with %+v (%s)", stopped.Exit, stopped.Problem)
				}
			})
		}
	})
}

func waitForLog(t *testing.T, status supervisor.Status, text string) {
	t.Helper()
	ctx := testContext(t)
	for ctx.Err() == nil {
		if log, err := os.ReadFile(status.Log); err == nil && strings.Contains(string(log), text) {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("the log never had %q", text)
}

func TestCreateAgain(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		first := s.run(spec(forever))
		again, err := s.Create(testContext(t), spec(forever))
		if err != nil || again.PID != first.PID || again.Phase != supervisor.Running {
			t.Errorf("created again: %+v, %v", again, err)
		}
		if _, err := s.Create(testContext(t), spec("other")); !errors.Is(err, supervisor.ErrDifferent) {
			t.Errorf("created with another spec: %v", err)
		}
	})
}

func TestCommandThatCannotRun(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		sp := spec("")
		sp.Command = []string{"no-such-command"}
		if _, err := s.Create(testContext(t), sp); err != nil {
			t.Fatal(err)
		}
		_, err := s.Start(testContext(t), "box")
		if err == nil || !strings.Contains(err.Error(), `no command "no-such-command" in its PATH (`+launch.DefaultPath+`)`) {
			t.Errorf("error is %v", err)
		}
		status, err := s.Wait(testContext(t), "box")
		if err != nil || status.Phase != supervisor.Lost {
			t.Errorf("status is %+v, %v", status, err)
		}
	})
}
