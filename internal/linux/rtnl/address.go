package rtnl

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Forever is a lifetime without end.
const Forever = ^uint32(0)

// Address is an IP address of a link.
type Address struct {
	Index     int          `json:"-"` // the link's
	Prefix    netip.Prefix `json:"prefix"`
	Peer      netip.Addr   `json:"peer,omitzero"` // the other end of a point-to-point address; Prefix's length is then the peer's
	Broadcast netip.Addr   `json:"broadcast,omitzero"`
	Label     string       `json:"label,omitempty"`
	Flags     uint32       `json:"flags,omitempty"` // IFA_F_NODAD and so on
	Scope     uint8        `json:"scope,omitempty"` // RT_SCOPE_UNIVERSE is 0
	Protocol  uint8        `json:"protocol,omitempty"`
	Metric    uint32       `json:"metric,omitempty"` // of the prefix's route; 0: the kernel's choice
	// Seconds from now; 0 in a request, and Forever, mean without end.
	Valid     uint32 `json:"valid,omitempty"`
	Preferred uint32 `json:"preferred,omitempty"`
}

// Secondary reports whether the kernel deletes this IPv4 address together with the
// primary one of its prefix.
func (a *Address) Secondary() bool {
	return a.Prefix.Addr().Is4() && a.Flags&unix.IFA_F_SECONDARY != 0
}

// Lasting reports whether the address stays until somebody takes it away: one that a DHCP
// client or a router's announcement gave has an end.
func (a *Address) Lasting() bool { return a.Flags&unix.IFA_F_PERMANENT != 0 }

// KernelMade reports whether the address is the link-local one that the kernel gives
// each IPv6 link by itself.
func (a *Address) KernelMade() bool {
	if !a.Prefix.Addr().Is6() || a.Scope != unix.RT_SCOPE_LINK {
		return false
	}
	// Linux 5.18 and newer say so. Before, the form that is made of the MAC tells.
	ip := a.Prefix.Addr().As16()
	return a.Protocol == ifaprotKernelLL || a.Protocol == 0 && ip[11] == 0xff && ip[12] == 0xfe
}

// Not in x/sys/unix (linux/if_addr.h).
const (
	ifaProto        = 11
	ifaprotKernelLL = 3
)

// ipBytes gives the 4 or 16 bytes of the address.
func ipBytes(a netip.Addr) []byte { return a.AsSlice() }

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// Addresses lists the addresses, IPv4 and IPv6, of the namespace's links.
func (c *Conn) Addresses(ctx context.Context) ([]Address, error) { return c.AddressesOn(ctx, 0) }

// AddressesOn lists the addresses of one link.
func (c *Conn) AddressesOn(ctx context.Context, index int) ([]Address, error) {
	var e encoder
	e.u32(unix.AF_UNSPEC)
	e.u32(uint32(index))
	return dump(ctx, c, dumpQuery[Address]{
		typ: unix.RTM_GETADDR, answer: unix.RTM_NEWADDR, body: e.b, object: "addresses",
		decode: func(b []byte) (Address, bool, error) {
			var a Address
			known, err := a.decode(b)
			return a, known, err
		},
	})
}

// decode reads a struct ifaddrmsg with its attributes. It reports false for a family
// other than IP.
func (a *Address) decode(b []byte) (bool, error) {
	if len(b) < unix.SizeofIfAddrmsg {
		return false, fmt.Errorf("read address of %d bytes: %w", len(b), errShort)
	}
	if b[0] != unix.AF_INET && b[0] != unix.AF_INET6 {
		return false, nil
	}
	bits := int(b[1])
	a.Flags, a.Scope = uint32(b[2]), b[3]
	a.Index = int(int32(binary.NativeEndian.Uint32(b[4:])))
	var local, address netip.Addr
	err := walkAttrs(b[unix.SizeofIfAddrmsg:], func(typ uint16, v []byte) error {
		switch typ {
		case unix.IFA_LOCAL:
			return setIP(&local, v)
		case unix.IFA_ADDRESS:
			return setIP(&address, v)
		}
		return a.decodeAttr(typ, v)
	})
	if err != nil {
		return false, fmt.Errorf("read address: %w", err)
	}
	// IFA_ADDRESS is the prefix's address: the peer's where there is one.
	if !local.IsValid() {
		local = address
	} else if address.IsValid() && address != local {
		a.Peer = address
	}
	a.Prefix = netip.PrefixFrom(local, bits)
	if !a.Prefix.IsValid() {
		return false, fmt.Errorf("read address: %v/%d is none", local, bits)
	}
	return true, nil
}

