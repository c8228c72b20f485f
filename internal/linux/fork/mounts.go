package fork

import (
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Attr are the attributes of a mount: mount_setattr(2).
type Attr uint64

// The attributes that containers need.
const (
	ReadOnly    Attr = unix.MOUNT_ATTR_RDONLY
	NoSuid      Attr = unix.MOUNT_ATTR_NOSUID
	NoDev       Attr = unix.MOUNT_ATTR_NODEV
	NoExec      Attr = unix.MOUNT_ATTR_NOEXEC
	StrictAtime Attr = unix.MOUNT_ATTR_STRICTATIME
)

// atCWD is AT_FDCWD, a negative number, as an argument of a system call.
var atCWD = func() uintptr { fd := unix.AT_FDCWD; return uintptr(fd) }()

// Self names an open descriptor of the child as a path.
func Self(fd FD) string { return "/proc/self/fd/" + strconv.Itoa(int(fd)) }

// Filesystem makes a file system and its mount, which is at no place yet: fsopen(2),
// fsconfig(2), fsmount(2). An option is "key=value", or a flag. A source, which is what
// mountinfo shows, comes first; left out, it is the kind.
func (p *Program) Filesystem(kind string, attrs Attr, options ...string) FD {
	what := "make " + kind + " file system"
	fs := p.opens(what, unix.SYS_FSOPEN, p.str(kind), unix.FSOPEN_CLOEXEC)
	if len(options) == 0 || !strings.HasPrefix(options[0], "source=") {
		options = append([]string{"source=" + kind}, options...)
	}
	for _, o := range options {
		key, value, hasValue := strings.Cut(o, "=")
		if hasValue {
			p.call(what+" with "+o, unix.SYS_FSCONFIG, uintptr(fs), unix.FSCONFIG_SET_STRING, p.str(key), p.str(value), 0)
		} else {
			p.call(what+" with "+o, unix.SYS_FSCONFIG, uintptr(fs), unix.FSCONFIG_SET_FLAG, p.str(key), 0, 0)
		}
	}
	p.call(what, unix.SYS_FSCONFIG, uintptr(fs), unix.FSCONFIG_CMD_CREATE, 0, 0, 0)
	mount := p.opens("mount "+kind, unix.SYS_FSMOUNT, uintptr(fs), unix.FSMOUNT_CLOEXEC, uintptr(attrs))
	p.CloseFD(fs)
	return mount
}

// Clone makes a second mount of what is at a path, at no place yet: open_tree(2). With
// whole, what is mounted below comes along; without it, that is an error (EINVAL) in a user
// namespace, where it would uncover what the host had covered.
func (p *Program) Clone(path string, whole bool) FD {
	return p.opens("clone mount of "+path, unix.SYS_OPEN_TREE, atCWD, p.str(path), cloneFlags(whole))
}

// CloneFD is Clone of an open place.
func (p *Program) CloneFD(place FD, whole bool) FD {
	return p.opens("clone mount", unix.SYS_OPEN_TREE, uintptr(place), p.str(""), cloneFlags(whole)|unix.AT_EMPTY_PATH)
}

func cloneFlags(whole bool) uintptr {
	if whole {
		return unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_RECURSIVE
	}
	return unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC
}

// SetAttr adds attributes to a mount, and with whole to those below it: mount_setattr(2).
func (p *Program) SetAttr(mount FD, whole bool, attrs Attr) {
	flags := uintptr(unix.AT_EMPTY_PATH)
	if whole {
		flags |= unix.AT_RECURSIVE
	}
	attr := &unix.MountAttr{Attr_set: uint64(attrs)}
	p.call("set mount attributes", unix.SYS_MOUNT_SETATTR, uintptr(mount), p.str(""), flags, address(p, attr), unsafe.Sizeof(*attr))
}

// Propagation says whether a mount sees what is mounted below another that it was cloned
// from, and the other way round: mount_namespaces(7).
type Propagation uint64

// The kinds of propagation.
const (
	Private Propagation = unix.MS_PRIVATE
	Slave   Propagation = unix.MS_SLAVE
	Shared  Propagation = unix.MS_SHARED
)

// SetPropagation changes a mount's propagation, and with whole that of those below it.
func (p *Program) SetPropagation(mount FD, whole bool, kind Propagation) {
	flags := uintptr(unix.AT_EMPTY_PATH)
	if whole {
		flags |= unix.AT_RECURSIVE
	}
	attr := &unix.MountAttr{Propagation: uint64(kind)}
	p.call("set mount propagation", unix.SYS_MOUNT_SETATTR, uintptr(mount), p.str(""), flags, address(p, attr), unsafe.Sizeof(*attr))
}

// PrivateMounts keeps mounts made here from appearing elsewhere, and the other way round.
func (p *Program) PrivateMounts() {
	attr := &unix.MountAttr{Propagation: unix.MS_PRIVATE}
	p.call("make mounts private", unix.SYS_MOUNT_SETATTR, atCWD, p.str("/"), unix.AT_RECURSIVE, address(p, attr), unsafe.Sizeof(*attr))
}

// Attach mounts a mount that is at no place yet on an open place: move_mount(2).
func (p *Program) Attach(what string, mount, place FD) {
	p.call("mount "+what, unix.SYS_MOVE_MOUNT, uintptr(mount), p.str(""), uintptr(place), p.str(""),
		unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// AttachAt is Attach for a folder by its path.
func (p *Program) AttachAt(mount FD, path string) {
	p.call("mount on "+path, unix.SYS_MOVE_MOUNT, uintptr(mount), p.str(""), atCWD, p.str(path),
		unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_SYMLINKS)
}

// PivotRoot makes an open mount the root of the mount namespace and detaches the old root
// with all that is mounted in it. Unlike chroot, no way leads back.
func (p *Program) PivotRoot(root FD) {
	p.EnterDir(root)
	here := p.str(".")
	// Both in one place: the old root comes to lie on top of the new, pivot_root(2).
	p.call("pivot root", unix.SYS_PIVOT_ROOT, here, here)
	p.call("detach the old root", unix.SYS_UMOUNT2, here, unix.MNT_DETACH)
	p.Chdir("/")
}

// InRoot opens what a path means where a folder is the root: symbolic links are followed
// inside it, and neither those nor ".." lead out of it: openat2(2).
func (p *Program) InRoot(root FD, path string, flags int) FD {
	how := &unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	return p.opens("open "+path, unix.SYS_OPENAT2, uintptr(root), p.str(path), address(p, how), unsafe.Sizeof(*how))
}

// CreateFile makes a file in a folder, where none may be, and opens it for writing.
func (p *Program) CreateFile(dir FD, name string, mode uint32) FD {
	flags := uintptr(unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC)
	return p.opens("make file "+name, unix.SYS_OPENAT, uintptr(dir), p.str(name), flags, uintptr(mode))
}

// Unlink removes a file or symbolic link from a folder.
func (p *Program) Unlink(dir FD, name string) {
	p.call("remove "+name, unix.SYS_UNLINKAT, uintptr(dir), p.str(name), 0)
}

// RemoveDir removes an empty folder from a folder.
func (p *Program) RemoveDir(dir FD, name string) {
	p.call("remove folder "+name, unix.SYS_UNLINKAT, uintptr(dir), p.str(name), unix.AT_REMOVEDIR)
}

// ExpectWritable fails where a folder's file system is read-only. An overlay becomes that
// without an error when its upper layer does not suit it.
func (p *Program) ExpectWritable(what string, dir FD) {
	p.call("write to "+what, unix.SYS_FACCESSAT, uintptr(dir), p.str("."), unix.W_OK)
}

// Missing are the errors of a path that does not exist.
var Missing = []syscall.Errno{unix.ENOENT, unix.ENOTDIR, unix.ELOOP}

// Refused are the errors of a mount that this kernel, or who runs it, does not allow.
var Refused = []syscall.Errno{unix.EPERM, unix.EINVAL, unix.ENODEV, unix.EACCES}
