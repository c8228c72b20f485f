// Package flock locks whole files, by flock(2). The lock belongs to the open file description:
// the kernel releases it when the last descriptor is closed, so also when the holder is
// killed.
package flock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrHeld says that another open file description holds the lock.
var ErrHeld = errors.New("the lock is held by another process")

// TryExclusive takes the exclusive lock of f, or gives ErrHeld at once.
func TryExclusive(f *os.File) error {
	err := control(f, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrHeld
	}
	return err
}

func control(f *os.File, how int) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	var flockErr error
	err = conn.Control(func(fd uintptr) {
		for {
			flockErr = unix.Flock(int(fd), how)
			if !errors.Is(flockErr, unix.EINTR) {
				return
			}
		}
	})
	if err := errors.Join(err, flockErr); err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}
