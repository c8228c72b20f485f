package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/diyform/diyform/internal/linux/process"
)

// Usage reads what the group uses and has used. Where the kernel does not count something
// for groups here, it is that of the processes that are in the group now. fs.ErrNotExist says
// that the group is gone.
func (g *Group) Usage() (Usage, error) {
	var u Usage
	_, err := os.Stat(g.dirs[0])
	if err != nil {
		return Usage{}, fmt.Errorf("read usage of control group: %w", err)
	}
	if u.Memory, err = g.memory(); err == nil {
		u.CPU, err = g.cpu()
	}
	if err == nil {
		u.PIDs, err = g.pids()
	}
	if err == nil {
		u.OOMKills, err = g.OOMKills()
	}
	if errors.Is(err, syscall.ENODEV) {
		err = errors.Join(fs.ErrNotExist, err) // removed between open and read
	}
	if err != nil {
		return Usage{}, fmt.Errorf("read usage of control group: %w", err)
	}
	return u, nil
}

// OOMKills counts the processes of the group that the kernel has ended for want of memory,
// since the group was made: of the group, or of the machine. Where it does not count them, it
// is 0.
func (g *Group) OOMKills() (uint64, error) {
	for _, file := range []string{"memory.events", "memory.oom_control"} {
		if dir := g.with(file); dir != "" {
			n, err := readKey(dir, file, "oom_kill")
			return uint64(n), err
		}
	}
	return 0, nil
}

// Throttled counts the periods in which the group had used its CPU limit up.
func (g *Group) Throttled() (int64, error) {
	for _, file := range []string{"cpu.max", "cpu.cfs_quota_us"} {
		if dir := g.with(file); dir != "" {
			return readKey(dir, "cpu.stat", "nr_throttled")
		}
	}
	return 0, nil
}

// memory is what the group uses, without the part of the page cache that has not been used
// for a while: a container that has read a large file once does not need it.
func (g *Group) memory() (int64, error) {
	for _, version := range []struct{ current, inactive string }{
		{"memory.current", "inactive_file"},
		{"memory.usage_in_bytes", "total_inactive_file"},
	} {
		if dir := g.with(version.current); dir != "" {
			used, err := readNumber(dir, version.current)
			if err != nil {
				return 0, err
			}
			inactive, err := readKey(dir, "memory.stat", version.inactive)
			return max(0, used-inactive), err
		}
	}
	return g.sum(process.Memory)
}

func (g *Group) cpu() (int64, error) {
	if dir := g.with("cpuacct.usage"); dir != "" {
		return readNumber(dir, "cpuacct.usage")
	}
	for _, dir := range g.dirs {
		// The one of version 1 has no such key.
		if exists(dir, "cgroup.controllers") {
			µs, err := readKey(dir, "cpu.stat", "usage_usec")
			return µs * 1000, err
		}
	}
	return g.sum(process.CPU)
}

func (g *Group) pids() (int64, error) {
	if dir := g.with("pids.current"); dir != "" {
		return readNumber(dir, "pids.current")
	}
	return g.sum(process.Threads)
}

// sum adds up a value of all processes of the group.
func (g *Group) sum(value func(pid int) (int64, error)) (int64, error) {
	pids, err := g.processes()
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, pid := range pids {
		n, err := value(pid)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended meanwhile
		}
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}
