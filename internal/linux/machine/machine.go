// Package machine holds the system calls that the first process of a private machine
// makes: the mounts that hide the real machine, the host name, and the reaping of orphans.
//
// It decides nothing about what such a machine looks like: see internal/world.
package machine

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// A Filesystem is what Mount puts at its target.
type Filesystem struct {
	Type    string // as in mount(8)'s -t
	Data    string // as in mount(8)'s -o
	Devices bool   // device nodes and set-uid programs work, unlike by default
}

// Mount mounts a new filesystem at target.
func Mount(fs Filesystem, target string) error {
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if fs.Devices {
		flags = 0
	}
	return mount(fs.Type, target, fs.Type, flags, fs.Data)
}

// Bind shows the tree at source, with all that is mounted in it, at target also.
func Bind(source, target string) error {
	return mount(source, target, "", unix.MS_BIND|unix.MS_REC, "")
}

// MakePrivate cuts every mount from / on off from those of other mount namespaces.
func MakePrivate() error {
	return mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, "")
}

// MakeShared lets mounts at target and below reach later copies of this mount namespace,
// which is how systemd leaves / and how ip-netns(8) leaves /run/netns.
func MakeShared(target string) error {
	return mount("", target, "", unix.MS_SHARED|unix.MS_REC, "")
}

// MakeReadOnly lets nobody in this mount namespace write to what is mounted at target, with
// whole to that and to all that is mounted below it. Device nodes work as before.
func MakeReadOnly(target string, whole bool) error {
	flags := uint(0)
	if whole {
		flags = unix.AT_RECURSIVE
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, target, flags, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("make %s read-only: %w", target, err)
	}
	return nil
}

// MakeWritable undoes MakeReadOnly for the mount at target alone.
func MakeWritable(target string) error {
	if err := unix.MountSetattr(unix.AT_FDCWD, target, 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("make %s writable: %w", target, err)
	}
	return nil
}

// Writable reports whether the process, with the rights that it uses, may write to the file.
func Writable(path string) bool {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS) == nil
}

// LeaveControlGroups makes the groups that the calling thread is in the roots of what it,
// and what it starts, sees of the control groups: cgroup_namespaces(7). The thread must be
// locked to its goroutine and be left to die with it: the others see what they saw.
func LeaveControlGroups() error {
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("create cgroup namespace: %w", err)
	}
	return nil
}

// Unmount takes away the mount at target, at once also if it is in use.
func Unmount(target string) error {
	if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", target, err)
	}
	return nil
}

func mount(source, target, fstype string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, fstype, flags, data); err != nil {
		return fmt.Errorf("mount %s%s at %s: %w", fstype, source, target, err)
	}
	return nil
}

// SetHostname names the machine in the UTS namespace of the caller.
func SetHostname(name string) error {
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set host name %q: %w", name, err)
	}
	return nil
}

// WaitStatus says how a process ended.
type WaitStatus = unix.WaitStatus

// ReapUntil reaps every child that ends, orphans included, until the one with this pid
// has, and returns how that one ended. Nobody else may wait for children meanwhile.
func ReapUntil(pid int) (WaitStatus, error) {
	for {
		var status WaitStatus
		reaped, err := unix.Wait4(-1, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("wait for process %d: %w", pid, err)
		}
		if reaped == pid {
			return status, nil
		}
	}
}

// EndOthers kills every other process of the caller's process namespace, whose first process
// it must be, and reaps them.
func EndOthers() error {
	if err := unix.Kill(-1, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill the other processes: %w", err)
	}
	for {
		_, err := unix.Wait4(-1, nil, 0, nil)
		switch {
		case err == nil, errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ECHILD):
			return nil
		default:
			return fmt.Errorf("reap the other processes: %w", err)
		}
	}
}

// TakeTerminal makes the caller's process group the one in the foreground of the terminal.
// The caller must ignore SIGTTOU, which a group in the background gets for this: see
// tcsetpgrp(3).
func TakeTerminal(terminal uintptr) error {
	if err := unix.IoctlSetPointerInt(int(terminal), unix.TIOCSPGRP, unix.Getpgrp()); err != nil {
		return fmt.Errorf("take terminal: %w", err)
	}
	return nil
}
