// Package localsocket listens on and connects to Unix sockets in a folder, however long the
// folder's path is, and tells who is at the other end: unix(7).
package localsocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Listen makes a socket in a folder. Closing the listener leaves its file.
func Listen(dir, name string) (*net.UnixListener, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("listen in %s: %w", dir, err)
	}
	defer folder.Close()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short(folder, name), Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", filepath.Join(dir, name), err)
	}
	l.SetUnlinkOnClose(false) // its path leads through a descriptor that is closed now
	return l, nil
}

// Dial connects to a socket in a folder. ECONNREFUSED says that nobody listens, ENOENT that
// there is no socket.
func Dial(ctx context.Context, dir, name string) (*net.UnixConn, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", filepath.Join(dir, name), err)
	}
	defer folder.Close()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", short(folder, name))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", filepath.Join(dir, name), err)
	}
	return conn.(*net.UnixConn), nil
}

// short names a file in an open folder: an address holds at most 108 bytes.
func short(folder *os.File, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), name)
}

// HungUp reports whether the other end is closed. The kernel closes it before it lets anybody
// know that the process which had it has ended.
func HungUp(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return true // closed on our side
	}
	hungUp := true
	_ = raw.Control(func(fd uintptr) { hungUp = pollHangUp(int(fd)) })
	return hungUp
}

func pollHangUp(fd int) bool {
	set := []unix.PollFd{{Fd: int32(fd)}} // POLLHUP needs no asking: poll(2)
	for {
		_, err := unix.Poll(set, 0)
		if !errors.Is(err, unix.EINTR) {
			return set[0].Revents&(unix.POLLHUP|unix.POLLNVAL) != 0
		}
	}
}

// Peer gives the user and the process at the other end, as they were when it connected.
func Peer(conn *net.UnixConn) (uid uint32, pid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, 0, fmt.Errorf("ask for the peer: %w", err)
	}
	var cred *unix.Ucred
	var optErr error
	err = raw.Control(func(fd uintptr) {
		cred, optErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err == nil {
		err = optErr
	}
	if err != nil {
		return 0, 0, fmt.Errorf("ask for the peer: %w", err)
	}
	return cred.Uid, int(cred.Pid), nil
}
