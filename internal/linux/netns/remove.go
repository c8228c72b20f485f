package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/failpoint"
)

// removers is how many names are removed at the same time. Each umount waits for a grace
// period of RCU, which those that wait together share: the threads sleep, so there are
// more of them than processors.
const removers = 32

// remove takes the names away and gives each one's error. The namespaces go, with all
// links in them, as soon as nothing holds them any more.
func remove(names []string) []error {
	errs := make([]error, len(names))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(removers, len(names)) {
		wg.Go(func() {
			for i := range next {
				errs[i] = removeName(names[i])
			}
		})
	}
	for i := range names {
		next <- i
	}
	close(next)
	wg.Wait()
	return errs
}

// removeName takes one name away. A name that is gone already is no error.
func removeName(name string) error {
	path, err := Path(name)
	if err != nil {
		return err
	}
	failpoint.Hit("netns.umount.before")
	err = unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	failpoint.Hit("netns.umount.after")
	// EINVAL: a crash left the file without a mount, or before it had one.
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, fs.ErrNotExist) {
		return mountError(fmt.Sprintf("unmount network namespace %q", name), err)
	}
	failpoint.Hit("netns.unlink.before")
	err = os.Remove(path)
	failpoint.Hit("netns.unlink.after")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove name of network namespace %q: %w", name, err)
	}
	return nil
}
