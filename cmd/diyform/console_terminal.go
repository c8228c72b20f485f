package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/term"
)

// terminalConsole reads lines from a terminal, with editing, history and completion.
type terminalConsole struct {
	*console
	terminal *term.Terminal
	history  *history
	complete completer

	interrupted bool   // by Ctrl-C
	abandoned   string // what was in the line then
}

// converse answers what is typed on the terminal, until the user has had enough. Errors do
// not end it.
func (c *console) converse(ctx context.Context) error {
	in, stop := c.typed(ctx)
	defer stop()
	t := &terminalConsole{console: c, history: openHistory(c.view), complete: completer{session: c.session, scope: c.scope}}
	t.terminal = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{&interruptReader{from: in}, c.view.out}, "")
	t.terminal.History = t
	t.terminal.AutoCompleteCallback = t.key
	var pending unfinishedInput
	for {
		line, err := t.readLine(pending.depth)
		switch {
		case ctx.Err() != nil:
			return exitStatus(exitError)
		case errors.Is(err, io.EOF), t.interrupted && t.abandoned == "" && pending.depth == 0:
			c.view.printf("\n")
			return nil
		case err != nil:
			return c.view.failWith(err, "The terminal cannot be read")
		case t.interrupted:
			pending.rest()
			continue
		}
		if text, whole := pending.add(line); whole {
			if errors.Is(c.answer(ctx, text), errLeave) {
				return nil
			}
		}
	}
}

// readLine reads a line, with the terminal in raw mode only so long.
func (t *terminalConsole) readLine(depth int) (string, error) {
	fd := int(t.view.in.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", fmt.Errorf("use the terminal: %w", err)
	}
	defer term.Restore(fd, before)
	t.terminal.SetBracketedPasteMode(true) // so that a tab that is pasted completes nothing
	defer t.terminal.SetBracketedPasteMode(false)
	defer t.followSize()()
	prompt := ">"
	if depth > 0 {
		prompt = strings.Repeat(".", depth)
	}
	t.terminal.SetPrompt(prompt + " ")
	t.interrupted = false
	line, err := t.terminal.ReadLine()
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	return line, err
}

// followSize tells the line editor the terminal's size, now and when it changes.
func (t *terminalConsole) followSize() (stop func()) {
	resize := func() {
		if width, height, err := term.GetSize(int(t.view.out.Fd())); err == nil && width > 0 {
			_ = t.terminal.SetSize(width, height) // fails only when the terminal is gone, and then reading does
		}
	}
	resize()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGWINCH)
	var done sync.WaitGroup
	done.Go(func() {
		for range signals {
			resize()
		}
	})
	return func() {
		signal.Stop(signals)
		close(signals)
		done.Wait()
	}
}

// interruptKey stands for Ctrl-C, which the line editor would take for the end of input. It
// is a character of Unicode's private use area, so that nobody can type it.
const interruptKey = '\ue003'

// interruptReader puts interruptKey and the end of the line in the place of Ctrl-C.
type interruptReader struct {
	from io.Reader
	rest []byte
}

func (r *interruptReader) Read(b []byte) (int, error) {
	if len(r.rest) == 0 {
		buf := make([]byte, 256)
		n, err := r.from.Read(buf)
		if n == 0 {
			return 0, err
		}
		r.rest = bytes.ReplaceAll(buf[:n], []byte{3}, []byte(string(interruptKey)+"\r"))
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// key is told of each key that is no editing command.
func (t *terminalConsole) key(line string, pos int, key rune) (string, int, bool) {
	switch key {
	case interruptKey:
		t.interrupted, t.abandoned = true, line
		return line + "^C", len(line) + 2, true
	case '\t':
		head, choices := t.complete.line(line[:pos])
		if len(choices) > 0 {
			_, _ = io.WriteString(t.terminal, inColumns(choices, t.view)+"\n")
		}
		return head + line[pos:], len(head), true
	}
	return "", 0, false
}

// Add, Len and At are the terminal's history. What Ctrl-C abandoned is not part of it.
func (t *terminalConsole) Add(line string) {
	if !t.interrupted {
		t.history.Add(line)
	}
}

func (t *terminalConsole) Len() int        { return t.history.Len() }
func (t *terminalConsole) At(i int) string { return t.history.At(i) }

// inColumns lays words out on the terminal's width.
func inColumns(words []string, v *view) string {
	width, _, err := term.GetSize(int(v.out.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	widest := 0
	for _, w := range words {
		widest = max(widest, len(w)+2)
	}
	columns := max(1, width/widest)
	rows := (len(words) + columns - 1) / columns
	lines := make([]string, rows)
	for i, w := range words {
		lines[i%rows] += fmt.Sprintf("%-*s", widest, w)
	}
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
