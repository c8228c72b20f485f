// Package inode makes and changes files by the descriptor of the folder that they are in.
//
// It is for those who work in a tree that others fill or change: an archive's, a
// container's. No call here follows a symbolic link, and a name is always one component, so
// a tree is never left but by whoever joins names. What the kernel offers by path alone
// (changing a mode, extended attributes) goes through /proc/self/fd, which names an open
// file and nothing else.
//
// os.Root is for the same purpose, but makes no devices, knows no extended attributes, and
// looks up every component of a path each time.
//
// Start with Folder. Errors are the kernel's numbers, as they are: many are an answer, and
// who calls knows what it was about.
package inode

import (
	"errors"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Node is an open file of any type. The zero Node is standard input: use none but what this
// package opened.
type Node struct{ fd int }

// Folder is an open folder.
type Folder struct{ Node }

// File is an open regular file.
type File struct{ Node }

// Close gives up the descriptor.
func (n Node) Close() error { return unix.Close(n.fd) }

// self is the path that means the open file: proc_pid_fd(5).
func (n Node) self() string { return "/proc/self/fd/" + strconv.Itoa(n.fd) }

// OpenFolder opens a folder by a path that is trusted.
func OpenFolder(path string) (Folder, error) {
	return openFolder(unix.AT_FDCWD, path, unix.O_PATH|unix.O_DIRECTORY)
}

// FolderOf gives a folder that is open as f, with a descriptor of its own.
func FolderOf(f *os.File) (Folder, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return Folder{}, err
	}
	var folder Folder
	var openErr error
	err = conn.Control(func(fd uintptr) {
		folder, openErr = openFolder(int(fd), ".", unix.O_PATH|unix.O_DIRECTORY)
	})
	return folder, errors.Join(err, openErr)
}

func openFolder(dir int, name string, flags int) (Folder, error) {
	fd, err := open(dir, name, flags, 0)
	return Folder{Node{fd}}, err
}

func open(dir int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, mode)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// Folder opens a folder in d for use as a place. ENOTDIR says that the name is another
// file's, which a symbolic link is too.
func (d Folder) Folder(name string) (Folder, error) {
	return openFolder(d.fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW)
}

// Below opens the folder of a path below d in which nothing is a symbolic link: ELOOP
// otherwise, and EXDEV if it leads out of d.
func (d Folder) Below(path string) (Folder, error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	}
	for {
		fd, err := unix.Openat2(d.fd, path, &how)
		// EAGAIN: somebody renamed a folder meanwhile, openat2(2).
		if err != unix.EINTR && err != unix.EAGAIN {
			return Folder{Node{fd}}, err
		}
	}
}

// Open opens any file for use as a place: O_PATH. A symbolic link is opened itself.
func (d Folder) Open(name string) (Node, error) {
	fd, err := open(d.fd, name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	return Node{fd}, err
}

// Names gives a way to read the names of what is in the folder. The file is the caller's.
func (d Folder) Names() (*os.File, error) {
	fd, err := open(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.self()), nil
}

// Stat looks at a file in the folder.
func (d Folder) Stat(name string) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// Stat looks at the open file.
func (n Node) Stat() (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(n.fd, "", &st, unix.AT_EMPTY_PATH)
	return st, err
}

// FileSystem gives the type of the file system that the file is on: statfs(2).
func (n Node) FileSystem() (int64, error) {
	var st unix.Statfs_t
	err := unix.Fstatfs(n.fd, &st)
	return int64(st.Type), err
}

// Read opens what n is for reading: the same file, whatever has its name by now. Nothing
// but a regular file should be, as opening another may block or set off something.
func (n Node) Read() (*os.File, error) {
	fd, err := open(unix.AT_FDCWD, n.self(), unix.O_RDONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), n.self()), nil
}

// Readlink gives the target of a symbolic link. EINVAL says that it is none.
func (d Folder) Readlink(name string) (string, error) {
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(d.fd, name, buffer)
	if err != nil {
		return "", err
	}
	return string(buffer[:n]), nil
}

// Create makes an empty regular file, open for writing, that only its owner may use.
func (d Folder) Create(name string) (File, error) {
	fd, err := open(d.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
	return File{Node{fd}}, err
}

// Truncate opens a regular file for writing and empties it. ELOOP and EINVAL say that the
// name is another file's.
func (d Folder) Truncate(name string) (File, error) {
	n, err := d.Open(name)
	if err != nil {
		return File{}, err
	}
	defer n.Close()
	st, err := n.Stat()
	if err != nil {
		return File{}, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return File{}, unix.EINVAL
	}
	fd, err := open(unix.AT_FDCWD, n.self(), unix.O_WRONLY|unix.O_TRUNC, 0)
	return File{Node{fd}}, err
}

// Mkdir makes a folder. The mode is subject to the umask.
func (d Folder) Mkdir(name string, mode uint32) error { return unix.Mkdirat(d.fd, name, mode) }

// Symlink makes a symbolic link.
func (d Folder) Symlink(target, name string) error { return unix.Symlinkat(target, d.fd, name) }

// Link makes name another name of old, which is in another folder. Of a symbolic link it
// makes a second name too.
func (d Folder) Link(from Folder, old, name string) error {
	return unix.Linkat(from.fd, old, d.fd, name, 0)
}

// Mknod makes a device or FIFO: mknod(2). Devices need CAP_MKNOD in the first user
// namespace, but for the character device 0:0, which anybody may make since Linux 5.8.
func (d Folder) Mknod(name string, mode uint32, device uint64) error {
	return unix.Mknodat(d.fd, name, mode, int(device))
}

// Device gives the number of a device for Mknod: makedev(3).
func Device(major, minor uint32) uint64 { return unix.Mkdev(major, minor) }

// DeviceNumbers is Device the other way round.
func DeviceNumbers(device uint64) (major, minor uint32) {
	return unix.Major(device), unix.Minor(device)
}

// Unlink removes anything but a folder.
func (d Folder) Unlink(name string) error { return unix.Unlinkat(d.fd, name, 0) }

// RemoveAll removes a folder with all that is in it.
func (d Folder) RemoveAll(name string) error {
	err := os.RemoveAll(d.self() + "/" + name)
	var number unix.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}

// Write writes all of b at the file's position.
func (f File) Write(b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(f.fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// WriteAt writes all of b at a place. What was never written is a hole.
func (f File) WriteAt(b []byte, offset int64) error {
	for len(b) > 0 {
		n, err := unix.Pwrite(f.fd, b, offset)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		b, offset = b[n:], offset+int64(n)
	}
	return nil
}

// Resize cuts the file off, or lets it end in a hole.
func (f File) Resize(size int64) error {
	for {
		if err := unix.Ftruncate(f.fd, size); err != unix.EINTR {
			return err
		}
	}
}

// SetMode changes mode bits of the open file: 07777.
func (f File) SetMode(mode uint32) error { return unix.Fchmod(f.fd, mode) }

// SetTimes changes when the file was last read and changed.
func (f File) SetTimes(read, changed unix.Timespec) error {
	times := [2]unix.Timespec{read, changed}
	// Without a path, utimensat(2) is futimens(3).
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(f.fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
