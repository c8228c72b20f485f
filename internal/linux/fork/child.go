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
)

// run clones the process, and in the child goes through the table. It returns in the parent
// only. On amd64 and arm64 the third argument of clone is where the pidfd goes.
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
func run(flags uintptr, pidfd *int32, steps []step, status uintptr) (pid uintptr, errno syscall.Errno) {
	var (
		r   report
		s   *step
		got uintptr
		pc  int
	)
	pid, _, errno = syscall.RawSyscall6(syscall.SYS_CLONE, flags|unix.CLONE_PIDFD|uintptr(syscall.SIGCHLD),
		0, uintptr(unsafe.Pointer(pidfd)), 0, 0, 0)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	for pc < len(steps) {
		s = &steps[pc]
		if s.kind == jump {
			pc = s.target
			continue
		}
		got, _, errno = syscall.RawSyscall6(s.number, s.args[0], s.args[1], s.args[2], s.args[3], s.args[4], s.args[5])
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
