package supervisor_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/launch"
	"github.com/diyform/diyform/providers/container/output"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// supervisorOf gives the process id of a stack's supervisor. A container that has not run
// its command yet looks like one, but for its pid namespace.
func supervisorOf(t *testing.T, s stack) int {
	t.Helper()
	for _, pid := range processes(t, s.dir) {
		name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", pid))
		own, ownErr := os.Readlink("/proc/self/ns/user")
		if err == nil && ownErr == nil && name == own {
			return pid
		}
	}
	t.Fatal("there is no supervisor")
	return 0
}

// processes lists those whose command line has a text.
func processes(t *testing.T, text string) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(line), text) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestAdoption(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		before := s.run(spec("echo before; trap 'echo got it; exit 9' TERM; while :; do sleep 0.01; done"))
		waitForLog(t, before, "before")
		if err := syscall.Kill(supervisorOf(t, s), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		after, err := s.Inspect(testContext(t), "box")
		if err != nil {
			t.Fatal(err)
		}
		if after.Phase != supervisor.Running || after.PID != before.PID || after.StartTime != before.StartTime {
			t.Fatalf("adopted %+v, was %+v", after, before)
		}
		if out, _ := inContainer(t, after, "echo alive"); out != "alive" {
			t.Errorf("exec after adoption: %q", out)
		}
		ended, err := s.Stop(testContext(t), "box", 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if ended.Phase != supervisor.Stopped || ended.Exit == nil && kernelTellsExits() || ended.Exit != nil && ended.Exit.Code != 9 {
			t.Errorf("ended as %s with %+v (%s)", ended.Phase, ended.Exit, ended.Problem)
		}
		if log := s.log(ended); log[output.Stdout] != "before\ngot it\n" {
			t.Errorf("log is %q", log)
		}
	})
}

// kernelTellsExits reports whether this is Linux 6.15 or later.
func kernelTellsExits() bool {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return false
	}
	var major, minor int
	fmt.Sscanf(string(text), "%d.%d", &major, &minor)
	return major > 6 || major == 6 && minor >= 15
}

func TestShutdownLeavesContainers(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		before := s.run(spec(forever))
		if err := s.Shutdown(testContext(t)); err != nil {
			t.Fatal(err)
		}
		after, err := s.Inspect(testContext(t), "box")
		if err != nil || after.Phase != supervisor.Running || after.PID != before.PID {
			t.Errorf("after a shutdown: %+v, %v", after, err)
		}
	})
}

func TestEndsWithoutSupervisor(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		before := s.run(spec(forever))
		for _, pid := range []int{supervisorOf(t, s), before.PID} {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		// How it ended is known if it is not reaped before the next supervisor looks.
		after, err := s.Wait(testContext(t), "box")
		if err != nil || after.Phase != supervisor.Exited {
			t.Errorf("status is %+v, %v", after, err)
		}
		if after.Exit == nil && after.Problem == "" || after.Exit != nil && after.Exit.Signal != int(syscall.SIGKILL) {
			t.Errorf("ended with %+v: %q", after.Exit, after.Problem)
		}
	})
}

// TestEarlierBoot checks that what a runtime folder on disk tells of before a reboot is gone.
func TestEarlierBoot(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		status := s.runWith(forever, supervisor.Settings{Restart: supervisor.Restart{Policy: supervisor.RestartAlways}})
		for _, pid := range []int{supervisorOf(t, s), status.PID} {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		record := filepath.Join(s.dir, "containers/box/record.json")
		text, err := os.ReadFile(record)
		if err != nil {
			t.Fatal(err)
		}
		text = regexp.MustCompile(`"boot_id": "[^"]*"`).ReplaceAll(text, []byte(`"boot_id": "another"`))
		if err := os.WriteFile(record, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if list, err := s.List(testContext(t)); err != nil || len(list) != 0 {
			t.Errorf("list is %+v, %v", list, err)
		}
		if _, err := os.Stat(filepath.Join(s.dir, "containers/box")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("its folder is left: %v", err)
		}
	})
}

// crashing starts a supervisor that kills itself at its nth failpoint.
func crashing(t *testing.T, s stack, failpoint string) {
	t.Helper()
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"diyform-supervisor", s.dir}, Stderr: os.Stderr,
		Env: append(os.Environ(), "DIYFORM_SUPERVISOR_FAILPOINT="+failpoint), ExtraFiles: []*os.File{w},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait()
}

// TestCrash kills the supervisor at every point of a container's life. What the client asks
// for happens all the same, by the next supervisor, and nothing is left of the first.
func TestCrash(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) { crashEverywhere(t, live) })
}

// TestCrashRestarting does so with one that waits for its interfaces and is restarted.
func TestCrashRestarting(t *testing.T) {
	playtest.Require(t)
	crashEverywhere(t, liveTwice)
}

