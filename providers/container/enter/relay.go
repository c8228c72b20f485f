package enter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/diyform/diyform/internal/linux/fifo"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/internal/linux/pty"
)

// runRelayed runs the command with our files, but never with a terminal of ours: a terminal
// is open for reading and writing, so a command that got one only to write to could read
// what is typed, also after its end, and set the terminal up.
func (e *entry) runRelayed(ctx context.Context) (exitCode int, err error) {
	r := relays{ended: make(chan struct{})}
	stdio, err := r.open(e)
	if err != nil {
		r.closeTheirs()
		return 0, errors.Join(fmt.Errorf("run in container: %w", err), r.finish())
	}
	command, err := e.start(ctx, stdio)
	r.closeTheirs()
	if err != nil {
		return 0, errors.Join(err, r.finish())
	}
	defer command.Close()
	code, err := e.await(ctx, command)
	return code, errors.Join(err, r.finish())
}

// relays are the pipes between the command and our terminals.
type relays struct {
	theirs  []*os.File // the command's ends
	ended   chan struct{}
	running sync.WaitGroup

	mu  sync.Mutex
	err error
}

// open gives the command's files, and begins to copy where ours are terminals.
func (r *relays) open(e *entry) (files, error) {
	stdio := files{e.Stdin, e.Stdout, e.Stderr}
	for i, f := range stdio {
		if !term.IsTerminal(int(f.Fd())) {
			continue
		}
		read, write, err := os.Pipe()
		if err != nil {
			return files{}, err
		}
		ours, theirs := read, write
		if i == 0 {
			ours, theirs = write, read
		}
		r.theirs = append(r.theirs, theirs)
		stdio[i] = theirs
		if i == 0 {
			r.running.Go(func() { r.input(ours, f) })
		} else {
			r.running.Go(func() { r.output(f, ours) })
		}
		if err := errors.Join(fifo.Block(theirs), e.give(theirs)); err != nil {
			return files{}, err
		}
	}
	return stdio, nil
}

// input copies what is typed until the command has ended.
func (r *relays) input(to, terminal *os.File) {
	defer to.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	finished := make(chan struct{})
	defer close(finished)
	go func() {
		select {
		case <-r.ended:
			cancel()
			to.SetWriteDeadline(time.Unix(1, 0)) // who is left may hold the pipe and not read
		case <-finished:
		}
	}()
	r.note(pty.CopyInput(ctx, to, terminal))
}

// output copies until all that have the pipe have closed it, or soon after the command has
// ended: what that has left running may keep the pipe.
func (r *relays) output(terminal, from *os.File) {
	defer from.Close()
	if err := pty.CopyOutput(terminal, from, r.ended); err != nil {
		r.note(err)
		return
	}
	err := fifo.Drain(&limitedWriter{terminal, pipeSize}, from) // a slow terminal's rest
	if !errors.Is(err, errEnough) {
		r.note(err)
	}
}

// pipeSize is the most that can be in a pipe: pipe(7).
const pipeSize = 64 << 10

var errEnough = errors.New("that was all")

// limitedWriter refuses what comes after so many bytes.
type limitedWriter struct {
	to   io.Writer
	left int
}

func (w *limitedWriter) Write(b []byte) (int, error) {
	if w.left <= 0 {
		return 0, errEnough
	}
	w.left -= len(b)
	return w.to.Write(b)
}

func (r *relays) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = errors.Join(r.err, err)
}

// closeTheirs leaves the command's ends to the command alone, so that each side sees when
// the other has closed.
func (r *relays) closeTheirs() {
	for _, f := range r.theirs {
		f.Close()
	}
}

// finish copies what the command has written before its end, and stops.
func (r *relays) finish() error {
	close(r.ended)
	r.running.Wait()
	return r.err
}

// give makes the container's root the owner of a file of the command's: the command may open
// it again, by /dev/stdout.
func (e *entry) give(f *os.File) error {
	pid := fmt.Sprint(e.target.PID)
	uids, err := process.UIDMap(pid)
	if err != nil {
		return err
	}
	gids, err := process.GIDMap(pid)
	if err != nil {
		return err
	}
	if err := e.target.Signal(0); err != nil {
		return err
	}
	if len(uids) == 0 || len(gids) == 0 || int(uids[0].Outside) == os.Geteuid() {
		return nil
	}
	if err := f.Chown(int(uids[0].Outside), int(gids[0].Outside)); err != nil {
		return fmt.Errorf("give %s to the container: %w", f.Name(), err)
	}
	return nil
}
