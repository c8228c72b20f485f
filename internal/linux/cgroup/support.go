package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Supports says whether groups with these limits can be made here, before any is: nil, or
// ErrUnavailable with the limit that cannot be enforced, why, and what to do.
func Supports(l Limits) error { return thisHost().supports(l) }

func (h host) supports(l Limits) error {
	if err := l.Validate(); err != nil {
		return err
	}
	if l.Zero() {
		return nil
	}
	hierarchies, err := h.hierarchies()
	if err != nil {
		return err
	}
	for _, c := range l.controllers() {
		y, err := h.hierarchyOf(c, hierarchies)
		if err != nil {
			return err
		}
		if c == "memory" && l.Swap != nil {
			if err := h.supportsSwap(y, l); err != nil {
				return err
			}
		}
	}
	for _, io := range l.IO {
		if _, err := h.device(io.Device); err != nil {
			return err
		}
	}
	if l.IOWeight != 0 {
		return h.supportsIOWeight(hierarchies)
	}
	return nil
}

// hierarchyOf gives the one that has a controller, or says why it cannot be used.
func (h host) hierarchyOf(controller string, hierarchies []hierarchy) (hierarchy, error) {
	old := controller
	if controller == "io" {
		old = "blkio"
	}
	u := &unavailable{what: fmt.Sprintf("Limits of the %s controller cannot be enforced", controller)}
	for _, y := range hierarchies {
		if slices.Contains(y.controllers, controller) && y.version == 2 || slices.Contains(y.controllers, old) && y.version == 1 {
			if y.base != "" {
				return y, nil
			}
			u.reason, u.advice = fmt.Sprintf("this user may not make groups below %s", y.mount), h.delegation()
			if y.version == 1 && !h.root() {
				u.advice = "Run diyform as root, or on a host that uses version 2 of control groups alone"
			}
			return hierarchy{}, u
		}
		if all, err := readText(y.mount, "cgroup.controllers"); err == nil && slices.Contains(strings.Fields(all), controller) {
			u.reason = fmt.Sprintf("it is not enabled for the groups below %s", y.base)
			u.advice = "Where systemd runs, as root: systemctl edit user@.service, write [Service] and " +
				"Delegate=cpu cpuset io memory pids there, and log in anew"
			if h.root() {
				u.advice = fmt.Sprintf("Enable it in the groups above, as in: echo +%s >%s/cgroup.subtree_control", controller, y.mount)
			}
			return hierarchy{}, u
		}
	}
	u.reason, u.advice = h.whyNoController(old)
	return hierarchy{}, u
}

// whyNoController says why no hierarchy has a controller.
func (h host) whyNoController(name string) (reason, advice string) {
	text, err := readText(h.proc, "cgroups")
	if err != nil {
		return "no mounted hierarchy has it", ""
	}
	for line := range strings.Lines(text) {
		// The name, its hierarchy's number, how many groups, whether it is enabled.
		if f := strings.Fields(line); len(f) == 4 && f[0] == name {
			if f[3] == "0" {
				return "the kernel was booted without it", fmt.Sprintf("Boot it with cgroup_enable=%s", name)
			}
			return "no hierarchy that has it is mounted", "Mount version 2, as root: mount -t cgroup2 none /sys/fs/cgroup"
		}
	}
	return "the kernel was built without it", "Use another kernel, or leave the limit out"
}

// supportsSwap looks whether swap is counted. Version 2 tells only in groups below the root.
func (h host) supportsSwap(y hierarchy, l Limits) error {
	if y.version == 1 {
		return swapV1(y.base, l)
	}
	candidates, err := filepath.Glob(filepath.Join(escapeGlob(y.base), "*"))
	if err != nil {
		return fmt.Errorf("look for swap accounting: %w", err)
	}
	for _, dir := range append([]string{y.own, y.base}, candidates...) {
		if dir != "" && exists(dir, "memory.current") {
			if exists(dir, "memory.swap.max") {
				return nil
			}
			return noSwapAccount()
		}
	}
	return nil // Set will see
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// supportsIOWeight looks for a disk whose scheduler has weights: without one the kernel takes
// them and does nothing.
func (h host) supportsIOWeight(hierarchies []hierarchy) error {
	schedulers, err := filepath.Glob(filepath.Join(h.sys, "block/*/queue/scheduler"))
	if err != nil {
		return fmt.Errorf("look for disk schedulers: %w", err)
	}
	for _, file := range schedulers {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), "[bfq]") {
			return nil
		}
	}
	for _, y := range hierarchies {
		// A line a device: "8:0 enable=1 ctrl=auto ...".
		if text, err := readText(y.mount, "io.cost.qos"); err == nil && strings.Contains(text, "enable=1") {
			return nil
		}
	}
	return &unavailable{
		what:   `The limit "io_weight" cannot be enforced`,
		reason: "no disk has a scheduler with weights",
		advice: "As root: echo bfq >/sys/block/DISK/queue/scheduler, or enable the cost model of version 2: " +
			`echo "MAJOR:MINOR enable=1" >/sys/fs/cgroup/io.cost.qos`,
	}
}
