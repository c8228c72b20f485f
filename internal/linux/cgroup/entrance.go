package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Entrance is a way into a group that a process goes by itself, while it is made. To move
// another one, as Place does, the kernel waits until no processor is in the middle of a fork or
// an exit (cgroup_attach_lock, an RCU grace period): up to 10 ms, in which nothing on the
// machine forks.
type Entrance struct {
	// Unified is the group's folder of version 2, for CLONE_INTO_CGROUP of clone3(2), or nil.
	Unified *os.File
	// Tasks are files of version 1. A process of one thread that writes "0" into each is in
	// the group: that much is enough since Linux 5.18, before which it takes the time of Place.
	Tasks []*os.File
}

// Entrance opens the group's. It is nil where Place has to do: where this user may have no
// right to enter it, which only that can tell.
func (g *Group) Entrance() (*Entrance, error) {
	if !g.host.root() {
		return nil, nil
	}
	e := &Entrance{}
	for _, dir := range g.dirs {
		if err := e.open(dir); err != nil {
			return nil, errors.Join(fmt.Errorf("open control group: %w", err), e.Close())
		}
	}
	return e, nil
}

func (e *Entrance) open(dir string) (err error) {
	if exists(dir, "cgroup.controllers") {
		e.Unified, err = os.Open(dir)
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, "tasks"), os.O_WRONLY, 0)
	if err == nil {
		e.Tasks = append(e.Tasks, f)
	}
	return err
}

// Close closes the files, when the process has been made. Of nil it does nothing.
func (e *Entrance) Close() error {
	if e == nil {
		return nil
	}
	var errs []error
	for _, f := range append(e.Tasks, e.Unified) {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
