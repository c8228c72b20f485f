package pty

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// EndLineAt makes a terminal in its usual mode give a line to who reads it when a key is
// typed, as it does at Enter; the key is part of the line. The key must not mean to stop or go
// on with the output then, as ctrl-q does. restore sets all as it was. VEOL: termios(3).
func EndLineAt(f *os.File, key byte) (restore func() error, err error) {
	var before unix.Termios
	err = control(f, func(fd int) error {
		now, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return err
		}
		before = *now
		now.Cc[unix.VEOL] = key
		now.Iflag &^= unix.IXON
		return unix.IoctlSetTermios(fd, unix.TCSETS, now)
	})
	if err != nil {
		return nil, fmt.Errorf("set up terminal: %w", err)
	}
	return func() error {
		err := control(f, func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETS, &before) })
		if err != nil {
			return fmt.Errorf("set terminal back: %w", err)
		}
		return nil
	}, nil
}
