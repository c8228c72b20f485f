package fork

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Receive waits for the parent's Send and takes n files from it. The program ends when the
// parent has died, or has closed the connection.
func (p *Program) Receive(what string, n int) []FD {
	word := make([]byte, 1)
	vector := &unix.Iovec{Base: &word[0]}
	vector.SetLen(len(word))
	p.keep = append(p.keep, word, vector)
	m := &unix.Msghdr{Iov: vector}
	m.SetIovlen(1)
	if n > 0 {
		rights := make([]byte, unix.CmsgSpace(4*n))
		p.keep = append(p.keep, rights)
		m.Control = &rights[0]
		m.SetControllen(len(rights))
	}
	p.result(what, 1, unix.SYS_RECVMSG, uintptr(p.controlFD()), address(p, m), unix.MSG_CMSG_CLOEXEC)
	fds := make([]FD, n)
	for i := range fds { // the kernel installs them in order, each at the lowest free number
		fds[i] = p.lowestFree()
		p.hold(fds[i])
	}
	return fds
}

func (p *Program) controlFD() FD { return p.number(p.control) }
func (p *Program) statusFD() FD  { return p.number(p.status) }

// number gives a descriptor of this program's own, which is in blocking mode already.
func (p *Program) number(f *os.File) FD {
	if f == nil {
		p.fail(fmt.Errorf("a step was appended to a program that had been started, which is a bug"))
		return -1
	}
	return FD(f.Fd())
}

// Ready tells the parent's Child.Ready that all went well up to here.
func (p *Program) Ready() {
	r := &report{step: ready}
	p.result("report", int(unsafe.Sizeof(*r)), unix.SYS_WRITE, uintptr(p.statusFD()), address(p, r), unsafe.Sizeof(*r))
}

// Spawn goes on in a second child, whose parent is ours as well (CLONE_PARENT), and ends
// the first. That one is in the pid and time namespaces which the first, after Enter or
// Unshare, has for its children only.
func (p *Program) Spawn() {
	p.append(step{
		kind: spawn, number: unix.SYS_CLONE, args: [6]uintptr{unix.CLONE_PARENT | uintptr(syscall.SIGCHLD)},
		want: anyResult, name: "clone",
	})
}

// Enter enters namespaces of the process that a kept pidfd stands for, all in one step, or the
// one namespace that a kept file is: setns(2), Linux 5.8.
func (p *Program) Enter(fd FD, ns Namespaces) {
	p.call("enter the namespaces", unix.SYS_SETNS, uintptr(fd), uintptr(ns))
}

// UnsharePID makes a pid namespace. The process is not in it, the second child after Spawn is
// its first process.
func (p *Program) UnsharePID() {
	p.call("unshare pid namespace", unix.SYS_UNSHARE, unix.CLONE_NEWPID)
}

// UnshareTime makes a time namespace with its clocks moved. The process is not in it, its
// children are: Spawn makes one. (From Linux 6.3 on a process enters it by its exec.) It must
// come before any change of ids: after one, the process's files in /proc belong to root.
func (p *Program) UnshareTime(monotonic, boottime time.Duration) {
	p.call("unshare time namespace", unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	offsets := timeOffset(unix.CLOCK_MONOTONIC, monotonic) + timeOffset(unix.CLOCK_BOOTTIME, boottime)
	fd := p.Open("/proc/self/timens_offsets", os.O_WRONLY)
	p.Write("set clock offsets", fd, offsets)
	p.CloseFD(fd)
}

// timeOffset writes a line of timens_offsets: time_namespaces(7). The nanoseconds are never
// negative (EINVAL).
func timeOffset(clock int, d time.Duration) string {
	seconds, rest := d/time.Second, d%time.Second
	if rest < 0 {
		seconds, rest = seconds-1, rest+time.Second
	}
	return fmt.Sprintf("%d %d %d\n", clock, seconds, rest)
}

// SetIDs becomes a user and a group without supplementary groups. Where a single id is
// mapped, the kernel forbids setgroups, and dropGroups must be false.
func (p *Program) SetIDs(uid, gid int, dropGroups bool) {
	if dropGroups {
		p.call("drop supplementary groups", unix.SYS_SETGROUPS, 0, 0)
	}
	p.call("set group id", unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid))
	p.call("set user id", unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid))
}

