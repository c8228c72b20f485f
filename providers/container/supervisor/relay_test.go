package supervisor_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/enter"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// operator is who sits at a terminal.
type operator struct {
	keyboard, terminal *os.File
	screen             chan string
}

func newOperator(t *testing.T) *operator {
	t.Helper()
	keyboard, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	o := &operator{keyboard, terminal, make(chan string, 1)}
	go func() {
		var text []byte
		buf := make([]byte, 4<<10)
		for !strings.HasSuffix(string(text[max(0, len(text)-len(over)):]), over) {
			n, err := keyboard.Read(buf)
			text = append(text, buf[:n]...)
			if err != nil {
				break
			}
		}
		o.screen <- strings.ReplaceAll(string(text), "\r", "")
	}()
	return o
}

// over is the last word on a screen: a terminal that is closed may lose what was written.
const over = "[over]"

// leave gives what the screen shows at the end.
func (o *operator) leave() string {
	defer o.terminal.Close()
	o.terminal.WriteString(over)
	return <-o.screen
}

// execOnto runs a script whose standard files are a terminal's, where that is not nil.
func execOnto(t *testing.T, status supervisor.Status, script string, stdio [3]*os.File) int {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for i := range stdio {
		if stdio[i] == nil {
			stdio[i] = null
		}
	}
	code, err := runIn(testContext(t), status, enter.Options{
		Command: []string{"sh", "-c", script}, Stdin: stdio[0], Stdout: stdio[1], Stderr: stdio[2],
	})
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// TestNoTerminalInside checks that a command which was given no terminal has none of the
// operator's: it could read from it what is typed.
func TestNoTerminalInside(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		status := newStack(t).run(spec(forever))
		for i, name := range []string{"stdin", "stdout", "stderr"} {
			o := newOperator(t)
			var stdio [3]*os.File
			stdio[i] = o.terminal
			script := "for f in 0 1 2; do test -t $f && exit 3; case $(readlink /proc/self/fd/$f) in *pts*|*tty*) exit 4;; esac; done; exit 7"
			if code := execOnto(t, status, script, stdio); code != 7 {
				t.Errorf("with a terminal as %s: exit code %d", name, code)
			}
			o.leave()
		}
	})
}

func TestRelay(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		status := newStack(t).run(spec(forever))
		o := newOperator(t)
		if _, err := o.keyboard.WriteString("typed\r\x04"); err != nil {
			t.Fatal(err)
		}
		script := "read line; echo read:$line; cat; echo to-stderr >&2; echo again > /dev/stdout; head -c 300000 /dev/zero | tr '\\0' x; echo end; exit 5"
		if code := execOnto(t, status, script, [3]*os.File{o.terminal, o.terminal, o.terminal}); code != 5 {
			t.Errorf("exit code %d", code)
		}
		screen := o.leave()
		const aside = "to-stderr\n" // comes by a pipe of its own, so it may be anywhere
		if !strings.Contains(screen, aside) {
			t.Errorf("the screen does not have %q", aside)
		}
		screen = strings.Replace(screen, aside, "", 1)
		for _, want := range []string{"read:typed\n", "again\n", strings.Repeat("x", 300000) + "end\n"} {
			if !strings.Contains(screen, want) {
				t.Errorf("the screen does not have %.20q; it has %d bytes", want, len(screen))
			}
		}
	})
}

// TestRelayEnds checks that what a command leaves running does not hold up who ran it.
func TestRelayEnds(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		status := newStack(t).run(spec(forever))
		for _, left := range []string{"sleep 1000 &", "yes >&2 & sleep 0.1;"} {
			o := newOperator(t)
			begun := time.Now()
			if code := execOnto(t, status, left+" echo done; exit 6", [3]*os.File{o.terminal, o.terminal, o.terminal}); code != 6 {
				t.Errorf("exit code %d", code)
			}
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("after %q, it took %v", left, took)
			}
			if screen := o.leave(); !strings.Contains(screen, "done\n") {
				t.Errorf("the screen does not show the output: %.100q", screen)
			}
		}
	})
}
