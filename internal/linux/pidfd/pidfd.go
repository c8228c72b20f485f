// Package pidfd holds processes by a descriptor, which means the same process for ever,
// while the kernel gives a process id anew.
//
// It signals, waits, and tells how a process ended. It starts none (packages fork and
// os/exec do). Start with Process; Handle finds a process again after this one was killed.
package pidfd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrGone says that the process has ended.
var ErrGone = errors.New("the process has ended")

// ErrUnknown says that how a process ended cannot be learned any more.
var ErrUnknown = errors.New("how the process ended is not known")

// Process is an open process.
type Process struct {
	PID  int // in the pid namespace that the descriptor was opened in
	file *os.File
}

// Exit is how a process ended: by itself with a code, or by a signal.
type Exit struct {
	Code   int            // 0 to 255; 128 + the signal's number where that ended it, as shells have it
	Signal syscall.Signal // 0 where it ended by itself
}

// New takes a pidfd that clone gave. Close closes it.
func New(pid, fd int) (*Process, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("prepare pidfd of process %d: %w", pid, err)
	}
	return &Process{PID: pid, file: os.NewFile(uintptr(fd), fmt.Sprintf("pidfd %d", pid))}, nil
}

// Open opens a process by its id. ErrGone says that there is none.
func Open(pid int) (*Process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil, fmt.Errorf("open process %d: %w", pid, ErrGone)
	}
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", pid, err)
	}
	return New(pid, fd)
}

// Close gives up the handle.
func (p *Process) Close() error { return p.file.Close() }

// File gives the descriptor for use in system calls. It stays p's.
func (p *Process) File() *os.File { return p.file }

// Signal sends a signal. ErrGone says that the process has ended.
func (p *Process) Signal(s syscall.Signal) error {
	err := p.control(func(fd int) error { return unix.PidfdSendSignal(fd, s, nil, 0) })
	if errors.Is(err, unix.ESRCH) {
		err = ErrGone
	}
	if err != nil {
		return fmt.Errorf("send signal %d to process %d: %w", s, p.PID, err)
	}
	return nil
}

// Alive reports whether the process has not ended.
func (p *Process) Alive() bool { return !errors.Is(p.Signal(0), ErrGone) && !p.ended() }

// Wait waits until the process has ended. Safe for concurrent use.
func (p *Process) Wait(ctx context.Context) error {
	file := p.file
	if ctx.Done() != nil {
		// A deadline ends the waits of all who have the file, so this one has its own.
		own, err := p.duplicate()
		if err != nil {
			return err
		}
		defer own.Close()
		defer context.AfterFunc(ctx, func() { own.SetReadDeadline(time.Unix(1, 0)) })()
		file = own
	}
	conn, err := file.SyscallConn()
	if err != nil {
		return fmt.Errorf("wait for process %d: %w", p.PID, err)
	}
	if err := conn.Read(func(fd uintptr) bool { return readable(int(fd)) }); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("wait for process %d: %w", p.PID, err)
	}
	return nil
}

// duplicate gives another descriptor of the process.
func (p *Process) duplicate() (file *os.File, err error) {
	err = p.control(func(fd int) error {
		other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err == nil {
			file = os.NewFile(uintptr(other), "pidfd")
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("duplicate descriptor of process %d: %w", p.PID, err)
	}
	return file, nil
}

func (p *Process) ended() (ended bool) {
	_ = p.control(func(fd int) error { ended = readable(fd); return nil })
	return ended
}

func readable(fd int) bool {
	set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(set, 0)
		if !errors.Is(err, unix.EINTR) {
			return n == 1
		}
	}
}

// Reap takes the exit of a process that is a child of this one and has ended.
func (p *Process) Reap() (Exit, error) {
	var status unix.WaitStatus
	for {
		pid, err := unix.Wait4(p.PID, &status, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return Exit{}, fmt.Errorf("reap process %d: %w", p.PID, err)
		case pid == 0:
			return Exit{}, fmt.Errorf("reap process %d: it runs", p.PID)
		}
		return exitOf(status), nil
	}
}

func exitOf(status unix.WaitStatus) Exit {
	if status.Signaled() {
		return Exit{Code: 128 + int(status.Signal()), Signal: status.Signal()}
	}
	return Exit{Code: status.ExitStatus()}
}

// info is struct pidfd_info in its first version (Linux 6.13), which has the exit code from
// 6.15 on.
type info struct {
	Mask, CgroupID uint64
	IDs            [11]uint32 // pid, tgid, ppid, then user and group ids
	ExitCode       int32
}

const (
	infoExit = 1 << 3 // PIDFD_INFO_EXIT
	// PIDFD_GET_INFO: _IOWR(0xFF, 11, struct pidfd_info)
	getInfo = 3<<30 | unsafe.Sizeof(info{})<<16 | 0xFF<<8 | 11
)

// ExitOfOther tells how a process ended that is no child of this one. The kernel knows as
// soon as the process's parent has reaped it, and remembers as long as somebody holds it
// by a descriptor. ErrUnknown says that it did not tell by the end of ctx, or that the
// kernel is older than 6.15.
func (p *Process) ExitOfOther(ctx context.Context) (Exit, error) {
	vanished := false
	for pause := time.Millisecond; ; pause *= 2 {
		in := info{Mask: infoExit}
		err := p.control(func(fd int) error {
			_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), getInfo, uintptr(unsafe.Pointer(&in)))
			if errno != 0 {
				return errno
			}
			return nil
		})
		runtime.KeepAlive(&in)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err == nil && in.Mask&infoExit != 0:
			return exitOf(unix.WaitStatus(in.ExitCode)), nil
		case errors.Is(err, unix.ESRCH) && !vanished:
			// The kernel looks for the exit code first and for the process then; that
			// was reaped in between. The next time, the code is there.
			vanished = true
			continue
		case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ESRCH):
			return Exit{}, fmt.Errorf("ask how process %d ended: %w", p.PID, ErrUnknown)
		case err != nil:
			return Exit{}, fmt.Errorf("ask how process %d ended: %w", p.PID, err)
		}
		// The kernel has no event for "reaped": the end, which was the event, came before.
		select {
		case <-ctx.Done():
			return Exit{}, fmt.Errorf("ask how process %d ended: %w", p.PID, ErrUnknown)
		case <-time.After(pause):
		}
	}
}

func (p *Process) control(f func(fd int) error) error {
	conn, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	if err := conn.Control(func(fd uintptr) { callErr = f(int(fd)) }); err != nil {
		return err
	}
	return callErr
}
