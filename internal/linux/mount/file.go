package mount

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/inode"
)

// ErrReplaced says that a path is not the mounted file that it should be.
var ErrReplaced = errors.New("something else is in its place")

// OpenFile opens for writing the file at a path as a process sees it, if it is a file of a
// tmpfs of that source which is mounted there as a file. The process is not trusted: it may
// have put a FIFO, a device or a link to another file there, none of which is opened.
func OpenFile(pid int, path, source string) (*os.File, error) {
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open root of process %d: %w", pid, err)
	}
	defer unix.Close(root)
	place, err := inode.InRoot(root, path)
	if err != nil {
		return nil, fmt.Errorf("open %s in root of process %d: %w", path, pid, err)
	}
	defer unix.Close(place)
	if err := expectFile(pid, place, source); err != nil {
		return nil, fmt.Errorf("open %s in root of process %d: %w", path, pid, err)
	}
	// Through the descriptor, it is the file that was looked at, whatever has its name now.
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(place), unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s in root of process %d: %w", path, pid, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// expectFile checks that an open place is a regular file that is the root of a mount of a
// tmpfs of that source.
func expectFile(pid, place int, source string) error {
	var st unix.Statx_t
	err := unix.Statx(place, "", unix.AT_EMPTY_PATH, unix.STATX_TYPE|unix.STATX_MNT_ID, &st)
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return ErrReplaced
	}
	mounts, err := os.Open(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return err
	}
	defer mounts.Close()
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		id, _, _ := strings.Cut(before, " ")
		if id == strconv.FormatUint(st.Mnt_id, 10) {
			if strings.HasPrefix(after, "tmpfs "+source+" ") {
				return nil
			}
			return ErrReplaced
		}
	}
	return ErrReplaced
}
