package rtnl

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Route is a route as the kernel describes it, or as it is wanted.
type Route struct {
	Destination netip.Prefix // the default route is 0.0.0.0/0 or ::/0
	Gateway     netip.Addr   // of either family; not valid: directly on the link
	Source      netip.Addr   // the preferred one
	Index       int          // the link's; 0 for a route that names none (blackhole, multipath)
	Table       uint32       // RT_TABLE_MAIN is 254
	Metric      uint32       // IPv6: 0 in a request becomes 1024
	Protocol    uint8        // who made it: RTPROT_KERNEL, RTPROT_STATIC, …
	Scope       uint8
	Type        uint8  // RTN_UNICAST is 1
	Flags       uint32 // RTNH_F_ONLINK and so on
	MTU         uint32 // 0: the link's

	// Raw is struct rtmsg and the attributes, as the kernel gave them: what RestoreRoute
	// needs to put back what this type has no field for, such as several next hops.
	Raw []byte
}

// Routes lists the routes of all tables, IPv4 and IPv6, but for those that the kernel
// keeps for the addresses themselves (types local, broadcast, anycast, multicast).
func (c *Conn) Routes(ctx context.Context) ([]Route, error) {
	return dump(ctx, c, dumpQuery[Route]{
		typ: unix.RTM_GETROUTE, answer: unix.RTM_NEWROUTE, body: make([]byte, unix.SizeofRtMsg), object: "routes",
		decode: func(b []byte) (Route, bool, error) {
			if !isConfigured(b) {
				return Route{}, false, nil
			}
			var r Route
			err := r.decode(b)
			return r, true, err
		},
	})
}

// GetRoute asks how packets to an address would go and puts that into out: Type RTN_LOCAL
// says that the address is the namespace's own. ENETUNREACH says that there is no route.
func GetRoute(to netip.Addr, out *Route) *Request {
	e := encoder{make([]byte, 0, 64)}
	e.u8(family(to))
	e.u8(uint8(to.BitLen()))
	e.b = append(e.b, make([]byte, unix.SizeofRtMsg-2)...)
	e.attr(unix.RTA_DST, ipBytes(to))
	return &Request{
		typ: unix.RTM_GETROUTE, body: e.b, op: "look up route to", object: to.String(),
		reply: func(b []byte) error {
			var r Route
			if err := r.decode(b); err != nil {
				return err
			}
			*out = r
			return nil
		},
	}
}

// Places in struct rtmsg (linux/rtnetlink.h).
const (
	rtmFamily   = 0
	rtmDstLen   = 1
	rtmTOS      = 3
	rtmTable    = 4
	rtmProtocol = 5
	rtmScope    = 6
	rtmType     = 7
	rtmFlags    = 8
)

func isConfigured(b []byte) bool {
	if len(b) < unix.SizeofRtMsg {
		return true // decode says what is wrong
	}
	if b[rtmFamily] != unix.AF_INET && b[rtmFamily] != unix.AF_INET6 {
		return false
	}
	switch b[rtmType] {
	case unix.RTN_LOCAL, unix.RTN_BROADCAST, unix.RTN_ANYCAST, unix.RTN_MULTICAST:
		return false
	}
	return binary.NativeEndian.Uint32(b[rtmFlags:])&unix.RTM_F_CLONED == 0
}

// decode reads a struct rtmsg with its attributes.
func (r *Route) decode(b []byte) error {
	if len(b) < unix.SizeofRtMsg {
		return fmt.Errorf("read route of %d bytes: %w", len(b), errShort)
	}
	r.Table, r.Protocol, r.Scope, r.Type = uint32(b[rtmTable]), b[rtmProtocol], b[rtmScope], b[rtmType]
	r.Flags = binary.NativeEndian.Uint32(b[rtmFlags:])
	r.Raw = bytes.Clone(b)
	dst := netip.IPv4Unspecified()
	if b[rtmFamily] == unix.AF_INET6 {
		dst = netip.IPv6Unspecified()
	}
	err := walkAttrs(b[unix.SizeofRtMsg:], func(typ uint16, v []byte) error {
		if typ == unix.RTA_DST {
			return setIP(&dst, v)
		}
		return r.decodeAttr(typ, v)
	})
	if err != nil {
		return fmt.Errorf("read route: %w", err)
	}
	r.Destination = netip.PrefixFrom(dst, int(b[rtmDstLen]))
	if !r.Destination.IsValid() {
		return fmt.Errorf("read route: %v/%d is no prefix", dst, b[rtmDstLen])
	}
	return nil
}

