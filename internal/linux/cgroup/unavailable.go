package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
)

// ErrUnavailable says that there can be no group here, or none with such limits. The error
// that matches it says for people why, and what to do.
var ErrUnavailable = errors.New("control groups are not available")

// unavailable is an ErrUnavailable.
type unavailable struct {
	what   string // that cannot be
	reason string
	advice string // what to do, a sentence
	err    error  // of the kernel, or nil
}

func (u *unavailable) Error() string {
	text := u.what + ": " + u.reason
	if u.err != nil {
		text += " (" + u.err.Error() + ")"
	}
	if u.advice != "" {
		text += ". " + u.advice
	}
	return text
}

func (u *unavailable) Is(target error) bool { return target == ErrUnavailable }
func (u *unavailable) Unwrap() error        { return u.err }

// noPlace says why no group can be made in any hierarchy.
func (h host) noPlace(hierarchies []hierarchy) error {
	u := &unavailable{what: "No control group can be made here"}
	var own []string
	for _, y := range hierarchies {
		if y.own != "" {
			own = append(own, y.own)
		}
	}
	switch {
	case len(hierarchies) == 0:
		u.reason = "no control group file system is mounted"
		u.advice = "As root: mount -t cgroup2 none /sys/fs/cgroup"
	case h.root():
		u.reason = "it may not be written below " + hierarchies[0].mount
		u.advice = "In a container, start that with its own, writable control groups; otherwise look at how " +
			hierarchies[0].mount + " is mounted"
	default:
		u.reason = fmt.Sprintf("%s and those above it belong to root", strings.Join(own[:min(1, len(own))], ""))
		u.advice = h.delegation()
	}
	return u
}

// delegation says how an ordinary user gets a part of the hierarchy.
func (h host) delegation() string {
	switch {
	case h.root():
		return "Run diyform where it may write to the control groups"
	case h.hasSystemd():
		return "Run diyform in a part of the hierarchy that systemd gives to this user: " +
			"systemd-run --user --scope -p Delegate=yes diyform apply"
	}
	name := fmt.Sprint(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return fmt.Sprintf("Run diyform as root, or let root make a group for this user (version 2 only): "+
		"mkdir /sys/fs/cgroup/%[1]s; chown %[1]s /sys/fs/cgroup/%[1]s /sys/fs/cgroup/%[1]s/cgroup.{procs,threads,subtree_control}; "+
		"echo PID >/sys/fs/cgroup/%[1]s/cgroup.procs, of the shell that runs diyform", name)
}
