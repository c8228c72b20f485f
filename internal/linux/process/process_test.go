package process_test

import (
	"os/signal"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/process"
)

func TestCatches(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const unhandled = syscall.SIGUSR2
	signal.Ignore(unhandled) // the Go runtime handles nearly all
	defer signal.Reset(unhandled)
	check := func(want bool) {
		t.Helper()
		if got, err := process.Catches(unix.Gettid(), unhandled); err != nil || got != want {
			t.Errorf("got %t, %v, want %t", got, err, want)
		}
	}
	check(false)
	set := unix.Sigset_t{Val: [16]uint64{1 << (unhandled - 1)}}
	var before unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, &before); err != nil {
		t.Fatal(err)
	}
	check(true)
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil); err != nil {
		t.Fatal(err)
	}
	check(false)
	if caught, err := process.Catches(unix.Gettid(), syscall.SIGURG); err != nil || !caught {
		t.Errorf("the runtime's own signal: %t, %v", caught, err)
	}
}

func TestSignalNames(t *testing.T) {
	if n := process.Signal("term"); n != int(syscall.SIGTERM) || process.SignalName(n) != "SIGTERM" {
		t.Errorf("SIGTERM is %d, which is %s", n, process.SignalName(n))
	}
	if got := process.SignalName(40); got != "signal 40" {
		t.Errorf("got %q", got)
	}
}
