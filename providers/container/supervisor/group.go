package supervisor

import (
	"errors"
	"io/fs"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/cgroup"
)

// makeGroup makes the control group of a run. Where there can be none and nothing is limited,
// it gives nil.
func (c *container) makeGroup(s Status) (*cgroup.Group, error) {
	failpoint.Hit("supervisor.cgroup.before")
	g, err := cgroup.Create(c.stack.dir, s.Spec.ID, s.Settings.Limits)
	failpoint.Hit("supervisor.cgroup.after")
	if errors.Is(err, cgroup.ErrUnavailable) && s.Settings.Limits.Zero() {
		return nil, nil
	}
	return g, err
}

// placer puts a process into the run's group.
func (r *run) placer(s Status) func(pid int) error {
	if r.group == nil {
		return nil
	}
	return func(pid int) error {
		err := r.group.Place(pid)
		if errors.Is(err, cgroup.ErrUnavailable) && s.Settings.Limits.Zero() {
			group := r.group
			r.group = nil
			return group.Remove()
		}
		return err
	}
}

// finishGroup removes the group, and reports whether the kernel has ended a process of it for
// want of memory.
func (r *run) finishGroup() (oom bool, err error) {
	if r.group == nil {
		return false, nil
	}
	kills, err := r.group.OOMKills()
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	failpoint.Hit("supervisor.cgroup.remove")
	// Where the pid namespace is shared, the first process's end is not that of the others.
	return kills > 0, errors.Join(err, r.group.Kill(), r.group.Remove())
}

// removeGroup removes the group that a record tells of, or that it may have been about to
// tell of.
func (c *container) removeGroup(r Record) error {
	var g *cgroup.Group
	var err error
	switch {
	case r.Cgroup != "":
		g, err = cgroup.Open(r.Cgroup)
	case r.Launching:
		g, err = cgroup.Create(c.stack.dir, r.Spec.ID, cgroup.Limits{}) // finds it
	default:
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, cgroup.ErrUnavailable) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(g.Kill(), g.Remove())
}
