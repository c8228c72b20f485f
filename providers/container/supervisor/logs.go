package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/diyform/diyform/internal/linux/inotify"
)

// Logs copies what a container has written so far. With follow, it goes on until the
// container has ended.
func (c *Client) Logs(ctx context.Context, id string, follow bool, to io.Writer) error {
	status, err := c.Inspect(ctx, id)
	if err != nil {
		return err
	}
	log, err := os.Open(status.Log)
	if errors.Is(err, fs.ErrNotExist) && !follow {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open log of container %q: %w", id, err)
	}
	defer log.Close()
	if follow && status.Phase.Alive() {
		if err := c.follow(ctx, status, log, to); err != nil {
			return err
		}
	}
	return copyLog(to, log)
}

// follow copies a log as it grows, until its container has ended.
func (c *Client) follow(ctx context.Context, status Status, log *os.File, to io.Writer) error {
	watch, err := inotify.File(status.Log)
	if err != nil {
		return err
	}
	defer watch.Close()
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		defer stop()
		_, err := c.Wait(running, status.Spec.ID)
		ended <- err
	}()
	for {
		if err := copyLog(to, log); err != nil {
			return err
		}
		if err := watch.Written(running); err != nil {
			break
		}
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	err = <-ended
	if errors.Is(err, ErrNotFound) { // it was removed meanwhile
		return nil
	}
	return err
}

func copyLog(to io.Writer, log *os.File) error {
	if _, err := io.Copy(to, log); err != nil {
		return fmt.Errorf("copy log: %w", err)
	}
	return nil
}
