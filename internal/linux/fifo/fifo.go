// Package fifo makes and opens named pipes, fifo(7).
//
// They are opened for reading and writing by both sides: so there is always a reader, and
// a writer whose reader was killed waits for the next one instead of being killed too.
package fifo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Make makes a FIFO that only its owner may open. One that exists already is no error.
func Make(path string) error {
	if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make FIFO %s: %w", path, err)
	}
	return nil
}

// OpenWriter opens a FIFO to be handed to a program: its writes wait while the FIFO is full.
func OpenWriter(path string) (*os.File, error) { return open(path, 0) }

// OpenReader opens a FIFO for this process: Read waits in the runtime's poller.
func OpenReader(path string) (*os.File, error) { return open(path, unix.O_NONBLOCK) }

// Block makes reads and writes of a program that is handed one end of an os.Pipe wait: the
// runtime made them not to, and few programs know what EAGAIN is.
func Block(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("prepare pipe: %w", err)
	}
	var setErr error
	if err := conn.Control(func(fd uintptr) { setErr = unix.SetNonblock(int(fd), false) }); err != nil {
		return fmt.Errorf("prepare pipe: %w", err)
	}
	if setErr != nil {
		return fmt.Errorf("prepare pipe: %w", setErr)
	}
	return nil
}

func open(path string, flags int) (*os.File, error) {
	fd, err := openFD(path, flags)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Drain copies what is in the FIFO now, without waiting for more.
func Drain(to io.Writer, f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("drain FIFO %s: %w", f.Name(), err)
	}
	buf := make([]byte, 32<<10)
	for {
		var n int
		var readErr error
		if err := conn.Control(func(fd uintptr) { n, readErr = unix.Read(int(fd), buf) }); err != nil {
			return fmt.Errorf("drain FIFO %s: %w", f.Name(), err)
		}
		switch {
		case errors.Is(readErr, unix.EINTR):
			continue
		case errors.Is(readErr, unix.EAGAIN), readErr == nil && n == 0:
			return nil
		case readErr != nil:
			return fmt.Errorf("drain FIFO %s: %w", f.Name(), readErr)
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return fmt.Errorf("drain FIFO %s: %w", f.Name(), err)
		}
	}
}
