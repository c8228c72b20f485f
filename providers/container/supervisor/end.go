package supervisor

import (
	"context"
	"errors"
	"time"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/pidfd"
)

const (
	// exitKnown is how long the kernel may take to say how another's child ended.
	exitKnown = 2 * time.Second

	// minDelay and maxDelay bound the pause before a restart.
	minDelay = 100 * time.Millisecond
	maxDelay = time.Minute
	// steady is how long a command must have run for its restarts to be counted anew.
	steady = 10 * time.Second
)

// ending is how a run ended.
type ending struct {
	at      time.Time
	exit    *Exit // nil: not known, or it never ran
	oom     bool
	problem error
}

// follow waits for the end of a run, and of those that follow it by the restart policy.
func (c *container) follow(r *run) {
	for r != nil {
		c.finish(r)
		r = c.nextRun()
	}
}

// goAgain follows a container that has no run at the moment.
func (c *container) goAgain() { c.follow(c.nextRun()) }

// finish waits for the end of a run and records it. The order is: the output that is there
// is in the log, and the control group has told what it knows and is gone, before anybody
// hears of the end; only then comes a restart.
func (c *container) finish(r *run) {
	waitErr := r.process.Wait(context.Background())
	failpoint.Hit("supervisor.end.before")
	c.mu.Lock()
	r.over = true
	settled := r.settled
	c.mu.Unlock()
	if settled != nil { // its start may not have been recorded yet
		<-settled
	}
	e := ending{at: time.Now().UTC()}
	var exitErr error
	if r.launched != nil {
		r.launched.Reap()
	} else {
		e.exit, exitErr = r.exit()
	}
	r.end()
	r.beside.Wait()
	e.problem = errors.Join(waitErr, exitErr, r.finishOutput())
	var groupErr error
	e.oom, groupErr = r.finishGroup()
	e.problem = errors.Join(e.problem, groupErr)
	if err := c.update(func(r *Record) { r.ended(e) }); err != nil {
		complain(err)
	}
	failpoint.Hit("supervisor.end.after")
	c.change.Lock() // who has it may be about to send a signal
	r.process.Close()
	c.change.Unlock()
	c.stack.touch()
}

func (r *run) finishOutput() error {
	if r.sink == nil {
		return r.problem
	}
	return errors.Join(r.problem, r.sink.Finish())
}

// exit learns how the process ended.
func (r *run) exit() (*Exit, error) {
	if !r.adopted {
		e, err := r.process.Reap()
		return &Exit{Code: e.Code, Signal: int(e.Signal)}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), exitKnown)
	defer cancel()
	e, err := r.process.ExitOfOther(ctx)
	if errors.Is(err, pidfd.ErrUnknown) {
		return nil, nil
	}
	return &Exit{Code: e.Code, Signal: int(e.Signal)}, err
}

// ended changes the record of a container whose run has ended.
func (r *Record) ended(e ending) {
	ran := r.Phase == Running
	r.Cgroup, r.EndedAt, r.OOMKilled, r.Health = "", e.at, e.oom, Health{}
	if ran {
		r.Exit = e.exit
	}
	if e.problem != nil && r.Problem == "" {
		r.Problem = e.problem.Error()
	}
	if ran && e.at.Sub(r.StartedAt) >= steady {
		r.Streak = 0
	}
	switch {
	case r.Stopping && (ran || !r.StartedAt.IsZero() || r.Phase == Waiting):
		r.Phase = Stopped
	case r.Phase == Restarting: // decided by adoption
	case !ran && r.StartedAt.IsZero():
		r.Phase = Lost
	case r.restarts():
		r.Phase, r.NextStart = Restarting, e.at.Add(r.Settings.Restart.pause(r.Streak))
		r.Restarts++
		r.Streak++
	default:
		r.Phase = Exited
	}
	r.Stopping = false
}

// restarts reports whether a run that has ended by itself is followed by another.
func (r *Record) restarts() bool {
	policy := r.Settings.Restart
	if policy.Max > 0 && r.Streak >= policy.Max {
		return false
	}
	// How it ended may not be known: then nothing says that it succeeded.
	failed := r.Exit == nil || r.Exit.Code != 0
	return policy.Policy == RestartAlways || policy.Policy == RestartOnFailure && failed
}

// pause is the time before a restart, of which so many came right before it.
func (p Restart) pause(before int) time.Duration {
	d := max(p.Delay, minDelay)
	for range before {
		if d >= maxDelay {
			break
		}
		d *= 2
	}
	return max(p.Delay, min(d, maxDelay))
}

// forget takes out of the record what it says of the last run.
func (r *Record) forget() {
	r.PID, r.StartTime, r.Handle = 0, 0, pidfd.Handle{}
	r.Exit, r.Problem, r.OOMKilled, r.Health = nil, "", false, Health{}
	r.EndedAt, r.NextStart, r.Stopping = time.Time{}, time.Time{}, false
}

// wait changes the record of a container that waits for its interfaces.
func (r *Record) wait() {
	if r.Phase == Created || r.Phase == Starting {
		r.Phase = Waiting
	}
}

// nextRun gives the run that follows by the restart policy when its time has come, or nil
// where there is none, also because somebody has stopped the container meanwhile.
func (c *container) nextRun() *run {
	for {
		if !c.awaitRestart() {
			return nil
		}
		if r, ours := c.restart(); r != nil || !ours {
			return r
		}
	}
}

// awaitRestart waits until a restarting container is to be started, and reports whether it is.
func (c *container) awaitRestart() bool {
	for {
		r, news := c.look()
		if r.Phase != Restarting {
			return false
		}
		timer := time.NewTimer(time.Until(r.NextStart))
		select {
		case <-timer.C:
			return true
		case <-news:
			timer.Stop()
		}
	}
}

// restart begins the next run. Where that cannot be, the run counts as one that has failed.
// ours is false where somebody else has decided on the container.
func (c *container) restart() (_ *run, ours bool) {
	c.change.Lock()
	defer c.change.Unlock()
	if c.status().Phase != Restarting {
		return nil, false
	}
	failpoint.Hit("supervisor.restart.before")
	ctx := context.Background()
	err := c.update(func(r *Record) {
		r.forget()
		r.Phase, r.Launching = Starting, true
	})
	var r *run
	if err == nil {
		r, err = c.launch(ctx)
	}
	failpoint.Hit("supervisor.restart.after")
	if err == nil {
		if err := c.begin(ctx, r); err != nil { // the run ends by it
			complain(err)
		}
		return r, true
	}
	problem := err.Error()
	err = c.update(func(r *Record) {
		r.Launching, r.Problem = false, problem
		r.ended(ending{at: time.Now().UTC()})
	})
	if err != nil {
		complain(err)
	}
	return nil, true
}