func (a *Address) decodeAttr(typ uint16, v []byte) (err error) {
	switch typ {
	case unix.IFA_BROADCAST:
		return setIP(&a.Broadcast, v)
	case unix.IFA_LABEL:
		a.Label = getString(v)
	case unix.IFA_FLAGS:
		a.Flags, err = getU32(v)
	case unix.IFA_RT_PRIORITY:
		a.Metric, err = getU32(v)
	case ifaProto:
		if len(v) > 0 {
			a.Protocol = v[0]
		}
	case unix.IFA_CACHEINFO: // struct ifa_cacheinfo: preferred, valid, two time stamps
		if len(v) < 8 {
			return errShort
		}
		a.Preferred = binary.NativeEndian.Uint32(v)
		a.Valid = binary.NativeEndian.Uint32(v[4:])
	}
	return err
}

func setIP(to *netip.Addr, v []byte) error {
	a, ok := netip.AddrFromSlice(v)
	if !ok {
		return fmt.Errorf("read IP address of %d bytes: %w", len(v), errShort)
	}
	*to = a
	return nil
}

// Flags that the kernel keeps for itself and refuses or ignores from us.
const addressStateFlags = unix.IFA_F_SECONDARY | unix.IFA_F_PERMANENT | unix.IFA_F_TENTATIVE |
	unix.IFA_F_DADFAILED | unix.IFA_F_DEPRECATED | unix.IFA_F_OPTIMISTIC

func (a *Address) request(typ, flags uint16, op string) *Request {
	e := encoder{make([]byte, 0, 128)}
	e.u8(family(a.Prefix.Addr()))
	e.u8(uint8(a.Prefix.Bits()))
	e.u8(0) // IFA_FLAGS has them all
	e.u8(a.Scope)
	e.u32(uint32(a.Index))
	local := ipBytes(a.Prefix.Addr())
	e.attr(unix.IFA_LOCAL, local)
	if a.Peer.IsValid() {
		e.attr(unix.IFA_ADDRESS, ipBytes(a.Peer))
	} else {
		e.attr(unix.IFA_ADDRESS, local)
	}
	if typ == unix.RTM_NEWADDR {
		a.encodeSettings(&e)
	}
	return &Request{typ: typ, flags: flags, body: e.b, op: op, object: a.Prefix.String()}
}

func (a *Address) encodeSettings(e *encoder) {
	if a.Broadcast.IsValid() {
		e.attr(unix.IFA_BROADCAST, ipBytes(a.Broadcast))
	}
	if a.Label != "" {
		e.attrString(unix.IFA_LABEL, a.Label)
	}
	if f := a.Flags &^ addressStateFlags; f != 0 {
		e.attrU32(unix.IFA_FLAGS, f)
	}
	if a.Metric != 0 {
		e.attrU32(unix.IFA_RT_PRIORITY, a.Metric)
	}
	if a.Protocol != 0 {
		e.attrU8(ifaProto, a.Protocol)
	}
	if a.Valid != 0 && a.Valid != Forever {
		var info encoder
		info.u32(a.Preferred)
		info.u32(a.Valid)
		info.u32(0)
		info.u32(0)
		e.attr(unix.IFA_CACHEINFO, info.b)
	}
}

// AddAddress gives an address to the link a.Index. EEXIST says that the link has it.
//
// For IPv6 set IFA_F_NODAD where nobody else can have the address: without it the address
// cannot be used, not even as a source, until duplicate detection ends a second later.
func AddAddress(a Address) *Request {
	return a.request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, "add address")
}

// ReplaceAddress gives an address to the link, or changes the settings of one it has.
func ReplaceAddress(a Address) *Request {
	return a.request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, "set address")
}

// DeleteAddress takes an address away, and with it the routes that have it as source, and
// the IPv4 secondaries of its prefix unless Link.Promote. EADDRNOTAVAIL says that the
// link does not have it.
func DeleteAddress(a Address) *Request {
	return a.request(unix.RTM_DELADDR, 0, "delete address")
}
