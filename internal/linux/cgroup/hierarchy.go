package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// host is where the kernel's files are and what this process may do there. Tests have their
// own.
type host struct {
	proc, sys, run string
	writable       func(path string) bool
	delegated      func(dir string) bool
	root           func() bool
}

func thisHost() host {
	return host{
		proc: "/proc", sys: "/sys", run: "/run",
		writable:  func(path string) bool { return unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS) == nil },
		delegated: isDelegated,
		root:      func() bool { return os.Geteuid() == 0 },
	}
}

// isDelegated reports whether systemd has given a group away, by Delegate=yes: see
// CGROUP_DELEGATION in its documentation.
func isDelegated(dir string) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		var value [8]byte
		if n, err := unix.Getxattr(dir, name, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// hasSystemd is sd_booted(3).
func (h host) hasSystemd() bool { return exists(h.run, "systemd/system") }

// hierarchy is a tree of groups that is mounted here.
type hierarchy struct {
	version     int
	controllers []string // those of the tree's root that can be used here
	mount       string
	own         string // the folder of the group of this process; "" where the mount does not show it
	base        string // the group below which groups may be made; "" where nowhere
}

// hierarchies finds those that have a controller that limits or counts what a Group does.
// Version 2 comes first.
func (h host) hierarchies() ([]hierarchy, error) {
	f, err := os.Open(filepath.Join(h.proc, "self/mountinfo"))
	if err != nil {
		return nil, fmt.Errorf("find control groups: %w", err)
	}
	defer f.Close()
	mounts, err := mountinfo.GetMountsFromReader(f, mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, fmt.Errorf("find control groups: %w", err)
	}
	own, err := h.ownGroups()
	if err != nil {
		return nil, err
	}
	var list []hierarchy
	seen := map[string]bool{}
	for i, m := range mounts {
		y, key := describe(m)
		if key == "" || seen[key] || covered(m, mounts[i+1:]) {
			continue
		}
		seen[key] = true
		if below, ok := relative(m.Root, own[key]); ok {
			y.own = filepath.Join(y.mount, below)
		}
		y.base = h.base(y)
		if y.version == 2 {
			y.controllers = h.offered(y)
		}
		list = append(list, y)
	}
	slices.SortStableFunc(list, func(a, b hierarchy) int { return b.version - a.version })
	return list, nil
}

// covered reports whether another hierarchy was mounted over this one, whose groups no path
// leads to then: a container in a container sees those of its host in mountinfo like this.
func covered(m *mountinfo.Info, later []*mountinfo.Info) bool {
	return slices.ContainsFunc(later, func(l *mountinfo.Info) bool { return l.Mountpoint == m.Mountpoint })
}

// used are the controllers of version 1 that this package has a use for.
var used = []string{"memory", "cpu", "cpuacct", "pids", "blkio"}

// describe gives a mounted hierarchy and the key of its line in /proc/PID/cgroup; "" is for
// one that is of no use.
func describe(m *mountinfo.Info) (hierarchy, string) {
	y := hierarchy{version: 2, mount: m.Mountpoint}
	if m.FSType == "cgroup2" {
		return y, unifiedKey
	}
	y.version = 1
	for option := range strings.SplitSeq(m.VFSOptions, ",") {
		if slices.Contains(used, option) {
			y.controllers = append(y.controllers, option)
		}
	}
	if len(y.controllers) == 0 {
		return y, ""
	}
	return y, y.controllers[0]
}

// unifiedKey stands for version 2, whose line has no controllers.
const unifiedKey = "unified"

// ownGroups gives the groups of this process, by controller: cgroups(7), /proc/PID/cgroup.
func (h host) ownGroups() (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(h.proc, "self/cgroup"))
	if err != nil {
		return nil, fmt.Errorf("find own control group: %w", err)
	}
	own := map[string]string{}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 {
			return nil, fmt.Errorf("find own control group: line %q", line)
		}
		if fields[1] == "" {
			own[unifiedKey] = fields[2]
			continue
		}
		for controller := range strings.SplitSeq(fields[1], ",") {
			own[controller] = fields[2]
		}
	}
	return own, nil
}

// relative gives a group's path below the one that is mounted. A group that is not below it
// begins with "/..", and so does a mounted one that is above all that this process's cgroup
// namespace shows: cgroup_namespaces(7).
func relative(root, group string) (string, bool) {
	for _, path := range []string{root, group} {
		if path == "" || path == "/.." || strings.HasPrefix(path, "/../") {
			return "", false
		}
	}
	below, err := filepath.Rel(root, group)
	return below, err == nil && below != ".." && !strings.HasPrefix(below, "../")
}

// base gives the group below which groups may be made: the nearest one above this process
// that systemd has given away, whose limits are meant for what is started here, or else the
// highest that this user may change.
func (h host) base(y hierarchy) string {
	var usable []string
	dir := y.own
	if dir == "" {
		dir = y.mount
	}
	for {
		if h.mayUse(y, dir) {
			if h.delegated(dir) {
				return dir
			}
			usable = append(usable, dir)
		}
		if dir == y.mount || dir == "/" {
			break
		}
		dir = filepath.Dir(dir)
	}
	if len(usable) == 0 {
		return ""
	}
	return usable[len(usable)-1]
}

func (h host) mayUse(y hierarchy, dir string) bool {
	return h.writable(dir) && h.writable(filepath.Join(dir, "cgroup.procs")) &&
		(y.version == 1 || h.writable(filepath.Join(dir, "cgroup.subtree_control"))) &&
		!strings.Contains(dir, pathSeparator)
}

// offered gives the controllers of version 2 that groups below the base can have.
func (h host) offered(y hierarchy) []string {
	dir := y.base
	if dir == "" {
		dir = y.mount
	}
	text, err := readText(dir, "cgroup.controllers")
	if err != nil {
		return nil
	}
	return strings.Fields(text)
}
