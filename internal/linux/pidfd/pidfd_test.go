package pidfd_test

import (
	"context"
	"errors"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

func start(t *testing.T, script string) (*exec.Cmd, *pidfd.Process) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := pidfd.Open(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return cmd, p
}

func TestReap(t *testing.T) {
	for script, want := range map[string]pidfd.Exit{
		"exit 3":     {Code: 3},
		"kill -9 $$": {Code: 137, Signal: syscall.SIGKILL},
	} {
		_, p := start(t, script)
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := p.Reap(); err != nil || got != want {
			t.Errorf("%q ended with %+v, %v", script, got, err)
		}
		if p.Alive() {
			t.Errorf("%q is alive", script)
		}
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	cmd, p := start(t, "sleep 100")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	if !p.Alive() {
		t.Error("it is not alive")
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if err := p.Signal(syscall.SIGKILL); !errors.Is(err, pidfd.ErrGone) {
		t.Errorf("signal to a dead process: %v", err)
	}
	if _, err := pidfd.Open(cmd.Process.Pid); !errors.Is(err, pidfd.ErrGone) {
		t.Errorf("open a dead process: %v", err)
	}
}

// TestWaitersAreApart is about one who gives up while others wait on.
func TestWaitersAreApart(t *testing.T) {
	_, p := start(t, "sleep 100")
	ended := make(chan error, 1)
	go func() { ended <- p.Wait(context.Background()) }()
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		if err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v", err)
		}
		cancel()
	}
	select {
	case err := <-ended:
		t.Fatalf("the other's wait is over: %v", err)
	default:
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestHandle(t *testing.T) {
	cmd, p := start(t, "sleep 100")
	handle, err := p.Handle()
	if errors.Is(err, pidfd.ErrNoHandles) {
		playtest.Missing(t, err) // CI's kernel has them
	}
	if err != nil {
		t.Fatal(err)
	}
	again, err := pidfd.OpenHandle(handle, cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // reaped by somebody else than the holder of the handle
	exit, err := again.ExitOfOther(t.Context())
	if err != nil && !errors.Is(err, pidfd.ErrUnknown) {
		t.Fatal(err)
	}
	if err == nil && exit.Signal != syscall.SIGTERM {
		t.Errorf("it ended with %+v", exit)
	}
	again.Close()
	p.Close()
	if _, err := pidfd.OpenHandle(handle, cmd.Process.Pid); !errors.Is(err, pidfd.ErrGone) {
		t.Errorf("open the handle of a dead process: %v", err)
	}
}