func (r *Route) decodeAttr(typ uint16, v []byte) (err error) {
	switch typ {
	case unix.RTA_GATEWAY:
		return setIP(&r.Gateway, v)
	case unix.RTA_VIA: // struct rtvia: a gateway of the other family
		if len(v) < 2 {
			return errShort
		}
		return setIP(&r.Gateway, v[2:])
	case unix.RTA_PREFSRC:
		return setIP(&r.Source, v)
	case unix.RTA_OIF:
		return setInt(&r.Index, v)
	case unix.RTA_TABLE:
		r.Table, err = getU32(v)
	case unix.RTA_PRIORITY:
		r.Metric, err = getU32(v)
	case unix.RTA_METRICS:
		return walkAttrs(v, func(typ uint16, v []byte) (err error) {
			if typ == unix.RTAX_MTU {
				r.MTU, err = getU32(v)
			}
			return err
		})
	}
	return err
}

func (r *Route) request(typ, flags uint16, op string) *Request {
	e := encoder{make([]byte, 0, 128)}
	e.u8(family(r.Destination.Addr()))
	e.u8(uint8(r.Destination.Bits()))
	e.u32(0)                      // source length, TOS, table (RTA_TABLE has it), and
	e.b[rtmProtocol] = r.Protocol // the protocol
	e.u8(r.Scope)
	e.u8(r.Type)
	e.u32(r.Flags & routeRequestFlags)
	if r.Destination.Bits() > 0 {
		e.attr(unix.RTA_DST, ipBytes(r.Destination.Masked().Addr()))
	}
	if r.Gateway.IsValid() {
		r.encodeGateway(&e)
	}
	if r.Source.IsValid() {
		e.attr(unix.RTA_PREFSRC, ipBytes(r.Source))
	}
	if r.Index != 0 {
		e.attrU32(unix.RTA_OIF, uint32(r.Index))
	}
	e.attrU32(unix.RTA_TABLE, r.Table)
	if r.Metric != 0 {
		e.attrU32(unix.RTA_PRIORITY, r.Metric)
	}
	if r.MTU != 0 {
		at := e.begin(unix.RTA_METRICS)
		e.attrU32(unix.RTAX_MTU, r.MTU)
		e.end(at)
	}
	return &Request{typ: typ, flags: flags, body: e.b, op: op, object: r.Destination.String()}
}

func (r *Route) encodeGateway(e *encoder) {
	gw := ipBytes(r.Gateway)
	if family(r.Gateway) == family(r.Destination.Addr()) {
		e.attr(unix.RTA_GATEWAY, gw)
		return
	}
	via := encoder{}
	via.u16(uint16(family(r.Gateway)))
	via.b = append(via.b, gw...)
	e.attr(unix.RTA_VIA, via.b)
}

// withDefaults fills in what a wanted route may leave out. An IPv4 route without gateway
// has link scope, as ip(8) gives it: with universe scope no gateway could be reached by it.
func (r Route) withDefaults() Route {
	if r.Table == 0 {
		r.Table = unix.RT_TABLE_MAIN
	}
	if r.Type == 0 {
		r.Type = unix.RTN_UNICAST
	}
	if r.Scope == 0 && r.Type == unix.RTN_UNICAST && !r.Gateway.IsValid() && r.Destination.Addr().Is4() {
		r.Scope = unix.RT_SCOPE_LINK
	}
	return r
}

// AddRoute adds a route. EEXIST says that there is one with this destination, table and
// metric; ENETUNREACH that the gateway is not on a connected network.
//
// Table, Type and Scope default to main, unicast, and link or universe.
func AddRoute(r Route) *Request {
	r = r.withDefaults()
	return r.request(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, "add route to")
}

// ReplaceRoute puts a route in the place of one with this destination, table and metric,
// whoever made that, without a moment between them. ENOENT says that there is none.
func ReplaceRoute(r Route) *Request {
	r = r.withDefaults()
	return r.request(unix.RTM_NEWROUTE, unix.NLM_F_REPLACE, "replace route to")
}

// DeleteRoute deletes the first route that has all that r names; the zero Protocol,
// Metric, Gateway and so on match any. ESRCH says that there is none.
func DeleteRoute(r Route) *Request {
	if r.Table == 0 {
		r.Table = unix.RT_TABLE_MAIN
	}
	if r.Destination.Addr().Is4() && r.Scope == 0 {
		r.Scope = unix.RT_SCOPE_NOWHERE // matches any (fib_table_delete)
	}
	return r.request(unix.RTM_DELROUTE, 0, "delete route to")
}

// Echo has the kernel tell, together with the acknowledgement, what became of a request
// that adds or replaces a route: out is then the route with what the kernel chose, such as
// the link that the gateway is on.
func (r *Request) Echo(out *Route) *Request {
	r.flags |= unix.NLM_F_ECHO
	r.reply = func(b []byte) error {
		var route Route
		if err := route.decode(b); err != nil {
			return err
		}
		*out = route
		return nil
	}
	return r
}

// TOS gives the type of service that a route which Routes gave is for: 0 is for all.
func (r *Route) TOS() uint8 {
	if len(r.Raw) <= rtmTOS {
		return 0
	}
	return r.Raw[rtmTOS]
}
