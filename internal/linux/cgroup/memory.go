package cgroup

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"syscall"
)

// setMemory sets the limits of memory and swap.
func (g *Group) setMemory(l Limits) error {
	if dir := g.with("memory.max"); dir != "" {
		return setMemoryV2(dir, l)
	}
	if dir := g.with("memory.limit_in_bytes"); dir != "" {
		return setMemoryV1(dir, l)
	}
	if l.Memory != 0 || l.Swap != nil {
		return missing("memory", "memory")
	}
	return nil
}

func setMemoryV2(dir string, l Limits) error {
	// memory.oom.group stays 0, the kernel's default: one process is killed, not all. Whoever
	// started it learns of it, a shell that runs one greedy command goes on.
	memory, swap := "max", "max"
	if l.Memory != 0 {
		memory = strconv.FormatInt(l.Memory, 10)
	}
	if l.Swap != nil {
		swap = strconv.FormatInt(*l.Swap, 10)
	}
	if exists(dir, "memory.swap.max") {
		s := setting{"memory.swap.max", swap}
		if err := write(dir, s.file, s.value); err != nil {
			return refused("swap", dir, s, err)
		}
	} else if l.Swap != nil {
		return noSwapAccount()
	}
	s := setting{"memory.max", memory}
	if err := write(dir, s.file, s.value); err != nil {
		return refused("memory", dir, s, err)
	}
	return nil
}

// The files of version 1.
const (
	limitFile = "memory.limit_in_bytes"
	totalFile = "memory.memsw.limit_in_bytes" // of memory and swap together
)

// setMemoryV1 writes the limit and that of the total in the order that keeps the total the
// larger one all the time, without which the kernel says EINVAL.
func setMemoryV1(dir string, l Limits) error {
	memory, total := int64(math.MaxInt64), int64(math.MaxInt64)
	if l.Memory != 0 {
		memory = l.Memory
	}
	if l.Swap != nil {
		if err := swapV1(dir, l); err != nil {
			return err
		}
		total = l.Memory + *l.Swap
	}
	writes := []setting{{limitFile, orUnlimited(memory)}}
	if exists(dir, totalFile) {
		now, err := readNumber(dir, limitFile)
		if err != nil {
			return fmt.Errorf("read limit: %w", err)
		}
		writes = append(writes, setting{totalFile, orUnlimited(total)})
		if memory > now {
			writes[0], writes[1] = writes[1], writes[0]
		}
	}
	for _, s := range writes {
		err := write(dir, s.file, s.value)
		if errors.Is(err, syscall.EBUSY) {
			used, _ := readNumber(dir, "memory.usage_in_bytes")
			return fmt.Errorf("set limit %q to %s bytes: the processes use %d bytes, and the kernel cannot free enough of them; "+
				"the limit stays as it was: %w", "memory", s.value, used, err)
		}
		if err != nil {
			return refused("memory", dir, s, err)
		}
	}
	return nil
}

// swapV1 says why there can be no limit of swap, if so.
func swapV1(dir string, l Limits) error {
	if !exists(dir, totalFile) {
		return noSwapAccount()
	}
	if l.Memory == 0 {
		return &unavailable{
			what:   `The limit "swap" cannot be enforced alone`,
			reason: "version 1 of control groups limits memory and swap together",
			advice: `Set "memory" too`,
		}
	}
	return nil
}

func noSwapAccount() error {
	return &unavailable{
		what:   `The limit "swap" cannot be enforced`,
		reason: "the kernel does not count the swap space of groups",
		advice: `Boot it with swapaccount=1, or leave "swap" out`,
	}
}

func orUnlimited(n int64) string {
	if n == math.MaxInt64 {
		return "-1"
	}
	return strconv.FormatInt(n, 10)
}