// Undumpable keeps other processes out of this one's memory and /proc entries, which are a
// copy of our parent's: prctl(2). An exec undoes it, and so do SetIDs' calls set it anew.
func (p *Program) Undumpable() {
	p.call("forbid tracing", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0)
}

// Dumpable gives the process its files in /proc again, which Enter has made root's.
func (p *Program) Dumpable() {
	p.call("allow tracing", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 1)
}

// Umask sets the mask of new files' permissions.
func (p *Program) Umask(mask int) { p.call("set umask", unix.SYS_UMASK, uintptr(mask)) }

// NewSession makes the process the leader of a session without terminal.
func (p *Program) NewSession() { p.call("make session", unix.SYS_SETSID) }

// ControllingTerminal makes an open terminal that of the session.
func (p *Program) ControllingTerminal(fd FD) {
	p.call("take the terminal", unix.SYS_IOCTL, uintptr(fd), unix.TIOCSCTTY, 0)
}

// NewKeyring leaves the session keyring of whoever started us: keyctl(2).
func (p *Program) NewKeyring() {
	p.call("make session keyring", unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0)
}

// LimitFiles sets the limits of open files, to at most what this process may have itself.
func (p *Program) LimitFiles(soft, hard uint64) {
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err != nil {
		p.fail(fmt.Errorf("read limit of open files: %w", err))
		return
	}
	limit := &unix.Rlimit{Cur: min(soft, own.Max), Max: min(hard, own.Max)}
	p.call("limit open files", unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, address(p, limit), 0)
}

// LoopbackUp brings up lo of the network namespace that the process is in.
func (p *Program) LoopbackUp() {
	request := &struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte // struct ifreq is 40 bytes
	}{flags: unix.IFF_UP | unix.IFF_RUNNING}
	copy(request.name[:], "lo")
	fd := p.opens("open socket", unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	p.call("bring up lo", unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, address(p, request))
	p.CloseFD(fd)
}

