package launch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/rootfs"
)

// attackVariable makes the test binary attack what it is in, instead of running tests.
const attackVariable = "DIYFORM_ATTACK"

// attacks are system calls that a container's processes must not get through. Those that the
// kernel would refuse for their arguments tell by EPERM or ENOSYS that it never came to that;
// EACCES is that of a folder.
func attacks() map[string]func() syscall.Errno {
	text := func(s string) uintptr {
		b, _ := syscall.BytePtrFromString(s)
		return uintptr(unsafe.Pointer(b))
	}
	call := func(number uintptr, args ...uintptr) func() syscall.Errno {
		var a [6]uintptr
		copy(a[:], args)
		return func() syscall.Errno {
			_, _, errno := syscall.RawSyscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
			return errno
		}
	}
	cwd := -unix.AT_FDCWD
	here := ^uintptr(cwd - 1)
	namespaces := func(flag uintptr) func() syscall.Errno {
		return func() syscall.Errno {
			pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, flag|uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
			if errno == 0 && pid == 0 {
				for {
					syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
				}
			}
			return errno
		}
	}
	return map[string]func() syscall.Errno{
		"keyctl":               call(unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, ^uintptr(3), 0),
		"add_key":              call(unix.SYS_ADD_KEY, text("user"), text("name"), text("value"), 5, ^uintptr(2)),
		"request_key":          call(unix.SYS_REQUEST_KEY, text("user"), text("name"), 0, ^uintptr(2)),
		"bpf":                  call(unix.SYS_BPF, 0, 0, 0),
		"userfaultfd":          call(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|1),
		"io_uring_setup":       call(unix.SYS_IO_URING_SETUP, 1, 0),
		"perf_event_open":      call(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 0),
		"clone of user":        namespaces(unix.CLONE_NEWUSER),
		"clone of mount":       namespaces(unix.CLONE_NEWNS),
		"clone of cgroup":      namespaces(unix.CLONE_NEWCGROUP),
		"unshare user":         call(unix.SYS_UNSHARE, unix.CLONE_NEWUSER),
		"unshare mount":        call(unix.SYS_UNSHARE, unix.CLONE_NEWNS),
		"unshare time":         call(unix.SYS_UNSHARE, unix.CLONE_NEWTIME),
		"setns":                call(unix.SYS_SETNS, 0, 0),
		"mount":                call(unix.SYS_MOUNT, text("none"), text("/mnt"), text("tmpfs"), 0, 0),
		"remount /proc/sys":    call(unix.SYS_MOUNT, 0, text("/proc/sys"), 0, unix.MS_REMOUNT|unix.MS_BIND, 0),
		"unmount /proc/keys":   call(unix.SYS_UMOUNT2, text("/proc/keys"), unix.MNT_DETACH),
		"unmount /proc/sys":    call(unix.SYS_UMOUNT2, text("/proc/sys"), unix.MNT_DETACH),
		"mount_setattr":        call(unix.SYS_MOUNT_SETATTR, here, text("/proc/sys"), 0, 0, 0),
		"open_tree":            call(unix.SYS_OPEN_TREE, here, text("/"), unix.OPEN_TREE_CLONE),
		"move_mount":           call(unix.SYS_MOVE_MOUNT, here, text("/dev/shm"), here, text("/proc"), 0),
		"fsopen":               call(unix.SYS_FSOPEN, text("proc"), 0),
		"pivot_root":           call(unix.SYS_PIVOT_ROOT, text("/"), text("/")),
		"mknod of a disk":      call(unix.SYS_MKNODAT, here, text("/dev/shm/disk"), unix.S_IFBLK|0o666, 8<<8),
		"mknod of memory":      call(unix.SYS_MKNODAT, here, text("/dev/mem"), unix.S_IFCHR|0o666, 1<<8|1),
		"open_by_handle_at":    call(unix.SYS_OPEN_BY_HANDLE_AT, here, 0, 0),
		"personality":          call(unix.SYS_PERSONALITY, 0x0040000),
		"syslog":               call(unix.SYS_SYSLOG, 3, 0, 0),
		"init_module":          call(unix.SYS_INIT_MODULE, 0, 0, 0),
		"kexec_load":           call(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0),
		"reboot":               call(unix.SYS_REBOOT, 0, 0, 0, 0),
		"swapon":               call(unix.SYS_SWAPON, text("/etc/passwd"), 0),
		"acct":                 call(unix.SYS_ACCT, text("/etc/passwd")),
		"settimeofday":         call(unix.SYS_SETTIMEOFDAY, 0, 0),
		"sethostname":          call(unix.SYS_SETHOSTNAME, text("x"), 1),
		"quotactl":             call(unix.SYS_QUOTACTL, 0, 0, 0, 0),
		"process_vm_writev":    call(unix.SYS_PROCESS_VM_WRITEV, 1, 0, 0, 0, 0, 0),
		"kcmp":                 call(unix.SYS_KCMP, 1, 1, 0, 0, 0),
		"name space by clone3": call(unix.SYS_CLONE3, 0, 0),
		"vsock":                call(unix.SYS_SOCKET, vsock, unix.SOCK_STREAM, 0),
		"a call of the future": call(9999),
	}
}

