package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/fifo"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/providers/container/launch"
)

// container is one container's life.
type container struct {
	folder folder

	change   sync.Mutex        // held while it is created, started or removed
	launched *launch.Container // while it waits for its start; guarded by change
	creator  *pidfd.Process    // who will start it, while it waits for that; guarded by change

	made    chan struct{}  // closed when it is made, or could not be and is forgotten
	process *pidfd.Process // set when it is made
	adopted bool           // its process is no child of this one; likewise
	ended   chan struct{}  // closed when it has ended and that is recorded

	mu      sync.Mutex // guards what follows
	record  Record
	decided chan struct{} // made with phase Starting, closed when its outcome is recorded
}

func newContainer(f folder, r Record) *container {
	return &container{folder: f, record: r, made: make(chan struct{}), ended: make(chan struct{})}
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

// status gives a copy of what is known.
func (c *container) status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record.Status
}

// update changes the record, in memory and on disk.
func (c *container) update(change func(*Record)) error {
	c.mu.Lock()
	change(&c.record)
	r := c.record
	c.mu.Unlock()
	return c.folder.save(r)
}

// create makes the container. When it fails, nothing is left of it.
func (c *container) create(ctx context.Context) error {
	if err := c.folder.prepare(); err != nil {
		return err
	}
	if err := c.makeLog(); err != nil {
		return errors.Join(err, c.folder.remove())
	}
	if err := c.update(func(r *Record) { r.Phase = Creating }); err != nil {
		return errors.Join(err, c.folder.remove())
	}
	if err := c.launch(ctx); err != nil {
		return errors.Join(err, c.folder.remove())
	}
	if err := c.publish(ctx); err != nil {
		c.launched.Kill()
		return errors.Join(err, c.cleanUp())
	}
	if err := c.update(func(r *Record) { r.Phase = Created }); err != nil {
		c.launched.Kill()
		return errors.Join(err, c.cleanUp())
	}
	c.watch()
	return nil
}

// makeLog lets a log that cannot be written be found before anything runs.
func (c *container) makeLog() error {
	f, err := openLog(c.record.Log)
	if err != nil {
		return err
	}
	return f.Close()
}

func (c *container) launch(ctx context.Context) error {
	output, err := fifo.OpenWriter(c.folder.file(outputName))
	if err != nil {
		return err
	}
	defer output.Close()
	failpoint.Hit("supervisor.launch.before")
	launched, err := launch.Create(ctx, c.record.Spec, launch.Options{
		Scope: string(c.folder), Output: output, Record: c.recordProcess,
	})
	failpoint.Hit("supervisor.launch.after")
	if err != nil {
		return err
	}
	c.launched = launched
	c.mu.Lock()
	defer c.mu.Unlock()
	c.record.Mapped = launched.Mapped
	return nil
}

// recordProcess records a process that exists and has done nothing yet.
func (c *container) recordProcess(p *pidfd.Process) error {
	failpoint.Hit("supervisor.clone.after")
	started, err := process.StartTime(p.PID)
	if err != nil {
		return err
	}
	handle, err := p.Handle()
	if err != nil && !errors.Is(err, pidfd.ErrNoHandles) {
		return err
	}
	network, err := netns.OpenPath(fmt.Sprintf("/proc/%d/ns/net", p.PID))
	if err != nil {
		return err
	}
	defer network.Close()
	c.process = p
	return c.update(func(r *Record) {
		r.PID, r.StartTime, r.Handle, r.Network = p.PID, started, handle, network.ID()
	})
}

// start runs the command.
func (c *container) start(ctx context.Context) error {
	c.change.Lock()
	defer c.change.Unlock()
	switch phase := c.status().Phase; phase {
	case Running:
		return nil
	case Created:
	default:
		return fmt.Errorf("start container %q: %w: it is %s", c.record.Spec.ID, ErrNotCreated, phase)
	}
	defer c.setCreator(nil)
	decided := make(chan struct{})
	defer close(decided)
	if err := c.update(func(r *Record) { r.Phase, c.decided = Starting, decided }); err != nil {
		return err
	}
	failpoint.Hit("supervisor.start.before")
	err := c.launched.Start(ctx)
	failpoint.Hit("supervisor.start.after")
	if err != nil {
		return c.failStart(err)
	}
	c.launched = nil // with the whole program of the launch
	err = c.update(func(r *Record) {
		if r.Phase == Starting {
			r.Phase, r.StartedAt = Running, time.Now().UTC()
		}
	})
	if err == nil && c.status().Phase == Lost {
		err = fmt.Errorf("start container %q: it was killed", c.record.Spec.ID)
	}
	return err
}

