package supervisor

import (
	"errors"
	"fmt"

	"github.com/diyform/diyform/internal/linux/cgroup"
)

// Validate tells what cannot be meant.
func (s Settings) Validate() error {
	errs := []error{s.Limits.Validate()}
	switch s.Restart.Policy {
	case RestartNever, RestartOnFailure, RestartAlways:
	default:
		errs = append(errs, fmt.Errorf("restart policy %q is neither %q nor %q", s.Restart.Policy, RestartOnFailure, RestartAlways))
	}
	if s.Restart.Max < 0 || s.Restart.Delay < 0 || s.StopTimeout < 0 {
		errs = append(errs, errors.New("a number of restarts and times cannot be negative"))
	}
	if s.Health != nil {
		errs = append(errs, s.Health.validate())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("validate container settings: %w", err)
	}
	return nil
}

func (h HealthCheck) validate() error {
	ways := 0
	for _, has := range []bool{len(h.Command) > 0, h.TCP != "", h.HTTP != ""} {
		if has {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("a health check is a command, tcp or http: one of them")
	}
	if h.Interval <= 0 || h.Timeout <= 0 || h.Retries < 1 || h.StartPeriod < 0 {
		return errors.New("a health check has a positive interval and timeout, and at least one retry")
	}
	return nil
}

// configure changes the settings. What can fail comes first.
func (c *container) configure(next Settings) error {
	c.change.Lock()
	defer c.change.Unlock()
	s, r := c.status(), c.current()
	if !s.Phase.Alive() || s.Phase == Restarting {
		if err := cgroup.Supports(next.Limits); err != nil {
			return err
		}
		return c.update(func(r *Record) { r.Settings = next })
	}
	if err := r.limit(next.Limits); err != nil {
		return err
	}
	if r.sink != nil {
		if err := r.sink.SetLimits(next.Log.limits()); err != nil {
			return errors.Join(err, r.limit(s.Settings.Limits))
		}
	}
	checksDiffer := !s.Settings.Health.equal(next.Health)
	if checksDiffer {
		c.stopChecks(r)
	}
	err := c.update(func(r *Record) {
		r.Settings = next
		if checksDiffer && r.Phase == Running {
			r.Health = next.Health.begin()
		}
	})
	if checksDiffer && s.Phase == Running {
		c.check(r)
	}
	c.stack.touch()
	return err
}

// limit sets the limits of a run that goes on.
func (r *run) limit(l cgroup.Limits) error {
	if r.group != nil {
		return r.group.Set(l)
	}
	if l.Zero() {
		return nil
	}
	if err := cgroup.Supports(l); err != nil {
		return err
	}
	return errors.New("set limits: the container runs outside of a control group; restart it, and the limits apply")
}
