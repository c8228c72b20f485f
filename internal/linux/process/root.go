package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/inode"
)

// ErrNotRegular says that a file is a folder, a device, a pipe or a socket, or one of those
// that the kernel makes up.
var ErrNotRegular = errors.New("it is no regular file")

// kernelFiles are file systems in which to read is to do something, or to wait:
// /proc/kmsg takes the messages that it gives away from who should get them.
var kernelFiles = []int64{
	unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC,
	unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.BPF_FS_MAGIC,
}

// Root opens the root of the file system that a process sees, as a place to look up paths in.
func Root(pid int) (*os.File, error) {
	path := fmt.Sprintf("/proc/%d/root", pid)
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// ReadIn reads at most limit bytes of a file by its path below a root that somebody else
// controls: no symbolic link leads out of it, and only a regular file of an ordinary file
// system is opened, for others may do things when they are. fs.ErrNotExist says that there is none.
func ReadIn(root *os.File, path string, limit int64) ([]byte, error) {
	text, err := readIn(root, path, limit)
	if err != nil {
		return nil, fmt.Errorf("read %s of the container: %w", path, err)
	}
	return text, nil
}

func readIn(root *os.File, path string, limit int64) ([]byte, error) {
	fd, err := inode.InRoot(int(root.Fd()), path)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	var system unix.Statfs_t
	if err := unix.Fstatfs(fd, &system); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || slices.Contains(kernelFiles, int64(system.Type)) {
		return nil, ErrNotRegular
	}
	f, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
