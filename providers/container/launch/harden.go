package launch

import (
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

// Limits of open files: the supervisor's own soft limit was raised by the Go runtime, and a
// program that closes every descriptor up to a million of them would take its time.
const (
	softFiles = 1024
	hardFiles = 1 << 19
)

// Drop appends the giving up of all that a container's processes may not do. It is the same
// for a container's first process and for one that enters it later. Only Exec may follow.
//
// The order matters: CAP_SETPCAP is needed for the bounding set and gone with capset;
// no_new_privs is what allows a process without CAP_SYS_ADMIN to install a filter; and the
// filter forbids calls that the steps before it make.
func Drop(p *fork.Program, s Spec) error {
	names := defaultCapabilities
	if s.Network.Join == "" {
		names = append(names[:len(names):len(names)], networkCapabilities...)
	}
	var set []uintptr
	for _, name := range names {
		n, err := capability.Number(name)
		if err != nil {
			return err
		}
		set = append(set, n)
	}
	last, err := capability.Highest()
	if err != nil {
		return err
	}
	code, err := filter()
	if err != nil {
		return err
	}
	// EDQUOT: a user has 200 keys, and a keyring is one. The supervisor has left its
	// user's keyring at its own start, so what is kept then is an empty one.
	p.Optional(fork.NoKeyring, p.NewKeyring)
	p.LimitFiles(softFiles, hardFiles)
	p.CloseOnExec()
	p.DropCapabilities(set, last)
	p.NoNewPrivileges()
	p.Seccomp(code)
	return nil
}
