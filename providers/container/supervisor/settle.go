package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/diyform/diyform/internal/linux/localsocket"
	"github.com/diyform/diyform/internal/linux/pidfd"
)

// Settle returns when nothing of a stack without containers is left: neither its supervisor,
// which ends by itself but a little later than it replies, nor the files of one that was
// killed. A stack with containers is left alone.
func (c *Client) Settle(ctx context.Context) error {
	// Twice: a supervisor that was killed while it took leave is followed by one that does.
	for attempt := 0; attempt < 2 && c.hasRemains(); attempt++ {
		process, err := c.supervisor(ctx)
		if err != nil {
			return err
		}
		list, err := c.List(ctx) // one that was killed is replaced by one that tidies up
		switch {
		case err != nil:
			return errors.Join(err, process.Close())
		case len(list) > 0:
			return process.Close()
		}
		err = process.Wait(ctx)
		if err := errors.Join(err, process.Close()); err != nil {
			return fmt.Errorf("wait for the supervisor to end: %w", err)
		}
	}
	return nil
}

// supervisor gives the process that serves the stack, after starting one where there is none.
func (c *Client) supervisor(ctx context.Context) (*pidfd.Process, error) {
	for {
		conn, err := localsocket.Dial(ctx, c.dir, socketName)
		if nobodyThere(err) {
			if err := c.spawn(ctx); err != nil {
				return nil, err
			}
			// One that ends may still hold the stack.
			select {
			case <-ctx.Done():
				return nil, fmt.Errorf("find the supervisor: %w", context.Cause(ctx))
			case <-time.After(time.Millisecond):
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		_, pid, err := localsocket.Peer(conn)
		if err := errors.Join(err, conn.Close()); err != nil {
			return nil, err
		}
		process, err := pidfd.Open(pid)
		if !errors.Is(err, pidfd.ErrGone) {
			return process, err
		}
	}
}

// removeStack removes what a stack without containers has in its runtime folder, and the
// folder itself if nothing of others' is in it.
func removeStack(dir string) error {
	var errs []error
	for _, name := range []string{socketName, containersName, logName, lockName, ""} {
		err := os.Remove(filepath.Join(dir, name))
		if !errors.Is(err, fs.ErrExist) { // ENOTEMPTY: there are others' files
			errs = append(errs, ignoreMissing(err))
		}
	}
	_ = os.Remove(filepath.Dir(dir)) // of all stacks: it stays as long as it has another
	return errors.Join(errs...)
}
