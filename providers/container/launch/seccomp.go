package launch

import (
	"fmt"
	"strings"
	"sync"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/seccomp"
)

// unconfined is the seccomp setting for no filter at all.
const unconfined = "unconfined"

const (
	// newNamespaces are the flags of clone(2) that make namespaces: each gives whoever
	// makes it new parts of the kernel to attack.
	newNamespaces = 0x7E020000
	// vsock is AF_VSOCK: the way to the hypervisor, which no namespace closes.
	vsock = 40
	// lower are the 32 bits that the kernel looks at where an argument is an int.
	lower = 0xFFFFFFFF
)

// personalities are Linux, the same with the name of Linux 2.6, both for 32 bits, and the
// question which one it is.
var personalities = []uint64{0, 0x20000, 8, 0x20008, 0xFFFFFFFF}

// filter is an installed system call filter.
type filter struct {
	code  []bpf.RawInstruction
	flags uintptr
}

// source is what a filter is made from.
type source struct {
	profile      string // "" for the default
	capabilities capabilities
	mayHaveInit  bool
}

// lastFilter is kept: to compile one takes longer than all else that a launch computes, and
// most containers have the same.
var lastFilter struct {
	sync.Mutex
	from   source
	filter *filter
}

// filter gives the container's filter, nil for none.
func (s Spec) filter(c capabilities) (*filter, error) {
	given := s.Privileges.Seccomp
	if given == unconfined || given == "" && s.Privileges.Privileged {
		return nil, nil
	}
	lastFilter.Lock()
	defer lastFilter.Unlock()
	from := source{given, c, s.mayHaveInit()}
	if lastFilter.filter != nil && lastFilter.from == from {
		return lastFilter.filter, nil
	}
	f, err := s.compile(c)
	if err == nil {
		lastFilter.from, lastFilter.filter = from, f
	}
	return f, err
}

func (s Spec) compile(c capabilities) (*filter, error) {
	profile := defaultProfile()
	if given := s.Privileges.Seccomp; given != "" {
		var err error
		if profile, err = seccomp.Read([]byte(given)); err != nil {
			return nil, err
		}
	}
	compiled, err := profile.Compile(seccomp.Machine{HasCapability: c.has, Kernel: seccomp.Kernel()})
	if err != nil {
		return nil, err
	}
	for _, call := range s.needed() {
		if !compiled.Allows(call) {
			return nil, fmt.Errorf("use seccomp profile: it forbids %s, without which no container of this kind can start", call)
		}
	}
	return &filter{compiled.Code, compiled.Flags}, nil
}

// needed are the calls between the filter's installation and the command.
func (s Spec) needed() []string {
	calls := []string{"execve", "execveat", "rt_sigprocmask", "fcntl", "write", "exit_group"}
	if s.mayHaveInit() {
		calls = append(calls, "clone", "setsid", "wait4", "rt_sigtimedwait", "kill")
	}
	return calls
}

// defaultProfile answers what it does not know with EPERM. ENOSYS says "this kernel is too old
// for that", after which programs use an older call.
func defaultProfile() seccomp.Profile {
	nosys := uint(unix.ENOSYS)
	p := seccomp.Profile{
		DefaultAction: "SCMP_ACT_ERRNO", Foreign: "SCMP_ACT_ERRNO",
		Syscalls: []seccomp.Call{
			{Names: allowed, Action: "SCMP_ACT_ALLOW"},
			// It has its flags in memory, where no filter sees them.
			{Name: "clone3", Action: "SCMP_ACT_ERRNO", ErrnoRet: &nosys},
			{Name: "clone", Action: "SCMP_ACT_ALLOW", Args: []seccomp.Arg{
				{Value: newNamespaces, ValueTwo: 0, Op: "SCMP_CMP_MASKED_EQ"},
			}},
			{Name: "socket", Action: "SCMP_ACT_ERRNO", Args: []seccomp.Arg{
				{Value: lower, ValueTwo: vsock, Op: "SCMP_CMP_MASKED_EQ"},
			}},
			{Name: "socket", Action: "SCMP_ACT_ALLOW"},
		},
	}
	for _, persona := range personalities {
		p.Syscalls = append(p.Syscalls, seccomp.Call{Name: "personality", Action: "SCMP_ACT_ALLOW", Args: []seccomp.Arg{
			{Value: lower, ValueTwo: persona, Op: "SCMP_CMP_MASKED_EQ"},
		}})
	}
	return p
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
