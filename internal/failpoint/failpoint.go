// Package failpoint lets the crash tests kill this process at an exact place: before and
// after every journal line and every request to the kernel. Off, which it is unless the
// environment asks, a Hit is the load of one bool.
//
// DIYFORM_FAILPOINT=N kills the process with SIGKILL at its Nth hit, counted from 1.
// DIYFORM_FAILPOINT=N:FILE does so once: it makes FILE first, and whoever finds that lives on.
// DIYFORM_FAILPOINT=count:FILE appends each hit's name to FILE and kills nothing.
//
// The environment variable reaches no child: Arm clears it, so that a supervisor started
// by apply does not count along. DIYFORM_SUPERVISOR_FAILPOINT, in the same form, is the
// supervisor's own.
package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

var (
	armed  bool // written by Arm before any goroutine runs
	killAt int64
	once   string // the file that says that it has happened; "" for always
	hits   atomic.Int64

	mu  sync.Mutex
	log *os.File
)

// Arm reads the failpoint from the environment variable. Call it first thing in main.
func Arm(variable string) error {
	spec := os.Getenv(variable)
	if spec == "" {
		return nil
	}
	if err := os.Unsetenv(variable); err != nil {
		return fmt.Errorf("clear %s: %w", variable, err)
	}
	if file, ok := strings.CutPrefix(spec, "count:"); ok {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("open failpoint log: %w", err)
		}
		log, armed = f, true
		return nil
	}
	number, file, limited := strings.Cut(spec, ":")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 || limited && file == "" {
		return fmt.Errorf("%s=%q is neither a number from 1, N:FILE nor count:FILE", variable, spec)
	}
	if _, err := os.Stat(file); limited && err == nil {
		return nil
	}
	killAt, once, armed = n, file, true
	return nil
}

// Hit marks a place where the process may be killed. The name says which:
// "journal.intent.before", "rtnetlink.after".
func Hit(name string) {
	if !armed {
		return
	}
	n := hits.Add(1)
	if log != nil {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(log, n, name)
		return
	}
	if n == killAt {
		if once != "" {
			// What is in the way of a file that nobody can make shows in the test that wants it.
			_ = os.WriteFile(once, []byte(name+"\n"), 0o600)
		}
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way to every thread
	}
}
