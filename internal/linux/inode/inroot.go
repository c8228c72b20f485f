package inode

import (
	"errors"

	"golang.org/x/sys/unix"
)

// InRoot opens, for use as a place (O_PATH), what a path means where a folder is the root: no
// symbolic link leads out of it, and those of /proc are not followed. The kernel asks to try
// again when somebody, somewhere, renamed or mounted while it looked up ".." (openat2(2)).
func InRoot(root int, path string) (int, error) {
	const tries = 1000
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for range tries {
		fd, err := unix.Openat2(root, path, how)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
	return -1, unix.EAGAIN
}
