package modsource

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/diyform/diyform/internal/linux/flock"
)

// lockPoll is how often a waiter asks again: flock(2) takes no deadline.
const lockPoll = 50 * time.Millisecond

// lock keeps other commands from changing the store until the file is closed, which the kernel
// does for a command that is killed.
func (s *Store) lock(ctx context.Context, log func(string)) (*os.File, error) {
	// Only its owner has a use for the folder: it has the journal of the state too.
	if err := os.MkdirAll(filepath.Dir(s.dir()), 0o700); err != nil {
		return nil, fmt.Errorf("make folder of modules: %w", err)
	}
	if err := os.MkdirAll(s.dir(), 0o755); err != nil {
		return nil, fmt.Errorf("make folder of modules: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(s.dir(), lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock folder of modules: %w", err)
	}
	if err := wait(ctx, f, log); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

const lockFile = ".lock"

func wait(ctx context.Context, f *os.File, log func(string)) error {
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for told := false; ; told = true {
		err := flock.TryExclusive(f)
		if !errors.Is(err, flock.ErrHeld) {
			return err
		}
		if !told {
			log("Another command is downloading modules here. Waiting for it...")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the lock %s: %w", f.Name(), context.Cause(ctx))
		case <-poll.C:
		}
	}
}
