package supervisor_test

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/enter"
)

func TestExecInTerminal(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		status := newStack(t).run(spec(forever))
		ours, theirs, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer ours.Close()
		if err := pty.Setsize(theirs, &pty.Winsize{Rows: 33, Cols: 101}); err != nil {
			t.Fatal(err)
		}
		output := make(chan string)
		go func() {
			text, _ := io.ReadAll(ours)
			output <- string(text)
		}()
		if _, err := ours.WriteString("typed\r"); err != nil {
			t.Fatal(err)
		}
		code, err := runIn(testContext(t), status, enter.Options{
			Command:  []string{"sh", "-c", "tty; stty size; read line; echo read:$line; test -w $(tty) && echo mine > /dev/tty; exit 4"},
			Terminal: true, Stdin: theirs, Stdout: theirs,
		})
		theirs.Close()
		text := strings.ReplaceAll(<-output, "\r", "")
		if err != nil || code != 4 {
			t.Errorf("exit code %d, %v", code, err)
		}
		for _, want := range []string{"/dev/pts/0\n", "33 101\n", "read:typed\n", "mine\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("output %q does not have %q", text, want)
			}
		}
	})
}

func TestExecEndsWithContext(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		status := newStack(t).run(spec(forever))
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		ctx, cancel := context.WithCancel(testContext(t))
		defer cancel()
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		go func() {
			r.Read(make([]byte, 1)) // the command runs
			cancel()
		}()
		_, err = runIn(ctx, status, enter.Options{Command: []string{"sh", "-c", "echo; sleep 1000"}, Stdin: null, Stdout: w, Stderr: w})
		w.Close()
		if err == nil {
			t.Error("no error after the context's end")
		}
	})
}
