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

// entrance opens the run's group for the process that is about to be made. nil is none.
func (r *run) entrance() (*cgroup.Entrance, error) {
	if r.group == nil {
		return nil, nil
	}
	return r.group.Entrance()
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
	return finishGroup(r.group)
}

func finishGroup(g *cgroup.Group) (oom bool, err error) {
	kills, err := g.OOMKills()
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	failpoint.Hit("supervisor.cgroup.remove")
	// Where the pid namespace is shared, the first process's end is not that of the others.
	return kills > 0, errors.Join(err, g.Kill(), g.Remove())
}

// removeGroup removes the group that a record tells of, or that it may have been about to
// tell of, as finishGroup does.
func (c *container) removeGroup(r Record) (oom bool, err error) {
	var g *cgroup.Group
	switch {
	case r.Cgroup != "":
		g, err = cgroup.Open(r.Cgroup)
	case r.Launching:
		g, err = cgroup.Create(c.stack.dir, r.Spec.ID, cgroup.Limits{}) // finds it
	default:
		return false, nil
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, cgroup.ErrUnavailable) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return finishGroup(g)
}
