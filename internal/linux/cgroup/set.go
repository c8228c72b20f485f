package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Set changes the limits of the group, also while its processes run. What Limits leaves out
// becomes unlimited. What was set before an error stays set.
//
// To lower Memory below what is used asks the kernel to make room, by dropping cache and by
// swapping. Where that does not suffice, version 1 refuses the limit, which is an error;
// version 2 takes it, and kills processes of the group until it is kept.
func (g *Group) Set(l Limits) error {
	if err := l.Validate(); err != nil {
		return err
	}
	if err := g.enable(l); err != nil {
		return err
	}
	if err := g.setMemory(l); err != nil {
		return err
	}
	for _, k := range knobs(l) {
		if err := g.turn(k); err != nil {
			return err
		}
	}
	return g.setIO(l.IO)
}

// turn writes a limit in each of the ways that the group has the files for.
func (g *Group) turn(k knob) error {
	found := false
	for _, way := range k.ways {
		dir := g.with(way[0].file)
		if dir == "" {
			continue
		}
		found = true
		for _, s := range way {
			if err := write(dir, s.file, s.value); err != nil {
				return refused(k.limit, dir, s, err)
			}
		}
	}
	if !found && k.asked {
		return missing(k.limit, k.controller)
	}
	return nil
}

// with gives the folder of the group that has a file, or "".
func (g *Group) with(file string) string {
	for _, dir := range g.dirs {
		if exists(dir, file) {
			return dir
		}
	}
	return ""
}

// missing is the error of a limit for which the group has no file although its controller
// should be there.
func missing(limit, controller string) error {
	return &unavailable{
		what:   fmt.Sprintf("The limit %q cannot be enforced", limit),
		reason: fmt.Sprintf("the kernel's %s controller has no such limit in this group", controller),
		advice: "Leave the limit out, or use a kernel that is built with it",
	}
}

// refused is the error of a value that the kernel does not take.
func refused(limit, dir string, s setting, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return &unavailable{
			what: fmt.Sprintf("The limit %q cannot be set", limit), err: err,
			reason: "this user may not write " + filepath.Join(dir, s.file),
			advice: "Run diyform as the user that made the group, or as root",
		}
	}
	if errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("set limit %q: the kernel does not take %q for %s, which may be more than the group above it has: %w",
			limit, s.value, filepath.Join(dir, s.file), err)
	}
	return fmt.Errorf("set limit %q to %q: %w", limit, s.value, err)
}

// enable enables what the limits and the usage need.
func (g *Group) enable(l Limits) error {
	for _, dir := range g.dirs {
		if exists(dir, "cgroup.subtree_control") {
			if err := enable(dir, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// enable gives a group of version 2 the controllers for its limits and for its usage, from
// the base down: a group can have only what all above it have enabled for those below them.
func enable(dir string, l Limits) error {
	stack := filepath.Dir(dir)
	above := filepath.Dir(stack)
	base := filepath.Dir(above)
	needed := l.controllers()
	for _, parent := range []string{base, above, stack} {
		offered, err := readText(parent, "cgroup.controllers")
		if err != nil {
			return fmt.Errorf("enable controllers: %w", err)
		}
		for _, c := range append([]string{"memory", "pids"}, needed...) {
			if !slices.Contains(strings.Fields(offered), c) {
				continue
			}
			if err := enableOne(parent, c, slices.Contains(needed, c)); err != nil {
				return err
			}
		}
	}
	return nil
}

// enableOne enables a controller for the groups below one. Where only the usage needs it,
// failing is no error: the processes of a base that is a group in use, in which the kernel
// allows no controllers, are not moved for that.
func enableOne(parent, controller string, needed bool) error {
	enabled, err := readText(parent, "cgroup.subtree_control")
	if err != nil {
		return fmt.Errorf("enable controller %s: %w", controller, err)
	}
	if slices.Contains(strings.Fields(enabled), controller) {
		return nil
	}
	// The kernel would take cpu and pids from a group with processes, which makes it the root of
	// a threaded subtree: groups below it are "domain invalid" then, and take neither processes
	// nor other controllers (EOPNOTSUPP, cgroup_is_thread_root() in the kernel).
	full, err := occupied(parent)
	if err != nil {
		return err
	}
	if full && !needed {
		return nil
	}
	if full {
		if err := vacate(parent); err != nil {
			return err
		}
	}
	err = write(parent, "cgroup.subtree_control", "+"+controller)
	if err == nil || !needed {
		return nil
	}
	for try := 0; errors.Is(err, syscall.EBUSY) && try < 10; try++ {
		if err := vacate(parent); err != nil {
			return err
		}
		err = write(parent, "cgroup.subtree_control", "+"+controller)
	}
	if err != nil {
		return &unavailable{
			what: fmt.Sprintf("The %s controller cannot be enabled", controller), err: err,
			reason: "the kernel refuses it for the groups below " + parent,
			advice: "See \"Controlling Controllers\" in the kernel's Documentation/admin-guide/cgroup-v2.rst",
		}
	}
	return nil
}

// occupied reports whether a group has processes, unless it is the root of all, which may have
// those and controllers both.
func occupied(dir string) (bool, error) {
	if !exists(dir, "cgroup.type") {
		return false, nil
	}
	text, err := readText(dir, "cgroup.procs")
	if errors.Is(err, syscall.EOPNOTSUPP) { // in a threaded subtree
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for processes in control group: %w", err)
	}
	return text != "", nil
}

// vacated is the group that the processes of a base are moved to.
const vacated = "diyform-main"

// vacate moves the processes of a group, this one among them, to one below it. The kernel
// lets a group have processes or groups with controllers, not both: "No Internal Process
// Constraint" in cgroup-v2.rst. All are the user's, to whom the group was given, or root asked.
func vacate(base string) error {
	leaf := filepath.Join(base, vacated)
	if _, err := makeFolder(leaf); err != nil {
		return fmt.Errorf("make room for control groups: %w", err)
	}
	text, err := readText(base, "cgroup.procs")
	if err != nil {
		return fmt.Errorf("make room for control groups: %w", err)
	}
	for _, pid := range strings.Fields(text) {
		if err := write(leaf, "cgroup.procs", pid); err != nil && !errors.Is(err, syscall.ESRCH) {
			return &unavailable{
				what: "The controllers of " + base + " cannot be enabled", err: err,
				reason: fmt.Sprintf("process %s is in it and cannot be moved to %s", pid, leaf),
				advice: "Start diyform in a group of its own: systemd-run --user --scope -p Delegate=yes diyform apply",
			}
		}
	}
	return nil
}