func crashEverywhere(t *testing.T, live func(t *testing.T, failpoint string)) {
	counted := filepath.Join(t.TempDir(), "hits")
	live(t, "count:"+counted)
	text, err := os.ReadFile(counted)
	if err != nil {
		t.Fatal(err)
	}
	hits := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(hits) < 20 {
		t.Fatalf("only %d failpoints", len(hits))
	}
	for i, hit := range hits {
		if i > 0 && hits[i-1] == hit && strings.HasSuffix(hit, "reply.before") {
			continue // somebody looks again and again
		}
		t.Run(strings.ReplaceAll(hit, " ", "-"), func(t *testing.T) {
			t.Parallel()
			live(t, strconv.Itoa(i+1))
		})
	}
}

// liveTwice is the life of a container that waits for an interface, is killed, and is
// restarted by its policy.
func liveTwice(t *testing.T, failpoint string) {
	s := newStack(t)
	crashing(t, s, failpoint)
	settings := supervisor.Settings{
		Interfaces: []string{"lo"}, StopTimeout: time.Second,
		Restart: supervisor.Restart{Policy: supervisor.RestartAlways, Delay: time.Millisecond},
	}
	first := s.runSurely(settings, 0)
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.runSurely(settings, first.PID)
	stopped, err := s.Client.Stop(testContext(t), "box", nil)
	if err != nil || stopped.Phase != supervisor.Stopped {
		t.Fatalf("stopped: %+v, %v", stopped, err)
	}
	if err := s.Remove(testContext(t), "box"); err != nil {
		t.Fatal(err)
	}
	s.expectNothingLeft(testContext(t))
}

// runSurely brings a container to run by another process than before, whatever happens to its
// supervisor.
func (s stack) runSurely(settings supervisor.Settings, before int) supervisor.Status {
	s.t.Helper()
	ctx := testContext(s.t)
	var status supervisor.Status
	err := supervisor.ErrNotFound
	for ; ctx.Err() == nil; status, err = s.Inspect(ctx, "box") {
		switch {
		case errors.Is(err, supervisor.ErrNotFound) || status.Phase == supervisor.Lost || status.Phase == supervisor.Created:
			if _, err := s.Client.Create(ctx, withData(s.dir, spec(forever)), settings); err != nil {
				s.t.Log(err)
			} else if _, err := s.Start(ctx, "box"); err != nil {
				s.t.Log(err)
			}
		case err != nil:
			s.t.Fatal(err)
		case status.Phase == supervisor.Running && status.PID != before:
			return status
		case status.Phase == supervisor.Waiting:
			if err := setLoopbackUp(status); err != nil {
				s.t.Log(err) // it may be another process by now
			}
		}
		time.Sleep(time.Millisecond)
	}
	s.t.Fatalf("it never runs: %+v", status)
	return status
}

// live is a container's life, with a supervisor that may be killed in it.
func live(t *testing.T, failpoint string) {
	s := newStack(t)
	network := filepath.Base(t.Name()) // subtests run side by side
	marker := "diyform-test-" + strconv.Itoa(os.Getpid()) + "-" + strings.ReplaceAll(t.Name(), "/", "-")
	sp := spec(": " + marker + "; trap 'exit 3' TERM; while :; do sleep 0.01; done")
	if os.Geteuid() == 0 {
		sp.Network = launch.Network{Name: network, Mark: "diyform:test"}
	}
	crashing(t, s, failpoint)
	ctx := testContext(t)
	status := startSurely(t, s, sp)
	if status.Phase != supervisor.Running {
		t.Fatalf("the container is %s: %s", status.Phase, status.Problem)
	}
	if sp.Network.Name != "" {
		if pin, err := netns.Lookup(network); err != nil || pin.ID != status.Network {
			t.Errorf("the network namespace's name means %+v, %v; the container's is %+v", pin, err, status.Network)
		}
	}
	again, err := s.Restart(ctx, "box")
	if err != nil || again.Phase != supervisor.Running {
		t.Fatalf("restarted: %+v, %v", again, err)
	}
	if sp.Network.Name != "" && again.Network != status.Network {
		t.Errorf("restarted in network namespace %v, it was %v", again.Network, status.Network)
	}
	if _, err := s.Stop(ctx, "box", time.Second); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(ctx, "box"); err != nil {
		t.Fatal(err)
	}
	s.expectNothingLeft(ctx)
	for len(processes(t, s.dir)) > 0 && ctx.Err() == nil { // the supervisor, on its way out
		time.Sleep(time.Millisecond)
	}
	if pids := append(processes(t, marker), processes(t, s.dir)...); len(pids) > 0 {
		t.Errorf("processes are left: %v", pids)
	}
	if _, err := netns.Lookup(network); err == nil {
		t.Error("the network namespace's name is left")
	}
}

// startSurely does as a second apply does: a container that was lost on the way is made anew.
func startSurely(t *testing.T, s stack, sp launch.Spec) supervisor.Status {
	t.Helper()
	var status supervisor.Status
	for range 3 {
		_, err := s.Create(testContext(t), sp)
		if err == nil {
			status, err = s.Start(testContext(t), sp.ID)
		}
		if err == nil {
			return status
		}
		t.Log(err)
	}
	t.Fatal("the container does not start")
	return status
}
