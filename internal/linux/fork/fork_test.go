package fork

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newProgram(t *testing.T) *Program {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// finish starts the program and waits for its end, whichever it is.
func finish(t *testing.T, p *Program) error {
	t.Helper()
	c, err := p.Start(0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(c.PidFD)
	defer c.Close()
	err = c.Executed(t.Context())
	var status unix.WaitStatus
	for {
		if _, waitErr := unix.Wait4(c.PID, &status, 0, nil); waitErr == nil {
			return err
		} else if waitErr != unix.EINTR {
			t.Fatal(waitErr)
		}
	}
}

// outcome runs a script behind the program's steps and gives its output.
func outcome(t *testing.T, compose func(p *Program)) (string, error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := newProgram(t)
	out := p.Keep(w)
	p.ResetSignals()
	compose(p)
	p.Replace(1, out)
	p.Exec([]string{"/no/such/folder/sh", "/bin/sh"}, []string{"sh", "-c", "pwd; ls /proc/self/fd | tr '\\n' ' '; cat /proc/self/status | grep SigBlk"}, []string{"PATH=/bin:/usr/bin"})
	err = finish(t, p)
	w.Close()
	text := make([]byte, 4096)
	n, _ := r.Read(text)
	return string(text[:n]), err
}

func TestChildRunsTheSteps(t *testing.T) {
	out, err := outcome(t, func(p *Program) { p.Chdir("/usr") })
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out, "/usr\n0 1 2 3 ") || !strings.Contains(out, "SigBlk:\t0000000000000000") {
		t.Errorf("the program printed %q", out)
	}
}

func TestFailedStepIsNamed(t *testing.T) {
	_, err := outcome(t, func(p *Program) { p.Chdir("/no/such/folder") })
	var step *StepError
	if !errors.As(err, &step) || step.Step != "enter folder /no/such/folder" || !errors.Is(err, syscall.ENOENT) {
		t.Errorf("error is %v", err)
	}
}

// TestToleratedErrors checks that a failed alternative leaves no descriptors open, as the
// numbers of all later ones would be others than the program says.
func TestToleratedErrors(t *testing.T) {
	out, err := outcome(t, func(p *Program) {
		p.FirstOf(Missing, func() {
			a := p.Open("/usr", os.O_RDONLY)
			b := p.OpenIn(a, "bin", unix.O_PATH)
			c := p.Open("/no/such/file", os.O_RDONLY)
			for _, fd := range []FD{a, b, c} {
				p.CloseFD(fd)
			}
			p.Chdir("/proc")
		}, func() { p.Chdir("/usr") })
		p.Optional(Missing, func() { p.Chdir("/no/such/folder"); p.Chdir("/proc") })
		p.Optional(Missing, func() {
			p.Optional(Missing, func() { p.Chdir("/no/such/folder") })
			p.CloseFD(p.Open("/usr", os.O_RDONLY))
		})
		p.CloseFD(p.Open("/usr", os.O_RDONLY)) // fails where a number is not as said
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out, "/usr\n0 1 2 3 ") {
		t.Errorf("the program printed %q", out)
	}
}

func TestAlternativesMustAgree(t *testing.T) {
	p := newProgram(t)
	p.FirstOf(Missing, func() { p.Open("/usr", os.O_RDONLY) }, func() {})
	p.Exec([]string{"/bin/true"}, []string{"true"}, nil)
	if _, err := p.Start(0); err == nil || !strings.Contains(err.Error(), "which is a bug") {
		t.Errorf("error is %v", err)
	}
}

func TestChildWaitsForTheParent(t *testing.T) {
	file, err := os.Open("/usr")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p := newProgram(t)
	p.ResetSignals()
	received := p.Receive("wait", 1)
	p.EnterDir(received[0])
	p.Ready()
	p.Receive("wait once more", 0)
	p.Exec([]string{"/bin/sh"}, []string{"sh", "-c", `test "$(pwd -P)" = /usr`}, []string{"PATH=/bin:/usr/bin"})
	c, err := p.Start(0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(c.PidFD)
	defer c.Close()
	early, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Ready(early); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("ready before it was told: %v", err)
	}
	c.status.SetReadDeadline(time.Time{})
	if err := c.Send(file); err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Send(); err != nil {
		t.Fatal(err)
	}
	if err := c.Executed(t.Context()); err != nil {
		t.Fatal(err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(c.PID, &status, 0, nil); err != nil || status.ExitStatus() != 0 {
		t.Errorf("exit status %d, %v", status.ExitStatus(), err)
	}
}

func TestChildEndsWithTheParent(t *testing.T) {
	p := newProgram(t)
	p.ResetSignals()
	p.Receive("wait", 0)
	p.Exec([]string{"/bin/true"}, []string{"true"}, nil)
	c, err := p.Start(0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(c.PidFD)
	c.Close() // as the kernel does when this process dies
	var status unix.WaitStatus
	if _, err := unix.Wait4(c.PID, &status, 0, nil); err != nil || status.ExitStatus() != 127 {
		t.Errorf("exit status %d, %v", status.ExitStatus(), err)
	}
}

func TestDescriptorsAreLowest(t *testing.T) {
	p := newProgram(t)
	p.open, p.kept = []FD{0, 1, 2, 5}, nil
	var got []FD
	for range 3 {
		got = append(got, p.Open("/", os.O_RDONLY))
	}
	p.CloseFD(4)
	got = append(got, p.Open("/", os.O_RDONLY))
	if want := []FD{3, 4, 6, 4}; !slices.Equal(got, want) {
		t.Errorf("descriptors %v, want %v", got, want)
	}
}

func TestTimeOffset(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                        "7 0 0\n",
		-1500 * time.Millisecond: "7 -2 500000000\n",
		-time.Second:             "7 -1 0\n",
		time.Nanosecond:          "7 0 1\n",
	} {
		if got := timeOffset(unix.CLOCK_BOOTTIME, d); got != want {
			t.Errorf("offset of %v is %q, want %q", d, got, want)
		}
	}
}
