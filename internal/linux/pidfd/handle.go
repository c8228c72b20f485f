package pidfd

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Handle names a process as pidfs does (Linux 6.14): unlike the process id, never another
// one until the next boot. The zero Handle names none.
type Handle struct {
	Type  int32  `json:"type"`
	Bytes []byte `json:"bytes"`
}

// ErrNoHandles says that this kernel gives no handles of processes.
var ErrNoHandles = errors.New("this kernel has no handles of processes")

// pidfsRoot is FD_PIDFS_ROOT of fcntl.h: no descriptor, but the place to open handles at.
const pidfsRoot = -10002

// Handle gives the process's handle, or ErrNoHandles.
func (p *Process) Handle() (Handle, error) {
	var handle Handle
	err := p.control(func(fd int) error {
		h, _, err := unix.NameToHandleAt(fd, "", unix.AT_EMPTY_PATH)
		if err == nil {
			handle = Handle{Type: h.Type(), Bytes: h.Bytes()}
		}
		return err
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EBADF) || errors.Is(err, unix.ENOSYS) {
		err = ErrNoHandles
	}
	if err != nil {
		return Handle{}, fmt.Errorf("get handle of process %d: %w", p.PID, err)
	}
	return handle, nil
}

// OpenHandle opens the process that a handle names; pid is its process id. ErrGone says
// that it has ended and was reaped, ErrNoHandles that the kernel cannot tell.
func OpenHandle(handle Handle, pid int) (*Process, error) {
	fd, err := unix.OpenByHandleAt(pidfsRoot, unix.NewFileHandle(handle.Type, handle.Bytes), unix.O_CLOEXEC|unix.O_NONBLOCK)
	switch {
	case errors.Is(err, unix.ESTALE), errors.Is(err, unix.ESRCH):
		err = ErrGone
	case errors.Is(err, unix.EBADF), errors.Is(err, unix.EPERM), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		err = ErrNoHandles
	}
	if err != nil {
		return nil, fmt.Errorf("open process %d by its handle: %w", pid, err)
	}
	return New(pid, fd)
}
