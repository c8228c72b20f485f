// Package cgroup makes control groups: what a container's processes have used together, and
// what they may use: cgroups(7), Documentation/admin-guide/cgroup-v2.rst and cgroup-v1.
//
// Version 2 is used where it has the controllers, version 1 where those are there, as on
// hybrid hosts, and both together: a Group is a folder in every hierarchy that is mounted and
// may be used. Which file there is in such a folder tells what can be limited, so nothing
// asks for kernel versions. The package starts no processes and does not know what a
// container is.
//
// Whoever wants limits asks Supports first, before anything is made, and then Create: a limit
// that cannot be enforced is an error, ErrUnavailable. Who wants none makes a group just the
// same, to know of the use and of processes that were killed for want of memory, and does
// without where it gets ErrUnavailable.
//
// Start with Create; hierarchy.go finds out where groups may be made, set.go writes the
// limits by the table in knob.go.
package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/diyform/diyform/internal/linux/inotify"
)

// top is the group of all groups that this package makes.
const top = "diyform"

// removeTime is how long the last processes of a group may take to leave it.
const removeTime = 10 * time.Second

// Group is a control group: a folder in each hierarchy where it could be made. Its methods
// may be called at the same time.
type Group struct {
	dirs []string
	host host
}

// Create makes the group id of a stack, or finds it, and sets its limits. Both names may
// have any bytes; that of the stack must be the machine's only one.
//
// ErrUnavailable says that there can be no group here, or none with these limits; the
// message says why and what to do.
func Create(stack, id string, l Limits) (*Group, error) { return thisHost().create(stack, id, l) }

// Open gives the group of a path that Path gave. fs.ErrNotExist says that it is gone.
func Open(path string) (*Group, error) {
	g := &Group{host: thisHost()}
	for dir := range strings.SplitSeq(path, pathSeparator) {
		if _, err := os.Stat(dir); err == nil {
			g.dirs = append(g.dirs, dir)
		}
	}
	if path == "" || len(g.dirs) == 0 {
		return nil, fmt.Errorf("open control group %q: %w", path, fs.ErrNotExist)
	}
	return g, nil
}

// Path gives what Open finds the group by: its folders, with colons between them.
func (g *Group) Path() string { return strings.Join(g.dirs, pathSeparator) }

func (h host) create(stack, id string, l Limits) (*Group, error) {
	if err := h.supports(l); err != nil {
		return nil, err
	}
	hierarchies, err := h.hierarchies()
	if err != nil {
		return nil, err
	}
	g, found := &Group{host: h}, false
	for _, y := range hierarchies {
		if y.base == "" {
			continue
		}
		dir := filepath.Join(y.base, top, fileName(stack), fileName(id))
		made, err := makeFolder(dir)
		if err == nil {
			found = found || !made
			g.dirs = append(g.dirs, dir)
		} else if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
			return nil, errors.Join(fmt.Errorf("make control group: %w", err), g.Remove())
		}
	}
	if len(g.dirs) == 0 {
		return nil, h.noPlace(hierarchies)
	}
	if l.Zero() && !found {
		err = g.enable(l) // a new group has no limits to take away
	} else {
		err = g.Set(l)
	}
	if err != nil {
		return nil, errors.Join(err, g.Remove())
	}
	return g, nil
}

