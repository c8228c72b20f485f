package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 wherever Go runs.
const tick = int64(time.Second / 100)

// CPU gives the processor time that a process has used, in nanoseconds, without that of its
// children: utime and stime of proc_pid_stat(5).
func CPU(pid int) (int64, error) {
	user, err := statField(pid, 14)
	if err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	system, err := statField(pid, 15)
	if err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	return int64(user+system) * tick, nil
}

// Threads counts the threads of a process.
func Threads(pid int) (int64, error) {
	n, err := statField(pid, 20)
	if err != nil {
		return 0, fmt.Errorf("count threads: %w", err)
	}
	return int64(n), nil
}

// Memory gives the memory of a process that no file backs, in bytes: RssAnon and RssShmem of
// proc_pid_status(5). What processes share counts for each of them.
func Memory(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read memory use: %w", err)
	}
	var sum int64
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if name != "RssAnon" && name != "RssShmem" {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read memory use: %w", err)
		}
		sum += kilobytes << 10
	}
	return sum, nil
}
