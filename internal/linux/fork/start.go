package fork

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Namespaces are the kinds of namespaces that the child gets anew: flags of clone(2).
type Namespaces uintptr

// The kinds of namespaces. Time is none that clone makes: its offsets can be set only by a
// process that has not entered it, so Program.UnshareTime makes that one.
const (
	Mount   Namespaces = unix.CLONE_NEWNS
	UTS     Namespaces = unix.CLONE_NEWUTS
	IPC     Namespaces = unix.CLONE_NEWIPC
	PID     Namespaces = unix.CLONE_NEWPID
	Network Namespaces = unix.CLONE_NEWNET
	Cgroup  Namespaces = unix.CLONE_NEWCGROUP
	User    Namespaces = unix.CLONE_NEWUSER
	Time    Namespaces = unix.CLONE_NEWTIME // for Program.Enter alone
)

// ErrGone says that the child ended before it reported anything.
var ErrGone = errors.New("the process ended too early")

// StepError is the failure of a system call in the child.
type StepError struct {
	Step  string // which, for a reader: "mount proc"
	Errno syscall.Errno
}

func (e *StepError) Error() string {
	if e.Errno == 0 {
		return e.Step + ": unexpected result"
	}
	return e.Step + ": " + e.Errno.Error()
}

func (e *StepError) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// Child is a started program. Its process is a child of this one and is to be waited for by
// its pidfd.
type Child struct {
	PID   int
	PidFD int // the caller's to close
	// InGroup reports whether it was made in the control group of Program.IntoGroup.
	InGroup bool

	steps   []step
	status  *os.File
	control *os.File
}

// Start clones this process and lets the child run the program. The child is in the
// namespaces that the calling thread is in, but for those that are new.
func (p *Program) Start(ns Namespaces) (*Child, error) {
	if p.err != nil {
		return nil, fmt.Errorf("compose program: %w", p.err)
	}
	steps := p.table()
	c := &Child{PidFD: -1, steps: steps}
	pid, errno := p.cloneIntoGroup(ns, &c.PidFD, steps)
	if c.InGroup = errno == 0; !c.InGroup {
		pid, errno = p.clone(&cloneArgs{flags: uint64(ns)}, &c.PidFD, steps)
	}
	if errno != 0 {
		return nil, &StepError{Step: "clone", Errno: errno}
	}
	c.PID = pid
	c.status, p.statusReader = p.statusReader, nil
	c.control, p.controlWriter = p.controlWriter, nil
	p.Close()
	runtime.KeepAlive(p)
	return c, nil
}

// cloneIntoGroup is clone in the program's control group. ENOSYS says that it has none, or, as
// do other errors, that the kernel (before Linux 5.7) or somebody's seccomp filter do not allow
// this.
func (p *Program) cloneIntoGroup(ns Namespaces, pidfd *int, steps []step) (int, syscall.Errno) {
	if p.group == nil {
		return 0, syscall.ENOSYS
	}
	return p.clone(&cloneArgs{flags: uint64(ns) | unix.CLONE_INTO_CGROUP, cgroup: uint64(p.group.Fd())}, pidfd, steps)
}

// clone runs the table in a child. All signals are blocked meanwhile, in the child until
// the program unblocks them: a handler of the Go runtime must not run there.
func (p *Program) clone(args *cloneArgs, pidfd *int, steps []step) (int, syscall.Errno) {
	status := p.status.Fd()
	all, old := ^uint64(0), uint64(0)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	sigprocmask(&all, &old)
	args.flags |= unix.CLONE_PIDFD
	args.pidfd = uint64(uintptr(unsafe.Pointer(&p.pidfd)))
	args.exitSignal = uint64(syscall.SIGCHLD)
	pid, errno := run(args, steps, status, p.late)
	runtime.KeepAlive(p.group)
	sigprocmask(&old, nil)
	*pidfd = int(p.pidfd)
	return int(pid), errno
}

