package fork

import (
	"golang.org/x/sys/unix"
)

// Capabilities are what a process may have: bit n is capability n.
type Capabilities uint64

// DropCapabilities leaves only some capabilities in the bounding set; last is the highest
// that the kernel knows. It takes CAP_SETPCAP, which those of SetCapabilities may lack.
func (p *Program) DropCapabilities(keep Capabilities, last uintptr) {
	for c := uintptr(0); c <= last; c++ {
		if keep&(1<<c) == 0 {
			p.call("drop capability from the bounding set", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		}
	}
}

// SetCapabilities leaves the account root's capabilities where it is root, and those of
// another user otherwise: these are ambient, so that programs get them: capabilities(7).
func (p *Program) SetCapabilities(root, others Capabilities) {
	p.call("clear ambient capabilities", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	// First of all for root, who has them all; then for others, who have no more than that.
	p.capset(root|others, 0)
	p.provided(ordinary, func() {
		p.capset(others, others)
		for c := range uintptr(64) {
			if others&(1<<c) != 0 {
				p.call("raise ambient capability", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, c, 0, 0)
			}
		}
	})
}

func (p *Program) capset(effective, inheritable Capabilities) {
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := new([2]unix.CapUserData)
	for i := range data {
		shift := 32 * i
		data[i].Permitted = uint32(effective >> shift)
		data[i].Effective = uint32(effective >> shift)
		data[i].Inheritable = uint32(inheritable >> shift)
	}
	p.call("set capabilities", unix.SYS_CAPSET, address(p, header), address(p, data))
}

// SetHostname names the UTS namespace.
func (p *Program) SetHostname(name string) {
	p.call("set host name", unix.SYS_SETHOSTNAME, p.str(name), uintptr(len(name)))
}

// SetDomain sets the NIS domain name of the UTS namespace: setdomainname(2).
func (p *Program) SetDomain(name string) {
	p.call("set domain name", unix.SYS_SETDOMAINNAME, p.str(name), uintptr(len(name)))
}

// Unshare enters new namespaces of these kinds, not of PID and Time: unshare(2).
func (p *Program) Unshare(ns Namespaces) {
	p.call("unshare namespaces", unix.SYS_UNSHARE, uintptr(ns))
}

// Socket opens a socket that is connected later, by who it is sent to.
func (p *Program) Socket(family, kind, protocol int) FD {
	return p.opens("open socket", unix.SYS_SOCKET, uintptr(family), uintptr(kind|unix.SOCK_CLOEXEC), uintptr(protocol))
}
