package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/providers/container/output"
	"github.com/diyform/diyform/providers/container/rootfs"
)

// container is one container: what it shall be, and its runs, one after the other.
type container struct {
	folder folder
	stack  *stack

	change  sync.Mutex     // held while it is created, started, configured, told to end or removed
	creator *pidfd.Process // who will start it, while it waits for that; guarded by change

	made chan struct{} // closed when it is made, or could not be and is forgotten

	saving sync.Mutex // held while the record changes

	mu     sync.Mutex // guards what follows
	record Record
	news   chan struct{} // closed when the record changes next
	run    *run          // the last one; nil before the first, and where it ended unseen
}

func newContainer(s *stack, f folder, r Record) *container {
	return &container{stack: s, folder: f, record: r, made: make(chan struct{}), news: make(chan struct{})}
}

// awaitMade waits until the container is made, or is forgotten because it could not be.
func (c *container) awaitMade(ctx context.Context) error {
	select {
	case <-c.made:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for container %q to be made: %w", c.status().Spec.ID, context.Cause(ctx))
	}
}

// setCreator takes over the handle of the process that has asked for the container, or nil.
func (c *container) setCreator(p *pidfd.Process) {
	closeCreator(c.creator)
	c.creator = p
}

func closeCreator(p *pidfd.Process) {
	if p != nil {
		p.Close()
	}
}

// abandoned reports whether the container waits for a start that nobody will ask for.
func (c *container) abandoned() bool {
	return c.status().Phase == Created && c.creator != nil && !c.creator.Alive()
}

// look gives a copy of what is known, and what is closed when that changes.
func (c *container) look() (Record, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record, c.news
}

// status gives a copy of what is known.
func (c *container) status() Status {
	r, _ := c.look()
	return r.Status
}

// current gives the last run, or nil.
func (c *container) current() *run {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.run
}

// update changes the record, on disk first: who sees a change finds it also after a crash.
func (c *container) update(change func(*Record)) error {
	c.saving.Lock()
	defer c.saving.Unlock()
	r, _ := c.look()
	change(&r)
	err := c.folder.save(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.record = r
	close(c.news)
	c.news = make(chan struct{})
	return err
}

// await waits until what is known of the container is as wanted.
func (c *container) await(ctx context.Context, wanted func(Status) bool) error {
	for {
		r, news := c.look()
		if wanted(r.Status) {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("wait for container %q: %w", r.Spec.ID, context.Cause(ctx))
		}
	}
}

func hasEnded(s Status) bool { return !s.Phase.Alive() }

// wait waits until the container has ended for good.
func (c *container) wait(ctx context.Context) error { return c.await(ctx, hasEnded) }

// create makes the container. When it fails, nothing is left of it.
func (c *container) create(ctx context.Context) error {
	spec := c.status().Spec
	err := c.folder.prepare(spec.Stdin)
	if err == nil {
		err = c.update(func(r *Record) { r.Phase, r.Launching = Creating, true })
	}
	if err == nil {
		err = rootfs.Clear(ctx, spec.Data) // of one whose record somebody removed
	}
	if err == nil {
		err = makeData(spec.Data)
	}
	var r *run
	if err == nil {
		r, err = c.launch(ctx)
	}
	if err == nil {
		if err = c.update(func(r *Record) { r.Phase = Created }); err != nil {
			r.discard()
		}
	}
	if err != nil {
		return errors.Join(err, c.cleanUp(ctx))
	}
	go c.follow(r)
	return nil
}

// makeData makes a container's data folder, whose parent another container's removal may
// take away in between.
func makeData(path string) error {
	var err error
	failpoint.Hit("supervisor.data.before")
	for range 100 {
		if err = os.MkdirAll(path, 0o700); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	failpoint.Hit("supervisor.data.after")
	if err != nil {
		return fmt.Errorf("make container's data folder: %w", err)
	}
	return nil
}

// start runs the command of a container that does not run, or that is about to end because
// somebody has asked for that.
func (c *container) start(ctx context.Context) error {
	c.change.Lock()
	for c.status().Stopping {
		c.change.Unlock() // for the killing of what does not end by itself
		if err := c.wait(ctx); err != nil {
			return err
		}
		c.change.Lock()
	}
	defer c.change.Unlock()
	switch phase := c.status().Phase; phase {
	case Waiting, Starting, Running, Restarting:
		return nil
	case Created:
		c.setCreator(nil)
		return c.begin(ctx, c.current())
	case Stopped, Exited:
		return c.startAgain(ctx)
	default:
		return fmt.Errorf("start container %q: %w: it is %s", c.status().Spec.ID, ErrNotCreated, phase)
	}
}

// startAgain starts a container that somebody has stopped or that has exited.
func (c *container) startAgain(ctx context.Context) error {
	before := c.status()
	err := c.update(func(r *Record) {
		r.forget()
		r.Phase, r.Launching, r.Restarts, r.Streak = Starting, true, 0, 0
	})
	if err != nil {
		return err
	}
	r, err := c.launch(ctx)
	if err != nil {
		return errors.Join(err, c.update(func(r *Record) {
			r.Status = before
			r.Launching, r.Problem = false, err.Error()
		}))
	}
	go c.follow(r)
	return c.begin(ctx, r)
}

// remove ends the container and removes all that is left of it.
func (c *container) remove(ctx context.Context) error {
	if err := c.kill(ctx); err != nil {
		return err
	}
	return c.cleanUp(ctx)
}

// cleanUp removes what a container without processes has left.
func (c *container) cleanUp(ctx context.Context) error {
	c.setCreator(nil)
	if r := c.current(); r != nil {
		r.process.Close()
	}
	r, _ := c.look()
	_, groupErr := c.removeGroup(r)
	if err := errors.Join(c.unpublish(), groupErr); err != nil {
		return err
	}
	failpoint.Hit("supervisor.removedata.before")
	if err := rootfs.Remove(ctx, r.Spec.Data); err != nil {
		return err
	}
	failpoint.Hit("supervisor.removedata.after")
	_ = os.Remove(filepath.Dir(r.Spec.Data)) // the stack's: it stays as long as it has another
	return c.folder.remove()
}

func (l Log) limits() output.Limits {
	return output.Limits{MaxSize: l.MaxSize, MaxFiles: l.MaxFiles}
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
