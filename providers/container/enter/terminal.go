package enter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/term"

	"github.com/diyform/diyform/internal/linux/pty"
)

// runInTerminal runs the command in a terminal of the container's own, and connects that to
// ours.
func (e *entry) runInTerminal(ctx context.Context) (exitCode int, err error) {
	master, slave, err := e.openTerminal()
	if err != nil {
		return 0, fmt.Errorf("run in container: %w", err)
	}
	defer master.Close()
	stopResizing := e.keepSize(master)
	defer stopResizing()
	command, err := e.start(ctx, files{slave, slave, slave})
	slave.Close()
	if err != nil {
		return 0, err
	}
	defer command.Close()
	before, err := term.MakeRaw(int(e.Stdin.Fd()))
	if err != nil {
		return 0, fmt.Errorf("set terminal to raw mode: %w", err)
	}
	defer func() { err = errors.Join(err, term.Restore(int(e.Stdin.Fd()), before)) }()
	return e.connect(ctx, master, func() (int, error) { return e.await(ctx, command) })
}

// openTerminal makes the terminal and gives it to the container's root: it belongs to who
// opened it, who may not exist inside.
func (e *entry) openTerminal() (master, slave *os.File, err error) {
	master, slave, err = pty.Open(e.target.PID)
	if err != nil {
		return nil, nil, err
	}
	if err := e.give(slave); err != nil {
		master.Close()
		slave.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

// keepSize gives the container's terminal the size of ours, now and whenever that changes.
func (e *entry) keepSize(master *os.File) (stop func()) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	done := make(chan struct{})
	var running sync.WaitGroup
	e.copySize(master)
	running.Go(func() {
		for {
			select {
			case <-changed:
				e.copySize(master)
			case <-done:
				return
			}
		}
	})
	return func() {
		signal.Stop(changed)
		close(done)
		running.Wait()
	}
}

// copySize leaves the container's terminal as it is where ours has no size.
func (e *entry) copySize(master *os.File) {
	if size, err := pty.SizeOf(e.Stdin); err == nil {
		pty.Resize(master, size)
	}
}

// connect copies between the terminals while the command runs.
func (e *entry) connect(ctx context.Context, master *os.File, await func() (int, error)) (int, error) {
	inputCtx, stopInput := context.WithCancel(ctx)
	ended := make(chan struct{})
	output := make(chan error, 1)
	input := make(chan error, 1)
	go func() { output <- pty.CopyOutput(e.Stdout, master, ended) }()
	go func() { input <- pty.CopyInput(inputCtx, master, e.Stdin) }()
	code, err := await()
	close(ended)
	outputErr := <-output
	stopInput()
	return code, errors.Join(err, outputErr, <-input)
}
