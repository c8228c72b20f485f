// Package pty opens pseudo-terminals inside a container's own devpts, from outside of the
// container: pty(7). So the container's programs find their terminal under its name.
package pty

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Size is a terminal's size in characters.
type Size struct{ Rows, Columns uint16 }

// Open makes a terminal in the devpts of the container that a process is in. The caller
// holds the process by a pidfd, and afterwards checks that it is still alive: otherwise the
// terminal may be another's.
//
// The container may have put anything at that path, so nothing is followed, and what is
// found there is verified to be a terminal before it is used.
func Open(pid int) (master, slave *os.File, err error) {
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open the container's root: %w", err)
	}
	defer unix.Close(root)
	fd, err := unix.Openat2(root, "dev/pts/ptmx", &unix.OpenHow{
		Flags:   unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC | unix.O_NONBLOCK,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("open the container's /dev/pts/ptmx: %w", err)
	}
	master = os.NewFile(uintptr(fd), "ptmx")
	if err := verify(fd); err != nil {
		master.Close()
		return nil, nil, err
	}
	slave, err = peer(fd)
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

// verify checks that a descriptor is the ptmx of a devpts.
func verify(fd int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return fmt.Errorf("look at the container's ptmx: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("look at the container's ptmx: %w", err)
	}
	if fs.Type != unix.DEVPTS_SUPER_MAGIC || st.Rdev != unix.Mkdev(5, 2) {
		return errors.New("the container's /dev/pts/ptmx is no terminal of devpts")
	}
	return nil
}

// peer opens the other end. By TIOCGPTPEER and not by its path, which would lead into
// whatever the opener has at /dev/pts.
func peer(master int) (*os.File, error) {
	unlock := int32(0)
	if err := ioctl(master, unix.TIOCSPTLCK, uintptr(unsafe.Pointer(&unlock))); err != nil {
		return nil, fmt.Errorf("unlock terminal: %w", err)
	}
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return nil, fmt.Errorf("open terminal: %w", errno)
	}
	return os.NewFile(fd, "pty"), nil
}

func ioctl(fd int, request, arg uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, arg); errno != 0 {
		return errno
	}
	return nil
}

// Resize sets a terminal's size; its foreground programs get SIGWINCH.
func Resize(f *os.File, s Size) error {
	err := control(f, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: s.Rows, Col: s.Columns})
	})
	if err != nil {
		return fmt.Errorf("set terminal size: %w", err)
	}
	return nil
}

// SizeOf gives a terminal's size.
func SizeOf(f *os.File) (Size, error) {
	var s Size
	err := control(f, func(fd int) error {
		w, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err == nil {
			s = Size{Rows: w.Row, Columns: w.Col}
		}
		return err
	})
	if err != nil {
		return Size{}, fmt.Errorf("get terminal size: %w", err)
	}
	return s, nil
}

// control runs f on the descriptor and leaves its mode as it is.
func control(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	if err := conn.Control(func(fd uintptr) { callErr = f(int(fd)) }); err != nil {
		return err
	}
	return callErr
}
