// Package process reads what /proc tells about a process: proc_pid_stat(5) and the files
// beside it. What it reads may be of another process by the time it
// returns, unless the caller holds the process by a pidfd.
package process

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// StartTime gives when the process began, in clock ticks since boot. With the process id
// and the boot id it tells a process from every other, but for those that began within the
// same hundredth of a second under the same id.
func StartTime(pid int) (uint64, error) {
	ticks, err := statField(pid, 22)
	if err != nil {
		return 0, fmt.Errorf("read start time: %w", err)
	}
	return ticks, nil
}

// Parent gives the process id of the process's parent: 0 where that is in no pid namespace
// that this process sees.
func Parent(pid int) (int, error) {
	parent, err := statField(pid, 4)
	if err != nil {
		return 0, fmt.Errorf("read parent: %w", err)
	}
	return int(parent), nil
}

// statField gives a number of /proc/PID/stat, counted from 1 as proc_pid_stat(5) does, behind
// the second.
func statField(pid, number int) (uint64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field, the command in brackets, may hold spaces and brackets itself.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	at := number - 3
	if len(fields) <= at {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields)+2)
	}
	return strconv.ParseUint(fields[at], 10, 64)
}

// Catches reports whether a signal would reach the process although it is the first of its
// pid namespace: it has a handler, or blocks the signal, as who waits for it by sigwait(3) or
// signalfd(2) does. Others the kernel drops: pid_namespaces(7).
func Catches(pid int, s syscall.Signal) (bool, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false, fmt.Errorf("read caught signals: %w", err)
	}
	var caught uint64
	found := false
	for line := range strings.Lines(string(status)) {
		name, mask, _ := strings.Cut(line, ":")
		if name != "SigCgt" && name != "SigBlk" {
			continue
		}
		bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
		if err != nil {
			return false, fmt.Errorf("read caught signals: %w", err)
		}
		caught, found = caught|bits, true
	}
	if !found {
		return false, fmt.Errorf("read caught signals: /proc/%d/status has none", pid)
	}
	return caught&(1<<(s-1)) != 0, nil
}

// Range is a line of uid_map or gid_map: Count ids from Inside on, which outside are those
// from Outside on. Outside is the user namespace of the reader, or, of one's own
// namespace, the parent.
type Range struct {
	Inside  uint32 `json:"inside"`
	Outside uint32 `json:"outside"`
	Count   uint32 `json:"count"`
}

// UIDMap gives the user ids that are mapped in the process's user namespace:
// user_namespaces(7). "self" is this process.
func UIDMap(pid string) ([]Range, error) { return idMap(pid, "uid_map") }

// GIDMap is UIDMap for group ids.
func GIDMap(pid string) ([]Range, error) { return idMap(pid, "gid_map") }

func idMap(pid, file string) ([]Range, error) {
	text, err := os.ReadFile("/proc/" + pid + "/" + file)
	if err != nil {
		return nil, fmt.Errorf("read id map: %w", err)
	}
	var ranges []Range
	for line := range strings.Lines(string(text)) {
		var r Range
		if _, err := fmt.Sscan(line, &r.Inside, &r.Outside, &r.Count); err != nil {
			return nil, fmt.Errorf("read id map: line %q: %w", line, err)
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

// Namespace gives what names a namespace of a process, as in "net:[4026531840]". The kinds
// are the names of the files in /proc/PID/ns.
func Namespace(pid int, kind string) (string, error) {
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	if err != nil {
		return "", fmt.Errorf("read namespace: %w", err)
	}
	return link, nil
}

// CloseOnExec keeps every descriptor of this process from 3 on from being inherited by the
// programs that it starts: close_range(2). What os/exec hands down, it hands down anyway.
func CloseOnExec() error {
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("mark files close-on-exec: %w", err)
	}
	return nil
}

// SignalName gives the name of a signal by its number, "SIGTERM".
func SignalName(number int) string {
	if name := unix.SignalName(syscall.Signal(number)); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", number)
}

// Signal gives the number of a signal by its name, "SIGTERM" or "term", or 0.
func Signal(name string) int {
	name = strings.ToUpper(name)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	return int(unix.SignalNum(name))
}
