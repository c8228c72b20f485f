package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/cgroup"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/providers/container/launch"
)

// adopt takes over the containers that the last supervisor left: running ones go on,
// restarting ones are restarted when their time has come, those that waited for interfaces do
// so again, and what else had not come so far is ended.
func (s *stack) adopt(boot string) error {
	entries, err := os.ReadDir(filepath.Join(s.dir, containersName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("adopt containers: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		c, err := s.adoptOne(folderOf(s.dir, e.Name()), boot)
		if err != nil {
			return fmt.Errorf("adopt container %q: %w", e.Name(), err)
		}
		if c != nil {
			s.containers[e.Name()] = c
		}
	}
	s.touch()
	return nil
}

// adoptOne gives nil where there is a folder only, as a crash leaves it that comes before
// the first record or after the last, and where the record is of an earlier boot: with that,
// all that it tells of has gone, and its data is never used again.
func (s *stack) adoptOne(f folder, boot string) (*container, error) {
	r, err := f.load()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, f.remove()
	}
	if err != nil {
		return nil, err
	}
	if r.BootID != boot {
		r.Spec.Network, r.Lasting = launch.Network{}, "" // what has the name now is another's
		return nil, newContainer(s, f, r).cleanUp(context.Background())
	}
	c := newContainer(s, f, r)
	close(c.made)
	if !r.Phase.Alive() {
		return c, nil
	}
	var p *pidfd.Process
	err = pidfd.ErrGone
	if r.PID != 0 {
		p, err = find(r.Status)
	}
	switch {
	case errors.Is(err, pidfd.ErrGone):
		return c, c.gone()
	case err != nil:
		return nil, err
	case r.Phase == Running:
		c.goOn(p)
		return c, nil
	}
	return c, c.putBack(p)
}

// goOn follows a container that runs.
func (c *container) goOn(p *pidfd.Process) {
	r := c.adoptRun(p)
	go c.follow(r)
	c.check(r)
	if c.status().Stopping {
		go c.goOnStopping()
	}
}

// goOnStopping ends a container that the last supervisor was about to end: nobody may come and
// ask for it again.
func (c *container) goOnStopping() {
	if err := c.stop(context.Background(), nil); err != nil {
		complain(err)
	}
}

func (c *container) adoptRun(p *pidfd.Process) *run {
	s := c.status()
	r := newRun()
	r.process, r.adopted = p, true
	// A log that cannot be written does not hold up the container.
	r.sink, r.problem = c.stack.collector.Add(string(c.folder), s.Log, s.Settings.Log.limits())
	if group, err := cgroup.Open(s.Cgroup); err == nil {
		r.group = group
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run = r
	return r
}

// putBack ends a run that waits for a word which only its own supervisor could give, or that
// may just have got it: nobody knows. What has not begun goes on with a new run.
func (c *container) putBack(p *pidfd.Process) error {
	err := c.update(func(r *Record) { r.putBack(time.Now().UTC()) })
	if err != nil {
		p.Close()
		return err
	}
	failpoint.Hit("supervisor.putback.after")
	r := c.adoptRun(p)
	if err := p.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, pidfd.ErrGone) {
		return err
	}
	c.finish(r)
	go c.goAgain()
	return nil
}

// putBack changes the record of a container whose waiting run is about to be ended.
func (r *Record) putBack(now time.Time) {
	if r.Phase == Waiting && !r.Stopping {
		r.Phase, r.NextStart = Restarting, now
	}
}

// gone records that a container's run ended while no supervisor was there.
func (c *container) gone() error {
	r, _ := c.look()
	if r.Phase == Restarting {
		go c.goAgain()
		return nil
	}
	problem := errors.New("its supervisor ended before it could run")
	if r.Phase == Running {
		problem = errors.New("it ended while no supervisor was there to see how")
	}
	// What is left of its output goes to the log.
	sink, err := c.stack.collector.Add(string(c.folder), r.Log, r.Settings.Log.limits())
	if err == nil {
		err = sink.Finish()
	}
	if err != nil {
		complain(err)
	}
	oom, err := c.removeGroup(r)
	if err != nil {
		return err
	}
	err = c.update(func(r *Record) {
		now := time.Now().UTC()
		r.Launching, r.Cgroup = false, ""
		r.putBack(now)
		r.ended(ending{at: now, oom: oom, problem: problem})
	})
	if err == nil && c.status().Phase == Restarting {
		go c.goAgain()
	}
	return err
}

// find opens the process of a record: by its handle, which means no other, or else by its
// process id and start time.
func find(s Status) (*pidfd.Process, error) {
	if len(s.Handle.Bytes) > 0 {
		p, err := pidfd.OpenHandle(s.Handle, s.PID)
		if !errors.Is(err, pidfd.ErrNoHandles) {
			return p, err
		}
	}
	p, err := pidfd.Open(s.PID)
	if err != nil {
		return nil, err
	}
	started, err := process.StartTime(s.PID)
	if err != nil || started != s.StartTime || !p.Alive() {
		p.Close()
		return nil, pidfd.ErrGone
	}
	return p, nil
}

// Find opens the first process of a container that is alive, for who is not its
// supervisor. pidfd.ErrGone says that it has ended.
func (s Status) Find() (*pidfd.Process, error) {
	if s.Phase != Running {
		return nil, fmt.Errorf("container %q is %s: %w", s.Spec.ID, s.Phase, pidfd.ErrGone)
	}
	return find(s)
}

// first opens the first process of a container, of one whose command does not run yet too: its
// namespaces are complete.
func (s Status) first() (*pidfd.Process, error) {
	switch s.Phase {
	case Waiting, Starting, Running:
		return find(s)
	}
	return nil, pidfd.ErrGone
}
