package world

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"

	"github.com/diyform/diyform/internal/linux/machine"
)

const (
	cgroupFolder = "/sys/fs/cgroup"

	// The group of version 2 in which the world's command begins, as systemd names its
	// own: a group other than the root may not have processes and controllers both.
	commandGroup = "init.scope"

	// How long the last processes of a world may take to leave its groups.
	emptyDeadline = 10 * time.Second
)

// A subtree is the world's part of a hierarchy of control groups. Inside it is mounted
// as the hierarchy's root.
type subtree struct {
	Mount   string // where the hierarchy is mounted
	Dir     string // the group that the world has for its root
	Version int    // of the hierarchy, 1 or 2
	Home    string // the group that the maker is in

	// lock is Dir, open and locked. The kernel unlocks it however its holder ends: it then
	// is a remainder, which the next world removes.
	lock *os.File
}

// makeSubtrees makes a group in each hierarchy in which the user may, and removes those
// that killed worlds of the kind have left.
func (k *Kind) makeSubtrees() ([]subtree, error) {
	mounts, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var made []subtree
	for _, m := range mounts {
		if m.base == "" {
			continue
		}
		if err := k.sweep(m.base); err != nil {
			return nil, errors.Join(err, removeSubtrees(made))
		}
		s, err := m.makeSubtree(k.groupPrefix())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("make control group below %s: %w", m.base, err), removeSubtrees(made))
		}
		made = append(made, s)
	}
	return made, nil
}

func (k *Kind) groupPrefix() string { return k.Name + "-" }

func (h hierarchy) makeSubtree(prefix string) (subtree, error) {
	if h.version == 2 {
		enableControllers(h.base)
	}
	for {
		dir, err := os.MkdirTemp(h.base, prefix)
		if err != nil {
			return subtree{}, err
		}
		lock, err := lockGroup(dir)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EWOULDBLOCK) {
			continue // a sweep came in between, and took it for a remainder
		}
		if err != nil {
			return subtree{}, errors.Join(err, os.Remove(dir))
		}
		s := subtree{Mount: h.mount, Dir: dir, Version: h.version, Home: h.own, lock: lock}
		if err := s.prepare(h.base); err != nil {
			return subtree{}, errors.Join(err, removeSubtrees([]subtree{s}))
		}
		return s, nil
	}
}

