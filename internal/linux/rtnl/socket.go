package rtnl

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ConnOf makes a Conn of a non-blocking rtnetlink socket that somebody has opened in another
// network namespace. It takes over the file.
func ConnOf(socket *os.File) (*Conn, error) {
	fd, err := duplicate(socket)
	if err != nil {
		return nil, err
	}
	return New(fd)
}

// EventsOf makes Events of such a socket, as [NewEvents] does. It takes over the file.
func EventsOf(socket *os.File, groups ...int) (*Events, error) {
	fd, err := duplicate(socket)
	if err != nil {
		return nil, err
	}
	return NewEvents(fd, groups...)
}

// duplicate gives a descriptor that no file closes, and closes the file.
func duplicate(socket *os.File) (int, error) {
	defer socket.Close()
	conn, err := socket.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("take over rtnetlink socket: %w", err)
	}
	fd, dupErr := -1, error(nil)
	err = conn.Control(func(from uintptr) { fd, dupErr = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = dupErr
	}
	if err != nil {
		return -1, fmt.Errorf("take over rtnetlink socket: %w", err)
	}
	return fd, nil
}
