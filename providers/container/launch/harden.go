package launch

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/diyform/diyform/internal/linux/capability"
	"github.com/diyform/diyform/internal/linux/fork"
)

// defaultCapabilities are podman's.
var defaultCapabilities = []string{
	"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP",
	"SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

// networkCapabilities let a container configure a network namespace that it owns. In
// another they would be void.
var networkCapabilities = []string{"NET_ADMIN", "NET_RAW"}

const allCapabilities = "ALL"

// Limits of open files: the supervisor's own soft limit was raised by the Go runtime, and a
// program that closes every descriptor up to a million of them would take its time.
const (
	softFiles = 1024
	hardFiles = 1 << 19
)

// capabilities are what a container's processes may have.
type capabilities struct {
	root    fork.Capabilities // of its root
	others  fork.Capabilities // of other users: those that were added
	highest uintptr           // that the kernel knows
}

// has tells by a name with CAP_.
func (c capabilities) has(name string) bool {
	n, err := capability.Number(name)
	return err == nil && c.root&(1<<n) != 0
}

// capabilities gives the default ones, without Drop, with Add: podman's order.
func (s Spec) capabilities() (capabilities, error) {
	highest, err := capability.Highest()
	if err != nil {
		return capabilities{}, err
	}
	c := capabilities{highest: highest}
	names := slices.Clone(defaultCapabilities)
	if s.own(kindNetwork) {
		names = append(names, networkCapabilities...)
	}
	if s.Privileges.Privileged {
		names = []string{allCapabilities}
	}
	if c.root, err = capabilitySet(names, highest); err != nil {
		return capabilities{}, err
	}
	dropped, err := capabilitySet(s.Privileges.Drop, highest)
	if err != nil {
		return capabilities{}, fmt.Errorf("drop capabilities: %w", err)
	}
	added, err := capabilitySet(s.Privileges.Add, highest)
	if err != nil {
		return capabilities{}, fmt.Errorf("add capabilities: %w", err)
	}
	c.root = c.root&^dropped | added
	c.others = added
	return c, nil
}

func capabilitySet(names []string, highest uintptr) (fork.Capabilities, error) {
	var set fork.Capabilities
	for _, name := range names {
		if name == allCapabilities {
			set |= 1<<(highest+1) - 1
			continue
		}
		n, err := capability.Number(name)
		if err != nil {
			return 0, err
		}
		if n > highest {
			return 0, fmt.Errorf("this kernel has no capability %s", name)
		}
		set |= 1 << n
	}
	return set, nil
}

func (s Spec) validatePrivileges() error {
	var errs []error
	for _, name := range append(slices.Clone(s.Privileges.Add), s.Privileges.Drop...) {
		if _, err := capability.Number(name); err != nil && name != allCapabilities {
			known := append(capability.Names(), allCapabilities)
			errs = append(errs, fmt.Errorf("%w%s", err, suggest(strings.ToUpper(strings.TrimPrefix(name, "CAP_")), known)))
		}
	}
	for _, name := range s.Privileges.Add {
		if slices.Contains(s.Privileges.Drop, name) {
			errs = append(errs, fmt.Errorf("capability %s is both added and dropped", name))
		}
	}
	return errors.Join(errs...)
}

// Drop appends the giving up of all that a container's processes may not do, and the becoming
// of the account's user in its working folder. It is the same for a container's first process
// and for one that enters it later. Only Init and Exec may follow.
//
// The order matters: CAP_SETPCAP is needed for the bounding set and gone with the user;
// CAP_SETGID and CAP_SETUID are gone with the capabilities; the folder is entered by who may
// then do so as that user; no_new_privs is what allows a process without CAP_SYS_ADMIN to
// install a filter; and the filter forbids calls that the steps before it make.
func Drop(p *fork.Program, s Spec, workingDir string, setgroups bool) error {
	c, err := s.capabilities()
	if err != nil {
		return err
	}
	filter, err := s.filter(c)
	if err != nil {
		return err
	}
	// EDQUOT: a user has 200 keys, and a keyring is one. The supervisor has left its
	// user's keyring at its own start, so what is kept then is an empty one.
	p.Optional(fork.NoKeyring, p.NewKeyring)
	if !s.limits("nofile") {
		p.LimitFiles(softFiles, hardFiles)
	}
	p.CloseOnExec()
	p.DropCapabilities(c.root, c.highest)
	p.BecomeAccount(setgroups)
	p.SetCapabilities(c.root, c.others)
	p.Undumpable()
	p.Chdir(workingDir)
	p.VerifyInside()
	if s.Privileges.Privileged && filter == nil {
		return nil
	}
	p.NoNewPrivileges()
	if filter != nil {
		p.Seccomp(filter.code, filter.flags)
	}
	return nil
}
