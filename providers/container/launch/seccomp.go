package launch

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
)

// What the filter returns to the kernel: seccomp(2). ENOSYS says "this kernel is too old for
// that", after which programs use an older call.
const (
	allow  = 0x7FFF0000      // SECCOMP_RET_ALLOW
	eperm  = 0x00050000 | 1  // SECCOMP_RET_ERRNO
	enosys = 0x00050000 | 38 // SECCOMP_RET_ERRNO
	number = 0               // offsets in struct seccomp_data
	abi    = 4
	first  = 16 // the first argument's lower half, on little-endian machines
)

const (
	// newNamespaces are the flags of clone(2) that make namespaces: each gives whoever
	// makes it new parts of the kernel to attack.
	newNamespaces = 0x7E020000
	// vsock is AF_VSOCK: the way to the hypervisor, which no namespace closes.
	vsock = 40
	// x32 is where the numbers of amd64's second ABI begin.
	x32 = 1 << 30
)

// personalities are Linux, the same with the name of Linux 2.6, both for 32 bits, and the
// question which one it is.
var personalities = []uint32{0, 0x20000, 8, 0x20008, 0xFFFFFFFF}

// filter is the default filter, made once: it is the same for every container.
var filter = sync.OnceValues(func() ([]bpf.RawInstruction, error) {
	info, err := arch.GetInfo("")
	if err != nil {
		return nil, fmt.Errorf("make seccomp filter: %w", err)
	}
	policy := seccomp.Policy{
		DefaultAction: seccomp.ActionErrno, // EPERM
		Syscalls:      []seccomp.SyscallGroup{{Action: seccomp.ActionAllow, Names: known(allowed, info)}},
	}
	code, err := policy.Assemble()
	if err != nil {
		return nil, fmt.Errorf("make seccomp filter: %w", err)
	}
	raw, err := bpf.Assemble(append(conditional(info), code...))
	if err != nil {
		return nil, fmt.Errorf("make seccomp filter: %w", err)
	}
	return raw, nil
})

// conditional decides the calls that depend on their arguments or are to be answered with
// ENOSYS. The library's conditions do not serve: after one that does not hold, it compares
// the argument, not the call's number, with the numbers that follow.
func conditional(info *arch.Info) []bpf.Instruction {
	code := []bpf.Instruction{
		bpf.LoadAbsolute{Off: abi, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(info.ID), SkipTrue: 1},
		bpf.RetConstant{Val: eperm},
		bpf.LoadAbsolute{Off: number, Size: 4},
		// Calls that were added to the kernel after the list was made.
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: newest(info), SkipFalse: 1},
		bpf.RetConstant{Val: enosys},
	}
	// clone3 has its flags in memory, where no filter sees them.
	code = append(code, when(info, "clone3", bpf.RetConstant{Val: enosys})...)
	code = append(code, when(info, "clone",
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: newNamespaces, SkipTrue: 1},
		bpf.RetConstant{Val: allow})...)
	code = append(code, when(info, "socket",
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: vsock, SkipTrue: 1},
		bpf.RetConstant{Val: allow})...)
	var is []bpf.Instruction
	for _, p := range personalities {
		is = append(is, bpf.JumpIf{Cond: bpf.JumpEqual, Val: p, SkipFalse: 1}, bpf.RetConstant{Val: allow})
	}
	return append(code, when(info, "personality", is...)...)
}

// when decides one call by its first argument. What the decision leaves open is EPERM.
func when(info *arch.Info, name string, decision ...bpf.Instruction) []bpf.Instruction {
	body := append([]bpf.Instruction{bpf.LoadAbsolute{Off: first, Size: 4}}, decision...)
	body = append(body, bpf.RetConstant{Val: eperm})
	is := bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(info.SyscallNames[name]), SkipFalse: uint8(len(body))}
	return append([]bpf.Instruction{is}, body...)
}

// newest gives the highest number of a call that is known.
func newest(info *arch.Info) uint32 {
	last := 0
	for _, n := range info.SyscallNames {
		if n < x32 {
			last = max(last, n)
		}
	}
	return uint32(last)
}

// known leaves out the calls that this architecture has not.
func known(names []string, info *arch.Info) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, ok := info.SyscallNames[name]
		return !ok
	})
}

// allowed is what podman's and Docker's default profiles allow without conditions to a
// container with our capabilities.
var allowed = strings.Fields(`
accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir
chmod chown chroot clock_adjtime clock_getres clock_gettime clock_nanosleep close
close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1
epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
execve execveat exit exit_group faccessat faccessat2 fadvise64 fallocate fanotify_mark
fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock
fork fremovexattr fsetxattr fstat fstatfs fsync ftruncate futex futex_requeue futex_wait
futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu getcwd getdents
getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid getpgrp getpid
getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname
getsockopt gettid gettimeofday getuid getxattr getxattrat inotify_add_watch inotify_init
inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_setup
io_submit ioctl ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset
landlock_restrict_self lchown lgetxattr link linkat listen listmount listxattr listxattrat
llistxattr lremovexattr lseek lsetxattr lstat madvise map_shadow_stack membarrier
memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap
modify_ldt mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink
mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at
nanosleep newfstatat open openat openat2 pause pidfd_getfd pidfd_open pidfd_send_signal pipe
pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll prctl pread64 preadv preadv2 prlimit64
process_mrelease pselect6 ptrace pwrite64 pwritev pwritev2 read readahead readlink
readlinkat readv recvfrom recvmmsg recvmsg remap_file_pages removexattr removexattrat rename
renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask
rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr
sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop
sendfile sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid
setfsuid setgid setgroups setitimer setpgid setpriority setregid setresgid setresuid
setreuid setrlimit setsid setsockopt setuid setxattr setxattrat shmat shmctl shmdt shmget
shutdown sigaltstack signalfd signalfd4 socketpair splice stat statfs statmount statx
symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create
timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime
timerfd_settime times tkill truncate umask uname unlink unlinkat uretprobe utime utimensat
utimes vfork vmsplice wait4 waitid waitpid write writev
`)
