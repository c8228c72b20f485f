package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/diyform/diyform/internal/linux/cgroup"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// meter reads what containers use: of their control groups, or, where one has none, of the
// processes of its pid namespace.
type meter struct {
	members map[string][]int // see process.ByPIDNamespace; nil: not read yet
}

// read gives nil of a container that ended meanwhile.
func (m *meter) read(s supervisor.Status) *usage {
	u := usage{MemoryLimit: s.Settings.Limits.Memory}
	if s.Cgroup != "" {
		group, err := cgroup.Open(s.Cgroup)
		if err == nil {
			var used cgroup.Usage
			if used, err = group.Usage(); err == nil {
				u.Memory, u.CPU, u.PIDs = used.Memory, seconds(used.CPU), used.PIDs
				return &u
			}
		}
	}
	pids := m.processes(s.PID)
	if len(pids) == 0 {
		return nil
	}
	for _, pid := range pids {
		memory, errMemory := process.Memory(pid)
		cpu, errCPU := process.CPU(pid)
		threads, errThreads := process.Threads(pid)
		if errMemory != nil || errCPU != nil || errThreads != nil {
			continue // it has ended
		}
		u.Memory, u.CPU, u.PIDs = u.Memory+memory, u.CPU+seconds(cpu), u.PIDs+threads
	}
	return &u
}

// processes are those of the pid namespace of a container's first one. A container that
// shares diyform's own is taken for that one alone.
func (m *meter) processes(first int) []int {
	ns, err := process.Namespace(first, "pid")
	if err != nil {
		return nil
	}
	if m.members == nil {
		if m.members, err = process.ByPIDNamespace(); err != nil {
			return nil
		}
	}
	if here, err := process.Namespace(os.Getpid(), "pid"); err != nil || ns == here {
		return []int{first}
	}
	return m.members[ns]
}

func seconds(ns int64) float64 { return time.Duration(ns).Seconds() }

// byteCount writes a number of bytes for people: 12.3M.
func byteCount(n int64) string {
	if n < 1<<10 {
		return strconv.FormatInt(n, 10) + "B"
	}
	value, units := float64(n)/(1<<10), "KMGTPE"
	for value >= 1000 && len(units) > 1 {
		value, units = value/(1<<10), units[1:]
	}
	return fmt.Sprintf("%.1f%c", value, units[0])
}

// processorTime writes seconds of processor time for people: 0.12s, 3m05s.
func processorTime(s float64) string {
	if s < 60 {
		return fmt.Sprintf("%.2fs", s)
	}
	return ago(s)
}

// ago writes a time in seconds by its two largest units: 45s, 3m5s, 2h10m, 12d3h.
func ago(s float64) string {
	d := time.Duration(s * float64(time.Second))
	hours, minutes := int(d.Hours()), int(d.Minutes())
	switch {
	case hours >= 24:
		return fmt.Sprintf("%dd%dh", hours/24, hours%24)
	case hours > 0:
		return fmt.Sprintf("%dh%dm", hours, minutes%60)
	case minutes > 0:
		return fmt.Sprintf("%dm%ds", minutes, int(d.Seconds())%60)
	}
	return fmt.Sprintf("%ds", int(d.Seconds()))
}
