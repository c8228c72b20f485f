package supervisor

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/linux/process"
)

// stop asks the container to end, and ends it when the time is up.
func (c *container) stop(ctx context.Context, timeout *time.Duration) error {
	asked, err := c.ask()
	if err != nil || !asked {
		return err
	}
	limit := c.status().Settings.StopTimeout
	if timeout != nil {
		limit = *timeout
	}
	patience, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := c.wait(patience); err == nil || ctx.Err() != nil {
		return err
	}
	return c.end(ctx)
}

// ask sends the stop signal, or SIGKILL where that would not be noticed. It reports whether
// the container is to end by it.
func (c *container) ask() (bool, error) {
	c.change.Lock()
	defer c.change.Unlock()
	r, err := c.giveUp()
	if err != nil || r == nil {
		return false, err
	}
	s := c.status()
	signal := syscall.Signal(s.Spec.StopSignal)
	record, _ := c.look()
	// The kernel drops a signal that the first process of a pid namespace has no handler
	// for (pid_namespaces(7)): there is nothing to wait for then.
	if s.Phase != Running || !record.Init && !catches(s.PID, signal) {
		signal = syscall.SIGKILL
	}
	failpoint.Hit("supervisor.signal.before")
	if err := r.process.Signal(signal); err != nil && !errors.Is(err, pidfd.ErrGone) {
		return false, err
	}
	failpoint.Hit("supervisor.signal.after")
	return true, nil
}

// giveUp records that the container is not to run any more, and gives the run that is to be
// ended, or nil where there is none. The container's change is locked.
func (c *container) giveUp() (*run, error) {
	var goesOn bool
	err := c.update(func(r *Record) {
		if r.Phase == Restarting { // it pauses: a launch would hold change
			r.Phase, r.NextStart = Stopped, time.Time{}
		}
		goesOn = r.Phase.Alive()
		r.Stopping = goesOn
	})
	if !goesOn {
		return nil, err
	}
	return c.current(), err
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

// end kills a container that was given up.
func (c *container) end(ctx context.Context) error {
	c.change.Lock()
	defer c.change.Unlock()
	return c.kill(ctx)
}

// kill ends the container's first process, and with it the kernel ends all others in the
// pid namespace, before it lets anybody know. The container's change is locked.
func (c *container) kill(ctx context.Context) error {
	r, err := c.giveUp()
	if err != nil || r == nil {
		return err
	}
	failpoint.Hit("supervisor.kill.before")
	if err := r.process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, pidfd.ErrGone) {
		return err
	}
	failpoint.Hit("supervisor.kill.after")
	return c.wait(ctx)
}

// restartNow stops the container and starts it again.
func (c *container) restartNow(ctx context.Context) error {
	if err := c.stop(ctx, nil); err != nil {
		return err
	}
	return c.start(ctx)
}

// signal sends the first process a signal.
func (c *container) signal(s syscall.Signal) error {
	c.change.Lock()
	defer c.change.Unlock()
	r, status := c.current(), c.status()
	err := pidfd.ErrGone
	if status.Phase == Running {
		err = r.process.Signal(s)
	}
	if errors.Is(err, pidfd.ErrGone) {
		return fmt.Errorf("signal container %q: %w", status.Spec.ID, ErrNotRunning)
	}
	return err
}