// NoNewPrivileges makes set-user-id bits and file capabilities void for good.
func (p *Program) NoNewPrivileges() {
	p.call("set no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// Seccomp installs a system call filter. What the program still calls, the filter must allow.
//
// The flags are those of seccomp(2).
func (p *Program) Seccomp(filter []bpf.RawInstruction, flags uintptr) {
	code := make([]unix.SockFilter, len(filter))
	for i, in := range filter {
		code[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	p.keep = append(p.keep, code)
	prog := &unix.SockFprog{Len: uint16(len(code)), Filter: unsafe.SliceData(code)}
	p.call("install seccomp filter", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, address(p, prog))
}

// CloseOnExec marks every descriptor from 3 on to be closed by exec.
func (p *Program) CloseOnExec() {
	p.call("mark files close-on-exec", unix.SYS_CLOSE_RANGE, 3, uintptr(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
}

// ResetSignals gives every signal its default action: exec does so for those that have a
// handler, but leaves ignored ones ignored, as nohup makes them.
func (p *Program) ResetSignals() {
	action := new([4]uint64) // struct sigaction of the kernel: SIG_DFL, no flags, no mask
	at := address(p, action)
	for signal := uintptr(1); signal <= 64; signal++ {
		if signal == uintptr(syscall.SIGKILL) || signal == uintptr(syscall.SIGSTOP) {
			continue
		}
		p.call("reset signal", unix.SYS_RT_SIGACTION, signal, at, 0, 8)
	}
}

// Exec runs a command, at the first of the paths that exists and can be run, with all
// signals unblocked. An environment without a HOME gets that of the account. It is the last
// step.
func (p *Program) Exec(paths, argv, env []string) {
	name := "run " + strings.Join(argv[:min(1, len(argv))], "")
	if len(paths) == 0 {
		p.fail(fmt.Errorf("%s: no path to try", name))
		return
	}
	p.unblockSignals()
	vector, environment := p.strs(argv), p.environment(env)
	for i, path := range paths {
		at := p.append(step{
			number: unix.SYS_EXECVE, args: [6]uintptr{p.str(path), vector, environment},
			want: anyResult, name: name,
		})
		if i < len(paths)-1 {
			p.steps[at].tolerate = [4]syscall.Errno{unix.ENOENT, unix.EACCES, unix.ENOTDIR, unix.ELOOP}
			p.steps[at].orElse = at + 1
		}
	}
}

// ExecFile is Exec of the program in an open file.
func (p *Program) ExecFile(program FD, argv, env []string) {
	p.unblockSignals()
	p.call("run "+argv[0], unix.SYS_EXECVEAT, uintptr(program), p.str(""), p.strs(argv), p.environment(env), unix.AT_EMPTY_PATH)
}

func (p *Program) unblockSignals() {
	none := new(uint64)
	p.call("unblock signals", unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, address(p, none), 0, unsafe.Sizeof(*none))
}

// Open opens a file by a path.
func (p *Program) Open(path string, flags int) FD {
	return p.opens("open "+path, unix.SYS_OPENAT, atCWD, p.str(path), uintptr(flags|unix.O_CLOEXEC), 0)
}

// OpenPath opens a file or folder, by a path that is trusted, for use as a place: O_PATH.
func (p *Program) OpenPath(path string) FD { return p.Open(path, unix.O_PATH) }

// OpenIn opens what a path means inside a folder, which it cannot leave: neither by "..",
// nor by a symbolic link, of which it follows none.
func (p *Program) OpenIn(dir FD, path string, flags int) FD {
	how := &unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_SYMLINKS,
	}
	return p.opens("open "+path, unix.SYS_OPENAT2, uintptr(dir), p.str(path), address(p, how), unsafe.Sizeof(*how))
}

// Path opens a file or folder for use as a place: O_PATH, without symbolic links.
func (p *Program) Path(dir FD, path string) FD { return p.OpenIn(dir, path, unix.O_PATH) }

// Write writes all of a short text.
func (p *Program) Write(what string, fd FD, text string) {
	p.result(what, len(text), unix.SYS_WRITE, uintptr(fd), p.str(text), uintptr(len(text)))
}

// CloseFD closes a descriptor, whose number is free again.
func (p *Program) CloseFD(fd FD) {
	p.call("close", unix.SYS_CLOSE, uintptr(fd))
	p.release(fd)
}

// Replace makes a standard descriptor, 0 to 2, another name of an open one.
func (p *Program) Replace(standard, fd FD) {
	if standard == fd {
		return // dup3(2) has EINVAL for that, and it is in place
	}
	p.call("replace standard file", unix.SYS_DUP3, uintptr(fd), uintptr(standard), 0)
}

// Mkdir makes a folder in a folder. The mode is subject to the umask.
func (p *Program) Mkdir(dir FD, name string, mode uint32) {
	p.call("make folder "+name, unix.SYS_MKDIRAT, uintptr(dir), p.str(name), uintptr(mode))
}

// EnsureDir makes a folder in a folder, where it is missing.
func (p *Program) EnsureDir(dir FD, name string, mode uint32) {
	p.Optional([]syscall.Errno{unix.EEXIST}, func() { p.Mkdir(dir, name, mode) })
}

// MakeFile makes an empty file in a folder, to mount something on.
func (p *Program) MakeFile(dir FD, name string, mode uint32) {
	p.call("make file "+name, unix.SYS_MKNODAT, uintptr(dir), p.str(name), uintptr(unix.S_IFREG|mode), 0)
}

// Symlink makes a symbolic link in a folder.
func (p *Program) Symlink(target string, dir FD, name string) {
	p.call("make link "+name, unix.SYS_SYMLINKAT, p.str(target), uintptr(dir), p.str(name))
}

// EnterDir makes an open folder the working one.
func (p *Program) EnterDir(dir FD) { p.call("enter folder", unix.SYS_FCHDIR, uintptr(dir)) }

// Chdir makes a folder the working one.
func (p *Program) Chdir(path string) { p.call("enter folder "+path, unix.SYS_CHDIR, p.str(path)) }

// Clocks gives what CLOCK_MONOTONIC and CLOCK_BOOTTIME show here.
func Clocks() (monotonic, boottime time.Duration, err error) {
	var m, b unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &m); err != nil {
		return 0, 0, fmt.Errorf("read monotonic clock: %w", err)
	}
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &b); err != nil {
		return 0, 0, fmt.Errorf("read boot time clock: %w", err)
	}
	runtime.KeepAlive(&m)
	return time.Duration(m.Nano()), time.Duration(b.Nano()), nil
}

// NoKeyring are the errors of NewKeyring where the kernel has no keyrings, or the user has
// as many as allowed.
var NoKeyring = []syscall.Errno{unix.ENOSYS, unix.EDQUOT}