// prepare makes the group one in which processes can be. In version 1 a new group has no
// processors and no memory nodes: cpuset(7).
func (s subtree) prepare(base string) error {
	if err := os.Chmod(s.Dir, 0o755); err != nil {
		return err
	}
	if s.Version == 2 {
		return nil
	}
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(base, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(s.Dir, name), value, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// limiting are the controllers of version 2 that limit what processes use. The group above a
// world may be the machine's root, where nothing is to be changed without need.
var limiting = []string{"cpu", "io", "memory", "pids"}

// enableControllers gives the groups below one what the kernel lets them have. It refuses
// where the group itself has processes: the world has to do without then.
func enableControllers(dir string) {
	offered, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	for _, controller := range strings.Fields(string(offered)) {
		if !slices.Contains(limiting, controller) {
			continue
		}
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0)
	}
}

// lockGroup fails with fs.ErrNotExist if the group is gone, with EWOULDBLOCK if it is in use.
func lockGroup(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := os.Stat(dir); err != nil { // removed between the opening and the locking
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// place moves a process, with what it will start, into the groups.
func place(pid int, subtrees []subtree) error {
	for _, s := range subtrees {
		if err := os.WriteFile(filepath.Join(s.Dir, "cgroup.procs"), fmt.Append(nil, pid), 0); err != nil {
			return fmt.Errorf("place process in control group: %w", err)
		}
	}
	return nil
}

// enterCommandGroups moves this process to where the command is to begin. The groups are
// mounted already, and this is process 0 to the one that writes.
func enterCommandGroups(subtrees []subtree) error {
	for _, s := range subtrees {
		if s.Version != 2 {
			continue
		}
		dir := filepath.Join(s.Mount, commandGroup)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("make group of the command: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0); err != nil {
			return fmt.Errorf("enter group of the command: %w", err)
		}
	}
	return nil
}

// An exit is how init leaves a control group that nobody but it is left to remove.
type exit struct {
	above *os.File // the folder that the group is in
	procs *os.File // cgroup.procs of the group of whoever made the world
	name  string   // of the group
}

// openExits opens, while it can be reached, what init needs to leave its groups: two files for
// each. What counts when it writes is the cgroup namespace in which they were opened.
func openExits(groups []subtree) ([]*os.File, error) {
	var files []*os.File
	for _, g := range groups {
		above, err := os.Open(filepath.Dir(g.Dir))
		if err != nil {
			return files, fmt.Errorf("open control group: %w", err)
		}
		// Not of the group above: one with controllers may have no processes.
		procs, err := os.OpenFile(filepath.Join(g.Home, "cgroup.procs"), os.O_WRONLY, 0)
		files = append(files, above)
		if err != nil {
			return files, fmt.Errorf("open control group: %w", err)
		}
		files = append(files, procs)
	}
	return files, nil
}

// leave ends everybody else in the world and removes its groups, which whoever made it would
// have done.
func leave(exits []exit) error {
	if len(exits) == 0 {
		return nil
	}
	err := machine.EndOthers()
	for _, e := range exits {
		if _, moved := e.procs.WriteString("0"); moved != nil {
			err = errors.Join(err, moved)
			continue
		}
		err = errors.Join(err, removeGroup(fmt.Sprintf("/proc/self/fd/%d/%s", e.above.Fd(), e.name)))
	}
	return err
}

// removeSubtrees removes the groups with all that was made in them. Their processes must
// have been ended.
func removeSubtrees(subtrees []subtree) error {
	var failed error
	deadline := time.Now().Add(emptyDeadline)
	for _, s := range subtrees {
		err := removeGroup(s.Dir)
		// A process that ended holds its groups for a moment after its parent has heard.
		for pause := time.Millisecond; errors.Is(err, syscall.EBUSY) && time.Now().Before(deadline); pause *= 2 {
			<-time.After(pause)
			err = removeGroup(s.Dir)
		}
		failed = errors.Join(failed, err, s.lock.Close())
	}
	return failed
}

// removeGroup removes a group and those below it. The kernel's files in it go along.
func removeGroup(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		if entry.IsDir() {
			err = errors.Join(err, removeGroup(filepath.Join(dir, entry.Name())))
		}
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "remove control group", Path: dir, Err: err}
	}
	return nil
}

// sweep removes what worlds that were killed have left. What cannot be removed yet, the
// next one will.
func (k *Kind) sweep(base string) error {
	entries, err := os.ReadDir(base)
	if err != nil {
		return fmt.Errorf("look for remainders of killed processes: %w", err)
	}
	for _, entry := range entries {
		if !entry.IsDir() || !strings.HasPrefix(entry.Name(), k.groupPrefix()) {
			continue
		}
		dir := filepath.Join(base, entry.Name())
		lock, err := lockGroup(dir)
		if err != nil {
			continue // in use, gone, or another user's
		}
		_ = removeGroup(dir)
		lock.Close()
	}
	return nil
}

// A hierarchy is a tree of control groups that is mounted below cgroupFolder.
type hierarchy struct {
	mount   string
	version int
	own     string // the group of this process
	base    string // the highest group on the way to this process's that the user may change, or ""
}

func hierarchies() ([]hierarchy, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, fmt.Errorf("find control groups: %w", err)
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("find own control group: %w", err)
	}
	var list []hierarchy
	seen := map[int]bool{}
	for _, m := range mounts {
		// One that is mounted twice is one hierarchy all the same. In a world, mountinfo has
		// also what is covered: that is above all groups that there are for the world.
		if !strings.HasPrefix(m.Mountpoint+"/", cgroupFolder+"/") || strings.HasPrefix(m.Root, "/..") || seen[m.Minor] {
			continue
		}
		seen[m.Minor] = true
		h := hierarchy{mount: m.Mountpoint, version: 1}
		if m.FSType == "cgroup2" {
			h.version = 2
		}
		h.own = filepath.Join(m.Mountpoint, ownGroup(string(own), m))
		h.base = highestWritable(m.Mountpoint, h.own)
		list = append(list, h)
	}
	return list, nil
}

// ownGroup finds, in the text of /proc/PID/cgroup, the group in a mounted hierarchy, as a
// path below the mount: "/" also for a group that the mount does not show.
func ownGroup(text string, m *mountinfo.Info) string {
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		// The controllers are among the file system's options; version 2 has none.
		controller, _, _ := strings.Cut(fields[1], ",")
		if controller == "" && m.FSType != "cgroup2" ||
			controller != "" && !slices.Contains(strings.Split(m.VFSOptions, ","), controller) {
			continue
		}
		below, err := filepath.Rel(m.Root, fields[2])
		if err == nil && below != ".." && !strings.HasPrefix(below, "../") {
			return below
		}
	}
	return "/"
}

// highestWritable gives the highest group from top down to own that the user may change.
func highestWritable(top, own string) string {
	found := ""
	for dir := own; ; dir = filepath.Dir(dir) {
		if machine.Writable(dir) && machine.Writable(filepath.Join(dir, "cgroup.procs")) {
			found = dir
		}
		if dir == top || dir == "/" {
			return found
		}
	}
}
