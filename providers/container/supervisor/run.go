package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/cgroup"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/providers/container/launch"
	"github.com/diyform/diyform/providers/container/output"
)

// run is one process of a container, from its launch to its end.
type run struct {
	process  *pidfd.Process
	adopted  bool              // it is no child of this process
	launched *launch.Container // until its command runs; nil where it was adopted
	group    *cgroup.Group     // nil where there is none
	sink     *output.Sink      // nil where the log could not be opened after adoption
	problem  error             // why the log is incomplete from the beginning

	// What goes on beside it ends with it, and is waited for.
	alive  context.Context
	end    context.CancelFunc
	beside sync.WaitGroup

	// Guarded by the container's mu.
	checks  context.CancelFunc // ends the health checks
	over    bool               // it has ended: nothing is to be begun with it
	settled chan struct{}      // closed when it is recorded whether it was started; nil before that
}

func newRun() *run {
	r := &run{checks: func() {}}
	r.alive, r.end = context.WithCancel(context.Background())
	return r
}

// launch makes the process of a run, which waits for its start. That this may have been begun
// must be recorded. When it fails, nothing is left of it.
func (c *container) launch(ctx context.Context) (_ *run, err error) {
	c.stack.launching <- struct{}{}
	defer func() { <-c.stack.launching }()
	s := c.status()
	r := newRun()
	defer func() {
		if err == nil {
			return
		}
		err = errors.Join(err, r.discard())
		if c.status().Network != s.Network { // the last run's waits for the next
			err = errors.Join(err, c.unpublish())
		}
	}()
	if r.group, err = c.makeGroup(s); err != nil {
		return nil, err
	}
	if r.sink, err = c.stack.collector.Add(string(c.folder), s.Log, s.Settings.Log.limits()); err != nil {
		return nil, err
	}
	pipes, err := output.OpenPipes(string(c.folder), s.Spec.Stdin)
	if err != nil {
		return nil, err
	}
	defer pipes.Close()
	network, err := c.lastNetwork()
	if err != nil {
		return nil, err
	}
	if network != nil {
		defer network.Close()
	}
	entrance, err := r.entrance()
	if err != nil {
		return nil, err
	}
	defer entrance.Close()
	failpoint.Hit("supervisor.launch.before")
	launched, err := launch.Create(ctx, s.Spec, launch.Options{
		Scope: c.stack.dir, Stdin: pipes.Stdin, Stdout: pipes.Stdout, Stderr: pipes.Stderr,
		Place: r.placer(s), Entrance: entrance, Files: c.stack.files(s), Join: c.stack.find, Network: network,
		Record: func(p *pidfd.Process, n *netns.Namespace) error { return c.recordProcess(r, p, n) },
	})
	failpoint.Hit("supervisor.launch.after")
	if err != nil {
		return nil, err
	}
	r.launched, r.process = launched, launched.Process
	if err = c.publish(ctx, r.process); err != nil {
		return nil, err
	}
	err = c.update(func(record *Record) { record.Mapped, record.Init = launched.Mapped, launched.Init })
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run = r
	return r, nil
}

// discard ends a run that nobody follows.
func (r *run) discard() error {
	r.end()
	if r.launched != nil {
		r.launched.Kill()
	}
	var errs []error
	if r.sink != nil {
		errs = append(errs, r.sink.Finish())
	}
	if r.group != nil {
		errs = append(errs, r.group.Remove())
	}
	return errors.Join(errs...)
}

// recordProcess records a process that exists and has done nothing yet.
func (c *container) recordProcess(run *run, p *pidfd.Process, network *netns.Namespace) error {
	failpoint.Hit("supervisor.clone.after")
	started, err := process.StartTime(p.PID)
	if err != nil {
		return err
	}
	handle, err := p.Handle()
	if err != nil && !errors.Is(err, pidfd.ErrNoHandles) {
		return err
	}
	lasting := ""
	if c.status().Spec.Network.Name != "" {
		if lasting, err = network.Lasting(); err != nil {
			return err
		}
	}
	// The name still means the last run's namespace, which only the record tells from others'.
	if err := c.unpublishOther(network.ID()); err != nil {
		return err
	}
	return c.update(func(r *Record) {
		r.PID, r.StartTime, r.Handle, r.Network = p.PID, started, handle, network.ID()
		r.Lasting, r.Launching, r.Cgroup = lasting, false, ""
		if run.group != nil {
			r.Cgroup = run.group.Path()
		}
	})
}

// begin starts the command of a run, or lets it wait for its interfaces.
func (c *container) begin(ctx context.Context, r *run) error {
	names := c.status().Settings.Interfaces
	if len(names) == 0 {
		return c.execute(ctx, r)
	}
	failpoint.Hit("supervisor.waiting.before")
	if err := c.update(func(record *Record) { record.wait() }); err != nil {
		return err
	}
	failpoint.Hit("supervisor.waiting.after")
	c.goBeside(r, func() { c.beginWhenUp(r, names) })
	return nil
}

// execute runs the command.
func (c *container) execute(ctx context.Context, r *run) error {
	settled := make(chan struct{})
	defer close(settled)
	c.mu.Lock()
	over := r.over
	if !over {
		r.settled = settled
	}
	c.mu.Unlock()
	if over {
		return fmt.Errorf("start container %q: it was killed", c.status().Spec.ID)
	}
	if err := c.update(func(r *Record) { r.Phase = Starting }); err != nil {
		return err
	}
	failpoint.Hit("supervisor.start.before")
	err := r.launched.Start(ctx)
	failpoint.Hit("supervisor.start.after")
	if err != nil {
		return c.failStart(r, err)
	}
	r.launched = nil // with the whole program of the launch
	err = c.update(func(record *Record) {
		record.Phase, record.StartedAt, record.NextStart, record.Problem = Running, time.Now().UTC(), time.Time{}, ""
		record.Health = record.Settings.Health.begin()
	})
	c.check(r)
	c.stack.touch()
	return err
}

// failStart ends a run whose command could not be run, and says why.
func (c *container) failStart(run *run, problem error) error {
	err := c.update(func(r *Record) { r.Problem = problem.Error() })
	if killErr := run.process.Signal(syscall.SIGKILL); !errors.Is(killErr, pidfd.ErrGone) {
		err = errors.Join(err, killErr)
	}
	return errors.Join(problem, err)
}