// failStart ends a container whose command could not be run, and says why.
func (c *container) failStart(problem error) error {
	err := c.update(func(r *Record) { r.Problem = problem.Error() })
	if killErr := c.process.Signal(syscall.SIGKILL); !errors.Is(killErr, pidfd.ErrGone) {
		err = errors.Join(err, killErr)
	}
	return errors.Join(problem, err)
}

// stop asks the container to end, and ends it when the time is up.
func (c *container) stop(ctx context.Context, s syscall.Signal, timeout time.Duration) error {
	status := c.status()
	if !status.Phase.Alive() {
		return nil
	}
	// The kernel drops a signal that the first process of a pid namespace has no handler
	// for (pid_namespaces(7)): there is nothing to wait for then.
	if status.Phase != Running || !catches(status.PID, s) {
		return c.kill(ctx)
	}
	failpoint.Hit("supervisor.signal.before")
	if err := c.process.Signal(s); err != nil && !errors.Is(err, pidfd.ErrGone) {
		return err
	}
	failpoint.Hit("supervisor.signal.after")
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-c.ended:
		return nil
	case <-timer.C:
		return c.kill(ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// catches reports whether a process would notice a signal. It looks twice: a shell blocks all
// signals for the moment in which it starts a program, and what it has no handler for is
// dropped when that is over.
func catches(pid int, s syscall.Signal) bool {
	const moment = 5 * time.Millisecond
	for _, pause := range []time.Duration{0, moment} {
		time.Sleep(pause)
		if yes, err := process.Catches(pid, s); err != nil || !yes {
			return false
		}
	}
	return true
}

// kill ends the container's first process, and with it the kernel ends all others in the
// pid namespace, before it lets anybody know.
func (c *container) kill(ctx context.Context) error {
	if !c.status().Phase.Alive() {
		return nil
	}
	failpoint.Hit("supervisor.kill.before")
	if err := c.process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, pidfd.ErrGone) {
		return err
	}
	failpoint.Hit("supervisor.kill.after")
	return c.wait(ctx)
}

// wait waits until the container has ended.
func (c *container) wait(ctx context.Context) error {
	select {
	case <-c.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for container %q: %w", c.status().Spec.ID, context.Cause(ctx))
	}
}

// remove ends the container and removes all that is left of it.
func (c *container) remove(ctx context.Context) error {
	if err := c.kill(ctx); err != nil {
		return err
	}
	return c.cleanUp()
}

// cleanUp removes what a container without processes has left.
func (c *container) cleanUp() error {
	c.setCreator(nil)
	if c.process != nil {
		c.process.Close()
	}
	if err := c.unpublish(); err != nil {
		return err
	}
	return c.folder.remove()
}

// publish gives the container's own network namespace its name.
func (c *container) publish(ctx context.Context) error {
	n := c.record.Spec.Network
	if n.Name == "" {
		return nil
	}
	ns, err := netns.OpenPath(fmt.Sprintf("/proc/%d/ns/net", c.process.PID))
	if err != nil {
		return err
	}
	defer ns.Close()
	return netns.Publish(ctx, ns, netns.Spec{Name: n.Name, Mark: n.Mark})
}

// unpublish takes the name away, unless it means another namespace than ours.
func (c *container) unpublish() error {
	r := c.record
	if r.Spec.Network.Name == "" {
		return nil
	}
	pin, err := netns.Lookup(r.Spec.Network.Name)
	if err != nil {
		return ignoreMissing(err)
	}
	ours := pin.Mounted && pin.ID == r.Network || !pin.Mounted && pin.Mark == r.Spec.Network.Mark
	if !ours {
		return nil
	}
	var set netns.Set
	defer set.Close()
	return errors.Join(set.Delete([]string{pin.Name})...)
}
