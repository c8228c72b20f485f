package pty

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lastOutput is how long the rest of the output may take after the program has ended. The
// kernel says when there is no more, unless another program keeps the terminal open.
const lastOutput = 200 * time.Millisecond

// CopyOutput copies what programs write to a terminal, until all have closed it, or soon
// after ended is closed.
func CopyOutput(to io.Writer, master *os.File, ended <-chan struct{}) error {
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-ended:
			master.SetReadDeadline(time.Now().Add(lastOutput))
		case <-done:
		}
	}()
	_, err := io.Copy(to, struct{ io.Reader }{master})
	// EIO is how a master says that nobody has the other end open.
	if errors.Is(err, unix.EIO) || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// CopyInput copies what is typed until there is no more, ctx ends, or it cannot be written: to
// a terminal, or to a pipe. It does not wait in a read, which nobody could call back from a
// terminal.
func CopyInput(ctx context.Context, to io.Writer, from *os.File) error {
	wake, waker, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("copy input: %w", err)
	}
	defer wake.Close()
	stop := context.AfterFunc(ctx, func() { waker.Close() })
	defer func() {
		if stop() {
			waker.Close()
		}
	}()
	buf := make([]byte, 4<<10)
	for {
		ready, err := inputReady(from, wake)
		if err != nil || !ready {
			return err
		}
		n, err := from.Read(buf)
		if _, writeErr := to.Write(buf[:n]); writeErr != nil {
			return nil // who would read is gone
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("copy input: %w", err)
		}
	}
}

// inputReady waits until from can be read, or wake is closed at its other end.
func inputReady(from, wake *os.File) (bool, error) {
	set := []unix.PollFd{{Fd: int32(from.Fd()), Events: unix.POLLIN}, {Fd: int32(wake.Fd()), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(set, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("wait for input: %w", err)
		}
		return set[1].Revents == 0, nil
	}
}