func sigprocmask(set, old *uint64) {
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK,
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), unsafe.Sizeof(*set), 0, 0)
}

// table gives the program's steps behind those that close every descriptor which was not
// kept. Another container's descriptors in particular: while a child of ours held a copy of
// the end that we write to, that container would not notice our death.
func (p *Program) table() []step {
	var prefix []step
	next := FD(0)
	closeRange := func(last uintptr) {
		prefix = append(prefix, step{number: unix.SYS_CLOSE_RANGE, args: [6]uintptr{uintptr(next), last}, want: 0, name: "close inherited files"})
	}
	for _, fd := range p.kept {
		if fd > next {
			closeRange(uintptr(fd - 1))
		}
		next = fd + 1
	}
	closeRange(uintptr(^uint32(0)))
	steps := append(prefix, p.steps...)
	for i := len(prefix); i < len(steps); i++ {
		steps[i].orElse += len(prefix)
		steps[i].target += len(prefix)
	}
	return steps
}

// Send answers the child's next Receive, with as many files as that one expects.
func (c *Child) Send(files ...*os.File) error {
	fds := make([]int, 0, len(files))
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	conn, err := c.control.SyscallConn()
	if err != nil {
		return fmt.Errorf("send to process %d: %w", c.PID, err)
	}
	var sendErr error
	err = conn.Write(func(fd uintptr) bool {
		sendErr = unix.Sendmsg(int(fd), []byte{1}, rights, nil, unix.MSG_NOSIGNAL)
		return !errors.Is(sendErr, unix.EAGAIN) && !errors.Is(sendErr, unix.EINTR)
	})
	runtime.KeepAlive(files)
	if err := errors.Join(err, sendErr); err != nil {
		return fmt.Errorf("send to process %d: %w", c.PID, err)
	}
	return nil
}

// Ready waits until the child has passed Program.Ready. The error is a StepError where a
// step failed, ErrGone where the child was killed.
func (c *Child) Ready(ctx context.Context) error {
	r, err := c.read(ctx)
	if err == nil && r.step != ready {
		err = c.failure(r)
	}
	if errors.Is(err, io.EOF) {
		return ErrGone
	}
	return err
}

// Executed waits until the child runs another program. Errors are those of Ready; a child
// that was killed before it came that far looks as if it had.
func (c *Child) Executed(ctx context.Context) error {
	r, err := c.read(ctx)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.failure(r)
}

// Spawned waits for the second child that Program.Spawn makes, which is a child of this
// process too, and gives its process id. The first child has ended, or is about to.
func (c *Child) Spawned(ctx context.Context) (int, error) {
	r, err := c.read(ctx)
	if errors.Is(err, io.EOF) {
		return 0, ErrGone
	}
	if err != nil {
		return 0, err
	}
	if r.step != spawned {
		return 0, c.failure(r)
	}
	return int(r.value), nil
}

func (c *Child) failure(r report) error {
	if r.step == notRun {
		r.step = int32(len(c.steps) - 1)
	}
	if r.step < 0 || int(r.step) >= len(c.steps) {
		return fmt.Errorf("process %d reported step %d, which is a bug", c.PID, r.step)
	}
	return &StepError{Step: c.steps[r.step].name, Errno: syscall.Errno(r.value)}
}

func (c *Child) read(ctx context.Context) (report, error) {
	stop := context.AfterFunc(ctx, func() { c.status.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var buf [8]byte
	if _, err := io.ReadFull(c.status, buf[:]); err != nil {
		if ctx.Err() != nil {
			return report{}, fmt.Errorf("wait for process %d: %w", c.PID, context.Cause(ctx))
		}
		return report{}, err
	}
	return report{
		step:  int32(binary.NativeEndian.Uint32(buf[:4])),
		value: int32(binary.NativeEndian.Uint32(buf[4:])),
	}, nil
}

// Close gives up the connection to the child. A child that waits in Receive ends.
func (c *Child) Close() {
	c.status.Close()
	c.control.Close()
}
