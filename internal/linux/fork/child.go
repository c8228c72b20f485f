package fork

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// report is what the child writes into the status pipe, in one write: which step it speaks
// of, and its error number.
type report struct {
	step  int32
	value int32
}

// What a report's step says when it is no failed step's index.
const (
	ready   int32 = -1 // the program passed Ready
	spawned int32 = -2 // the value is the second child's process id
	notRun  int32 = -3 // the last step's program could not execute the command
)

// cloneArgs is struct clone_args of clone3(2).
type cloneArgs struct {
	flags, pidfd, childTID, parentTID uint64
	exitSignal, stack, stackSize, tls uint64
	setTID, setTIDSize, cgroup        uint64
}

// run clones the process, and in the child goes through the table. It returns in the parent
// only. clone3, which not every seccomp filter allows, is for what clone cannot do. On amd64
// and arm64 the third argument of clone is where the pidfd goes.
//
// The child shares no memory with its parent, but it is a copy of one thread of many:
// whatever another thread held, a lock of the allocator or the scheduler, is held for ever.
// So nothing here may allocate, grow the stack, or enter the scheduler, as in
// syscall.forkAndExecInChild.
//
//go:noinline
//go:norace
//go:nocheckptr
//go:nosplit
func run(args *cloneArgs, steps []step, status uintptr, l *late) (pid uintptr, errno syscall.Errno) {
	var (
		r   report
		s   *step
		got uintptr
		pc  int
		a   [6]uintptr
		i   int
	)
	if args.flags&unix.CLONE_INTO_CGROUP != 0 {
		pid, _, errno = syscall.RawSyscall6(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0, 0, 0, 0)
	} else {
		pid, _, errno = syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(args.flags|args.exitSignal),
			0, uintptr(args.pidfd), 0, 0, 0)
	}
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	for pc < len(steps) {
		s = &steps[pc]
		if s.kind == jump {
			pc = s.target
			continue
		}
		if s.kind == unless {
			pc++
			if l.words[s.number%uintptr(words)] == 0 {
				pc = s.target
			}
			continue
		}
		a = s.args
		for i = range a {
			if s.late&(1<<i) != 0 {
				a[i] = l.words[a[i]%uintptr(words)]
			}
		}
		got, _, errno = syscall.RawSyscall6(s.number, a[0], a[1], a[2], a[3], a[4], a[5])
		// A path with ".." was looked up while somebody, somewhere, renamed or mounted.
		if errno == unix.EAGAIN && s.number == unix.SYS_OPENAT2 {
			continue
		}
		if errno == 0 && s.kind == branch && got != 0 {
			pc = s.target
			continue
		}
		if errno == 0 && s.kind == inside && l.path[0] != '/' {
			errno = unix.EXDEV
			goto failed
		}
		if errno == 0 && s.kind == spawn {
			if got != 0 {
				r.step, r.value = spawned, int32(got)
				syscall.RawSyscall(syscall.SYS_WRITE, status, uintptr(unsafe.Pointer(&r)), unsafe.Sizeof(r))
				break
			}
		} else if errno == 0 && s.want != anyResult && got != uintptr(s.want) {
			goto failed
		}
		if errno != 0 {
			if errno != s.tolerate[0] && errno != s.tolerate[1] && errno != s.tolerate[2] && errno != s.tolerate[3] {
				goto failed
			}
			pc = s.orElse
			continue
		}
		pc++
	}
	for {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
	}
failed:
	r.step, r.value = int32(pc), int32(errno)
	syscall.RawSyscall(syscall.SYS_WRITE, status, uintptr(unsafe.Pointer(&r)), unsafe.Sizeof(r))
	for {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 127, 0, 0)
	}
}
