package cgroup

import (
	"errors"
	"fmt"
)

// Limits are what the processes of a group may use together. The zero value of each field
// leaves it unlimited, or at the kernel's default.
type Limits struct {
	Memory    int64   `json:"memory,omitempty"`     // bytes
	Swap      *int64  `json:"swap,omitempty"`       // bytes, besides Memory; nil: the kernel's default
	CPUs      float64 `json:"cpus,omitempty"`       // of one processor's time: 1.5
	CPUWeight int     `json:"cpu_weight,omitempty"` // 1 to 10000, 100 is the default: cpu.weight
	PIDs      int64   `json:"pids,omitempty"`       // processes and threads
	IOWeight  int     `json:"io_weight,omitempty"`  // 1 to 10000, 100 is the default: io.weight
	IO        []IO    `json:"io,omitempty"`
}

// IO limits the use of one block device. Version 1 does not count what is written to the page
// cache and from there to the device later.
type IO struct {
	Device    string `json:"device"` // a path: of the device itself, or of a file or folder on it
	ReadBPS   int64  `json:"read_bps,omitempty"`
	WriteBPS  int64  `json:"write_bps,omitempty"`
	ReadIOPS  int64  `json:"read_iops,omitempty"`
	WriteIOPS int64  `json:"write_iops,omitempty"`
}

// Usage is what a group has used so far, or uses now.
type Usage struct {
	Memory   int64  `json:"memory"`    // bytes, without the page cache that can be dropped at once
	CPU      int64  `json:"cpu"`       // nanoseconds of processor time
	PIDs     int64  `json:"pids"`      // processes and threads
	OOMKills uint64 `json:"oom_kills"` // processes that the kernel ended for want of memory
}

// Zero reports whether nothing is limited.
func (l Limits) Zero() bool { return len(l.controllers()) == 0 }

// The smallest limits that the kernel takes.
const (
	minCPUs   = 0.01 // min_cfs_quota_period in kernel/sched/core.c: a millisecond of the period
	maxCPUs   = 1 << 16
	maxWeight = 10000
)

// Validate tells what cannot be meant. Errors name the limits as users call them.
func (l Limits) Validate() error {
	var errs []error
	wrong := func(limit string, value any, must string) {
		errs = append(errs, fmt.Errorf("limit %q is %v and must be %s", limit, value, must))
	}
	if l.Memory < 0 {
		wrong("memory", l.Memory, "positive")
	}
	if l.Swap != nil && *l.Swap < 0 {
		wrong("swap", *l.Swap, "0 or more")
	}
	if l.CPUs != 0 && !(l.CPUs >= minCPUs && l.CPUs <= maxCPUs) {
		wrong("cpus", l.CPUs, fmt.Sprint("at least ", minCPUs))
	}
	if l.PIDs < 0 {
		wrong("pids", l.PIDs, "positive")
	}
	for limit, weight := range map[string]int{"cpu_weight": l.CPUWeight, "io_weight": l.IOWeight} {
		if weight < 0 || weight > maxWeight {
			wrong(limit, weight, fmt.Sprint("from 1 to ", maxWeight))
		}
	}
	for _, io := range l.IO {
		if io.Device == "" || min(io.ReadBPS, io.WriteBPS, io.ReadIOPS, io.WriteIOPS) < 0 {
			wrong("io", fmt.Sprintf("%+v", io), "of a device, and positive")
		}
	}
	return errors.Join(errs...)
}

// controllers are those that the limits need, as version 2 calls them.
func (l Limits) controllers() []string {
	var list []string
	if l.Memory != 0 || l.Swap != nil {
		list = append(list, "memory")
	}
	if l.CPUs != 0 || l.CPUWeight != 0 {
		list = append(list, "cpu")
	}
	if l.PIDs != 0 {
		list = append(list, "pids")
	}
	if l.IOWeight != 0 || len(l.IO) > 0 {
		list = append(list, "io")
	}
	return list
}
