package process

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// limits are the resources of getrlimit(2).
var limits = map[string]int{
	"as": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA,
	"fsize": unix.RLIMIT_FSIZE, "locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK,
	"msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE, "nofile": unix.RLIMIT_NOFILE,
	"nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS, "rtprio": unix.RLIMIT_RTPRIO,
	"rttime": unix.RLIMIT_RTTIME, "sigpending": unix.RLIMIT_SIGPENDING, "stack": unix.RLIMIT_STACK,
}

// LimitNames gives the names of all resource limits, in no order.
func LimitNames() []string {
	var names []string
	for name := range limits {
		names = append(names, name)
	}
	return names
}

// Limit is a limit of getrlimit(2); math.MaxUint64 is none.
type Limit struct{ Soft, Hard uint64 }

// SetLimit changes a resource limit of a process, prlimit(2). The hard one can only be
// lowered without CAP_SYS_RESOURCE on the machine itself.
func SetLimit(pid int, name string, l Limit) error {
	resource, ok := limits[name]
	if !ok {
		return fmt.Errorf("there is no resource limit %q", name)
	}
	var old unix.Rlimit
	if err := unix.Prlimit(pid, resource, nil, &old); err != nil {
		return fmt.Errorf("read limit %s: %w", name, err)
	}
	err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}, nil)
	if errors.Is(err, unix.EPERM) && l.Hard > old.Max {
		return fmt.Errorf("set limit %s to %s: the most that is allowed here is %s, "+
			"and only root of the machine (CAP_SYS_RESOURCE) may have more: %w", name, amount(l.Hard), amount(old.Max), err)
	}
	if err != nil {
		return fmt.Errorf("set limit %s to %s: %w", name, amount(l.Hard), err)
	}
	return nil
}

// RaiseLimit is SetLimit of the hard limit alone, where it is lower than asked for.
func RaiseLimit(pid int, name string, hard uint64) error {
	var old unix.Rlimit
	if err := unix.Prlimit(pid, limits[name], nil, &old); err != nil {
		return fmt.Errorf("read limit %s: %w", name, err)
	}
	if hard <= old.Max {
		return nil
	}
	return SetLimit(pid, name, Limit{Soft: old.Cur, Hard: hard})
}

func amount(n uint64) string {
	if n == math.MaxUint64 {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// SetOOMScoreAdj sets how much sooner than others the kernel kills the process when memory
// is short: proc_pid_oom_score_adj(5). To lower it takes CAP_SYS_RESOURCE.
func SetOOMScoreAdj(pid, value int) error {
	path := fmt.Sprintf("/proc/%d/oom_score_adj", pid)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("set OOM score adjustment: %w", err)
	}
	_, err = f.WriteString(strconv.Itoa(value))
	err = errors.Join(err, f.Close())
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		own, _ := os.ReadFile("/proc/self/oom_score_adj")
		return fmt.Errorf("set OOM score adjustment to %d: to be less likely killed than now (%.*s) "+
			"takes root of the machine (CAP_SYS_RESOURCE): %w", value, max(len(own)-1, 0), own, err)
	}
	if err != nil {
		return fmt.Errorf("set OOM score adjustment to %d: %w", value, err)
	}
	return nil
}
