// Package mount makes mounts that are at no place yet, in this process's mount namespace,
// to be handed to another process which attaches them. They vanish with their last
// descriptor. What a container's process mounts by itself is in package fork.
package mount

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNotMappable says that ids cannot be mapped on this mount: its file system has no
// support for it, or who runs this is not root where the file system was mounted.
var ErrNotMappable = errors.New("the ids of this mount cannot be mapped")

// ErrCovers says that a user namespace was given a tree of mounts as a whole, of which it
// may not have a part: it would see what the mounts below cover.
var ErrCovers = errors.New("mounts below may not be uncovered")

// Clone makes a second mount of what is at a path: open_tree(2). With whole, what is mounted
// below comes along.
func Clone(path string, whole bool) (*os.File, error) {
	return openTree(unix.AT_FDCWD, path, path, recursive(whole))
}

// CloneDevice is Clone of a device node, which it is sure to be.
func CloneDevice(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open device %s: %w", path, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("look at device %s: %w", path, err)
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFCHR && kind != unix.S_IFBLK {
		return nil, fmt.Errorf("open device %s: %w", path, ErrNoDevice)
	}
	return openTree(fd, "", path, unix.AT_EMPTY_PATH)
}

func openTree(dir int, path, name string, flags uint) (*os.File, error) {
	fd, err := unix.OpenTree(dir, path, flags|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if errors.Is(err, unix.EINVAL) {
		err = ErrCovers
	}
	if err != nil {
		return nil, fmt.Errorf("clone mount of %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func recursive(whole bool) uint {
	if whole {
		return unix.AT_RECURSIVE
	}
	return 0
}

// ClonePrivate is Clone, without the mounts below, of a mount on which others will be mounted,
// or that is handed to who shall see no later change: it has no peers, as the host's may have.
func ClonePrivate(path string) (*os.File, error) {
	m, err := Clone(path, false)
	if err != nil {
		return nil, err
	}
	if err := Change(m, false, 0, unix.MS_PRIVATE); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Change adds attributes to a mount that Clone made, and sets its propagation, if not 0; with
// whole, to those below it too: mount_setattr(2), whose constants both are.
func Change(m *os.File, whole bool, attrs, propagation uint64) error {
	if err := setAttr(m, recursive(whole), unix.MountAttr{Attr_set: attrs, Propagation: propagation}); err != nil {
		return fmt.Errorf("set attributes of mount %s: %w", m.Name(), err)
	}
	return nil
}

func setAttr(m *os.File, flags uint, attr unix.MountAttr) error {
	return unix.MountSetattr(int(m.Fd()), "", flags|unix.AT_EMPTY_PATH, &attr)
}

// MapIDs lets the files of a mount that Clone made belong, in a user namespace, to whom
// they belong outside: mount_setattr(2), Linux 5.12. Outside, what root owned belongs to
// whom the namespace's root is. With whole, that goes for the mounts below, too.
func MapIDs(m, userNamespace *os.File, whole bool) error {
	err := setAttr(m, recursive(whole), unix.MountAttr{
		Attr_set:  unix.MOUNT_ATTR_IDMAP,
		Userns_fd: uint64(userNamespace.Fd()),
	})
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
		err = ErrNotMappable
	}
	if err != nil {
		return fmt.Errorf("map ids of %s: %w", m.Name(), err)
	}
	return nil
}

// ErrNoDevice says that a path is no device node.
var ErrNoDevice = errors.New("it is no device node")

// Sysfs makes a read-only sysfs of the network namespace that the calling thread is in.
func Sysfs() (*os.File, error) {
	fs, err := unix.Fsopen("sysfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make sysfs: %w", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, fmt.Errorf("make sysfs: %w", err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC,
		unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return nil, fmt.Errorf("mount sysfs: %w", err)
	}
	return os.NewFile(uintptr(fd), "sysfs"), nil
}

// IsDevice reports whether a path is a character device of these numbers, not following
// symbolic links: whoever mounts it elsewhere must know what it is.
func IsDevice(path string, major, minor uint32) (bool, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return false, fmt.Errorf("look at device %s: %w", path, err)
	}
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(major, minor), nil
}
