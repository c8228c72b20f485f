// Package connect connects sockets that were made elsewhere, in a network namespace that
// the caller is not in. The net package connects only sockets that it makes itself, on
// whatever thread it runs.
package connect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// TCP connects fd, a non-blocking stream socket of the address's family, and closes it
// again: whether it connected is all that there is to know. zone is the index of the
// interface that a link-local IPv6 address is on, else 0. The errors are those of
// connect(2), and the context's.
func TCP(ctx context.Context, fd int, to netip.AddrPort, zone int) error {
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	return begin(ctx, f, to, zone)
}

// Conn connects a socket as TCP does, and gives the connection. It closes the file.
func Conn(ctx context.Context, f *os.File, to netip.AddrPort, zone int) (net.Conn, error) {
	defer f.Close()
	if err := begin(ctx, f, to, zone); err != nil {
		return nil, err
	}
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", to, err)
	}
	return conn, nil
}

// begin connects, and waits until it has.
func begin(ctx context.Context, f *os.File, to netip.AddrPort, zone int) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("connect to %v: %w", to, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	started := false
	var result error
	waitErr := raw.Write(func(fd uintptr) bool {
		if !started {
			started = true
			result = start(int(fd), sockaddr(to, zone))
		} else {
			result = progress(int(fd))
		}
		return !errors.Is(result, unix.EINPROGRESS)
	})
	switch {
	case waitErr != nil && ctx.Err() != nil:
		return fmt.Errorf("connect to %v: %w", to, ctx.Err())
	case waitErr != nil:
		return fmt.Errorf("connect to %v: %w", to, waitErr)
	case result != nil:
		return fmt.Errorf("connect to %v: %w", to, result)
	}
	return nil
}

func sockaddr(to netip.AddrPort, zone int) unix.Sockaddr {
	if to.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
	}
	return &unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port()), ZoneId: uint32(zone)}
}

// start begins to connect. An interrupted connect goes on by itself: connect(2).
func start(fd int, to unix.Sockaddr) error {
	err := unix.Connect(fd, to)
	if errors.Is(err, unix.EINTR) {
		return unix.EINPROGRESS
	}
	return err
}

// progress tells what became of it, once the socket is said to be writable. That is said
// of a socket that has not begun to connect too, so the peer is asked for.
func progress(fd int) error {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if errno != 0 {
		return syscall.Errno(errno)
	}
	if _, err := unix.Getpeername(fd); errors.Is(err, unix.ENOTCONN) {
		return unix.EINPROGRESS
	} else if err != nil {
		return err
	}
	return nil
}
