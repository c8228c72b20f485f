package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// ownPath is the namespace of the thread that opens it. /proc/self would be that of the
// thread-group leader, wherever that is.
const ownPath = "/proc/thread-self/ns/net"

// hostFile is the namespace that diyform runs in.
var hostFile = sync.OnceValues(func() (*os.File, error) { return os.Open(ownPath) })

// onThread runs f on a thread of its own, which f may take into other namespaces, and
// waits for it. The thread returns to the host's namespace, or ends.
func onThread(f func() error) error {
	host, err := hostFile()
	if err != nil {
		return fmt.Errorf("open own network namespace: %w", err)
	}
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := f()
		back := enter(int(host.Fd()))
		if back == nil {
			runtime.UnlockOSThread()
		}
		result <- errors.Join(err, back)
	}()
	return <-result
}

// enter takes the calling thread, which must be locked, into a namespace.
func enter(fd int) error {
	for {
		err := unix.Setns(fd, unix.CLONE_NEWNET)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EPERM):
			return fmt.Errorf("enter network namespace: %w; %s", err, missingSysAdmin)
		}
		return fmt.Errorf("enter network namespace: %w", err)
	}
}

const missingSysAdmin = "this needs CAP_SYS_ADMIN: run as root, or in a user namespace of your own (unshare -r)"

// inParallel runs f for the indexes 0 to n-1, in runs of neighbours, each run on a thread
// of its own. After the end of ctx no further index is begun: f gets the context's error.
func inParallel(ctx context.Context, n int, f func(i int, ctxErr error) error) []error {
	const worthAThread = 4
	errs := make([]error, n)
	threads := max(1, min(runtime.GOMAXPROCS(0), n/worthAThread))
	var wg sync.WaitGroup
	for t := range threads {
		from, to := n*t/threads, n*(t+1)/threads
		wg.Go(func() {
			err := onThread(func() error {
				for i := from; i < to; i++ {
					errs[i] = f(i, ctx.Err())
				}
				return nil
			})
			for i := from; i < to && err != nil; i++ {
				errs[i] = errors.Join(errs[i], err)
			}
		})
	}
	wg.Wait()
	return errs
}