// attack prints which attacks got through.
func attack() {
	for name, try := range attacks() {
		if errno := try(); errno != syscall.EPERM && errno != syscall.EACCES && errno != syscall.ENOSYS {
			fmt.Printf("%s: %v\n", name, errno)
		}
	}
	for f := range 64 {
		var st unix.Stat_t
		if f > 2 && unix.Fstat(f, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			fmt.Printf("descriptor %d is a folder\n", f)
		}
	}
	fmt.Println("tried all")
}

// TestSystemCalls tries forbidden system calls in containers of all kinds but the privileged.
func TestSystemCalls(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		exe := filepath.Join(dataFolder(t), "attack")
		program, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(exe, program, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(*Spec){
			"root":      func(*Spec) {},
			"read-only": func(s *Spec) { s.Root.ReadOnly = true },
			"another":   func(s *Spec) { s.User = "1000" },
			"single":    func(s *Spec) { s.IDMap = IDMapSingle },
			"no init":   func(s *Spec) { s.Init = InitNo },
		} {
			t.Run(name, func(t *testing.T) {
				s := shell(t, "")
				s.Command, s.Env = []string{"/tmp/attack"}, map[string]string{attackVariable: "1"}
				s.Root.Mounts = []rootfs.Mount{{Source: exe, Target: "/tmp/attack"}}
				change(&s)
				if _, err := chooseIDs(IDMapRange, "a"); err != nil && s.User != "" {
					t.Skip(err)
				}
				// A test binary with coverage says that it has nowhere to write it to.
				got := strings.TrimSpace(strings.TrimSuffix(outcome(t, s), "warning: GOCOVERDIR not set, no coverage data emitted"))
				if got != "tried all" {
					t.Error(got)
				}
			})
		}
	})
}

// TestKernelFilesAreNoAccounts has an image whose /etc/passwd is a file of the kernel's: who
// reads /proc/kmsg as the host's root waits for messages, and takes them away.
func TestKernelFilesAreNoAccounts(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		for _, target := range []string{"/proc/kmsg", "/proc/self/mounts", "/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"} {
			s := hostileImage(t, func(image string) error { return os.Symlink(target, image+"/etc/passwd") })
			s.User = "evil"
			// From outside, /proc/self of the container's proc is nothing.
			if got := outcome(t, s); !strings.Contains(got, "no regular file") && !strings.Contains(got, "none of that name") {
				t.Errorf("%s: %q", target, got)
			}
			s = hostileImage(t, func(image string) error { return os.Symlink(target, image+"/run") })
			s.Command, s.Init = []string{"/run"}, InitAuto
			if got := outcome(t, s); !strings.HasPrefix(got, "error: ") {
				t.Errorf("as the command, %s: %q", target, got)
			}
		}
	})
}

// TestDeviceNodesOfTheImage has an image with device nodes. A container that keeps the host's
// user namespace must not be able to use them.
func TestDeviceNodesOfTheImage(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root makes device nodes")
		}
		s := hostileImage(t, func(image string) error {
			return unix.Mknod(image+"/device", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3)))
		})
		if err := os.WriteFile(filepath.Join(s.Root.Directory, "probe"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		s.Command = []string{"/bin/busybox", "sh", "-c", "echo x > /device && echo breach; echo x > /dev/null && echo done"}
		for _, kept := range [][]string{nil, {"user"}} {
			s.Namespaces.Keep, s.Data = kept, dataFolder(t)
			if got := outcome(t, s); strings.Contains(got, "breach") || !strings.HasSuffix(got, "done") {
				t.Errorf("with the host's %v: %q", kept, got)
			}
		}
	})
}

// TestWorkingDirLeavesNothing has working directories below descriptors, /proc and links: what
// is missing of them must not be made outside.
func TestWorkingDirLeavesNothing(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := hostileImage(t, func(string) error { return nil })
		before := names(t, s.Root.Directory)
		for fd := range 16 {
			for _, dir := range []string{"/proc/self/fd/%d/made-by-attack", "/proc/1/fd/%d/made-by-attack", "/proc/self/fd/%d/../made-by-attack", "/proc/thread-self/fd/%d/../../made-by-attack"} {
				s.WorkingDir, s.Data = fmt.Sprintf(dir, fd), dataFolder(t)
				outcome(t, s)
				for _, place := range []string{"/", "/tmp", s.Data, filepath.Dir(s.Data), s.Root.Directory} {
					if _, err := os.Lstat(filepath.Join(place, "made-by-attack")); err == nil {
						os.Remove(filepath.Join(place, "made-by-attack"))
						t.Errorf("working directory %s was made in %s", s.WorkingDir, place)
					}
				}
			}
		}
		if after := names(t, s.Root.Directory); after != before {
			t.Errorf("in the image is %s, was %s", after, before)
		}
	})
}

func names(t *testing.T, dir string) string {
	t.Helper()
	list, err := filepath.Glob(dir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

// hostileImage is a container with a busybox and what change does to the image.
func hostileImage(t *testing.T, change func(image string) error) Spec {
	t.Helper()
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		playtest.Missing(t, err)
	}
	image := dataFolder(t)
	for _, dir := range []string{"bin", "etc"} {
		if err := os.Mkdir(filepath.Join(image, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(image, "bin/busybox"), busybox, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := change(image); err != nil {
		t.Fatal(err)
	}
	s := shell(t, "")
	s.Root, s.Command = rootfs.Spec{Directory: image}, []string{"/bin/busybox", "id"}
	return s
}
