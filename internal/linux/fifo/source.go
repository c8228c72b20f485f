package fifo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ErrEmpty says that there is nothing in a FIFO now.
var ErrEmpty = errors.New("the FIFO is empty")

// Source is a FIFO that this process reads when a Set says so. It costs a descriptor and no
// goroutine.
type Source struct {
	fd   int
	path string
}

// OpenSource opens a FIFO to be read.
func OpenSource(path string) (*Source, error) {
	fd, err := openFD(path, unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	return &Source{fd: fd, path: path}, nil
}

// Close closes the FIFO, and takes it out of its set.
func (s *Source) Close() error {
	if err := unix.Close(s.fd); err != nil {
		return fmt.Errorf("close FIFO %s: %w", s.path, err)
	}
	return nil
}

// Capacity is how many bytes the FIFO can hold: F_SETPIPE_SZ of fcntl(2) changes it.
func (s *Source) Capacity() (int, error) {
	n, err := unix.FcntlInt(uintptr(s.fd), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		return 0, fmt.Errorf("look at FIFO %s: %w", s.path, err)
	}
	return n, nil
}

// Move moves at most so many bytes into a regular file. The kernel takes out of the FIFO
// what it has written to the file, in one system call that SIGKILL does not divide: a byte is
// always in one of them, and never in both (iter_file_splice_write in fs/splice.c).
func (s *Source) Move(to *os.File, offset int64, most int) (moved int, err error) {
	conn, err := to.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("empty FIFO %s: %w", s.path, err)
	}
	var n int64
	var moveErr error
	err = conn.Control(func(fd uintptr) {
		for {
			n, moveErr = unix.Splice(s.fd, nil, int(fd), &offset, most, unix.SPLICE_F_NONBLOCK)
			if !errors.Is(moveErr, unix.EINTR) {
				return
			}
		}
	})
	return int(n), s.explain(errors.Join(err, moveErr), int(n))
}

// Read takes bytes out of the FIFO.
func (s *Source) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(s.fd, b)
		if !errors.Is(err, unix.EINTR) {
			return max(0, n), s.explain(err, n)
		}
	}
}

func (s *Source) explain(err error, n int) error {
	switch {
	case errors.Is(err, unix.EAGAIN), err == nil && n == 0:
		return ErrEmpty
	case err != nil:
		return fmt.Errorf("empty FIFO %s: %w", s.path, err)
	}
	return nil
}

// Set waits for any of many FIFOs: epoll(7).
type Set struct{ file *os.File }

// NewSet makes an empty set.
func NewSet() (*Set, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make set of FIFOs: %w", err)
	}
	// An epoll descriptor can be polled itself: so Wait waits in the runtime's poller, not
	// in a thread.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make set of FIFOs: %w", err)
	}
	return &Set{file: os.NewFile(uintptr(fd), "epoll")}, nil
}

// Close ends the set; Wait returns os.ErrClosed.
func (s *Set) Close() error { return s.file.Close() }

// Add puts a FIFO into the set, under a number of the caller's.
func (s *Set) Add(source *Source, number int32) error {
	err := s.control(func(fd int) error {
		return unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, source.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: number})
	})
	if err != nil {
		return fmt.Errorf("wait for FIFO %s: %w", source.path, err)
	}
	return nil
}

// waitMost is how many FIFOs one Wait gives. The kernel gives the others next: none starves.
const waitMost = 64

// Wait waits until there is something in a FIFO, and gives the numbers of those.
func (s *Set) Wait() ([]int32, error) {
	conn, err := s.file.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("wait for FIFOs: %w", err)
	}
	var events [waitMost]unix.EpollEvent
	var n int
	var waitErr error
	err = conn.Read(func(fd uintptr) bool {
		n, waitErr = unix.EpollWait(int(fd), events[:], 0)
		return n != 0 && !errors.Is(waitErr, unix.EINTR)
	})
	if err := errors.Join(err, waitErr); err != nil {
		return nil, fmt.Errorf("wait for FIFOs: %w", err)
	}
	numbers := make([]int32, n)
	for i := range numbers {
		numbers[i] = events[i].Fd
	}
	return numbers, nil
}

func (s *Set) control(f func(fd int) error) error {
	conn, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	if err := conn.Control(func(fd uintptr) { callErr = f(int(fd)) }); err != nil {
		return err
	}
	return callErr
}

func openFD(path string, flags int) (int, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW|flags, 0)
	if err != nil {
		return -1, fmt.Errorf("open FIFO %s: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		unix.Close(fd)
		return -1, fmt.Errorf("open FIFO %s: it is none: %w", path, fs.ErrInvalid)
	}
	return fd, nil
}