// makeFolder makes a group and the two above it, which another group's removal may take away
// in between. It reports whether the group was not there.
func makeFolder(dir string) (made bool, err error) {
	for range 100 {
		err = os.Mkdir(dir, 0o755)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return err == nil, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		if err = os.MkdirAll(filepath.Dir(dir), 0o755); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, err
}

// Place moves a process into the group, with all its threads. What it starts from then on is
// in the group too; what it has used so far stays on its old group's account. syscall.ESRCH
// says that there is no such process.
func (g *Group) Place(pid int) error {
	for _, dir := range g.dirs {
		err := write(dir, "cgroup.procs", strconv.Itoa(pid))
		if errors.Is(err, fs.ErrPermission) {
			// Moving takes the right to write to the nearest group above both the old and the
			// new one: "Delegation Containment" in cgroup-v2.rst.
			return &unavailable{
				what: "The process cannot be moved into its control group " + dir, err: err,
				reason: "it is in a part of the hierarchy that this user does not own", advice: g.host.delegation(),
			}
		}
		if err != nil {
			return fmt.Errorf("place process %d into control group: %w", pid, err)
		}
	}
	return nil
}

// Kill sends SIGKILL to every process of the group and of those below it, also to such as are
// just being started.
func (g *Group) Kill() error {
	for _, dir := range g.dirs {
		err := write(dir, "cgroup.kill", "1") // Linux 5.14
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("kill control group: %w", err)
		}
	}
	// A process that is forked meanwhile is in the next listing, unless it is too fast: who
	// removes the group calls again.
	for range 100 {
		pids, err := g.processes()
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("kill process %d of control group: %w", pid, err)
			}
		}
	}
	return nil
}

// processes are those of the group itself, in this process's pid namespace.
func (g *Group) processes() ([]int, error) {
	text, err := os.ReadFile(filepath.Join(g.dirs[0], "cgroup.procs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list processes of control group: %w", err)
	}
	var pids []int
	for _, field := range strings.Fields(string(text)) {
		// 0 is a process of a pid namespace that is not below this one.
		if pid, err := strconv.Atoi(field); err == nil && pid != 0 {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Remove removes the group, those that were made below it, and what is above it and was made
// for it, if it was the last. It waits for the last processes to be gone, which must have
// been ended already, for some seconds. A group that is gone is no error.
func (g *Group) Remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), removeTime)
	defer cancel()
	for _, dir := range g.dirs {
		if err := awaitEmpty(ctx, dir); err != nil {
			return g.stillUsed(err)
		}
	}
	for _, dir := range g.dirs {
		if err := removeTree(ctx, dir); err != nil {
			return g.stillUsed(err)
		}
		// Both are other groups' too: EBUSY then.
		stack := filepath.Dir(dir)
		if os.Remove(stack) == nil {
			_ = os.Remove(filepath.Dir(stack))
		}
	}
	return nil
}

func (g *Group) stillUsed(err error) error {
	if pids, _ := g.processes(); len(pids) > 0 {
		return fmt.Errorf("remove control group %s: processes %v are still in it: %w", g.dirs[0], pids, err)
	}
	return fmt.Errorf("remove control group: %w", err)
}

// awaitEmpty waits until a group of version 2 has no process any more. Version 1 has no such
// event.
func awaitEmpty(ctx context.Context, dir string) error {
	if empty, err := isEmpty(dir); empty || err != nil {
		return err // a watch is not made in vain: to close one takes the kernel some milliseconds
	}
	watch, err := inotify.File(filepath.Join(dir, "cgroup.events"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer watch.Close()
	for {
		if empty, err := isEmpty(dir); empty || err != nil {
			return err
		}
		if err := watch.Written(ctx); err != nil {
			return err
		}
	}
}

// isEmpty reports whether a group is known to have no processes, nor those below it. One that
// is gone has none, and of version 1 it is found out by removing it.
func isEmpty(dir string) (bool, error) {
	populated, err := readKey(dir, "cgroup.events", "populated")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return true, nil
	}
	return populated == 0, err
}

// removeTree removes a group and all below it. Only the folders can be removed, not the files
// in them.
func removeTree(ctx context.Context, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENODEV) {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(ctx, filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := syscall.Rmdir(dir)
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist):
			return nil
		case !errors.Is(err, syscall.EBUSY):
			return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
		}
		// A process that ended holds its groups for a moment after its parent has heard.
		select {
		case <-ctx.Done():
			return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
		case <-time.After(pause):
		}
	}
}
