package rtnl

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// routeRequestFlags are the flags of a route that may be asked for; the others tell the
// state of its links, and the kernel refuses them (fib_create_info, ip6_route_info_create).
const routeRequestFlags = unix.RTNH_F_ONLINK | unix.RTNH_F_PERVASIVE

// rtaNexthopID is RTA_NH_ID (linux/rtnetlink.h), which x/sys/unix does not have.
const rtaNexthopID = 30

// Restore adds a route that Routes gave, with all of its attributes, on another link: its
// own link's index (from) becomes to wherever it occurs. EEXIST says that it is there.
//
// An IPv4 route comes beside the one it was made from. An IPv6 route takes its place: beside
// it, the kernel would make both into one route with two next hops (fib6_add_rt2node).
func (r *Route) Restore(from, to int) (*Request, error) {
	raw, err := restorable(r.Raw, from, to)
	if err != nil {
		return nil, fmt.Errorf("rebuild route to %v: %w", r.Destination, err)
	}
	var flags uint16 = unix.NLM_F_CREATE | unix.NLM_F_APPEND // keeps the order of routes that differ in next hops only
	if r.Destination.Addr().Is6() {
		flags = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	}
	return &Request{
		typ: unix.RTM_NEWROUTE, flags: flags, body: raw,
		op: "restore route to", object: r.Destination.String(),
	}, nil
}

// Withdraw deletes exactly the route that Routes gave. ESRCH says that it is gone.
func (r *Route) Withdraw() *Request {
	req := r.request(unix.RTM_DELROUTE, 0, "delete route to")
	if raw, err := restorable(r.Raw, 0, 0); err == nil {
		req.body = raw // tells apart routes that differ in their next hops only
	}
	return req
}

func restorable(raw []byte, from, to int) ([]byte, error) {
	if len(raw) < unix.SizeofRtMsg {
		return nil, errShort
	}
	e := encoder{bytes.Clone(raw[:unix.SizeofRtMsg])}
	clearStateFlags(e.b[rtmFlags:])
	byObject := false // a nexthop object excludes the next hop's own attributes
	err := walkAttrs(raw[unix.SizeofRtMsg:], func(typ uint16, _ []byte) error {
		byObject = byObject || typ == rtaNexthopID
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = walkAttrs(raw[unix.SizeofRtMsg:], func(typ uint16, v []byte) error {
		return restoreAttr(&e, typ, v, byObject, from, to)
	})
	return e.b, err
}

func restoreAttr(e *encoder, typ uint16, v []byte, byObject bool, from, to int) error {
	switch typ {
	case unix.RTA_OIF, unix.RTA_MULTIPATH, unix.RTA_GATEWAY, unix.RTA_VIA:
		if byObject {
			return nil
		}
	}
	switch typ {
	case unix.RTA_OIF:
		index, err := getU32(v)
		if int(index) == from {
			index = uint32(to)
		}
		e.attrU32(typ, index)
		return err
	case unix.RTA_MULTIPATH:
		hops := bytes.Clone(v)
		if err := moveNextHops(hops, from, to); err != nil {
			return err
		}
		e.attr(typ, hops)
	case unix.RTA_CACHEINFO:
		return restoreLifetime(e, v)
	default:
		e.attr(typ, v)
	}
	return nil
}

// restoreLifetime turns what is left of a route's life, which struct rta_cacheinfo tells
// in hundredths of a second (USER_HZ), into RTA_EXPIRES, which asks for it in seconds.
func restoreLifetime(e *encoder, v []byte) error {
	const expiresAt = 8
	if len(v) < expiresAt+4 {
		return errShort
	}
	if left := int32(binary.NativeEndian.Uint32(v[expiresAt:])); left > 0 {
		e.attrU32(unix.RTA_EXPIRES, uint32(left+99)/100)
	}
	return nil
}

// moveNextHops rewrites a list of struct rtnexthop in place.
func moveNextHops(b []byte, from, to int) error {
	for len(b) >= unix.SizeofRtNexthop {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofRtNexthop || n > len(b) {
			return errShort
		}
		b[2] &= routeRequestFlags
		if int(binary.NativeEndian.Uint32(b[4:])) == from {
			binary.NativeEndian.PutUint32(b[4:], uint32(to))
		}
		b = b[min(align4(n), len(b)):]
	}
	return nil
}

func clearStateFlags(b []byte) {
	binary.NativeEndian.PutUint32(b, binary.NativeEndian.Uint32(b)&routeRequestFlags)
}

const attrNexthopID = 30 // RTA_NH_ID of linux/rtnetlink.h

// ByNexthopObject reports whether the route's gateway is an object of its own (ip-nexthop(8),
// Linux 5.3), to which the route only refers.
func (r *Route) ByNexthopObject() bool {
	found := false
	if len(r.Raw) < unix.SizeofRtMsg {
		return false
	}
	_ = walkAttrs(r.Raw[unix.SizeofRtMsg:], func(typ uint16, _ []byte) error {
		found = found || typ == attrNexthopID
		return nil
	})
	return found
}

// Uses reports whether the route leads over the link, by one of several next hops too.
func (r *Route) Uses(index int) bool {
	if r.Index == index {
		return true
	}
	found := false
	if len(r.Raw) < unix.SizeofRtMsg {
		return false
	}
	_ = walkAttrs(r.Raw[unix.SizeofRtMsg:], func(typ uint16, v []byte) error {
		for typ == unix.RTA_MULTIPATH && len(v) >= unix.SizeofRtNexthop {
			found = found || int(binary.NativeEndian.Uint32(v[4:])) == index
			n := int(binary.NativeEndian.Uint16(v))
			if n < unix.SizeofRtNexthop || n > len(v) {
				return errShort
			}
			v = v[min(align4(n), len(v)):]
		}
		return nil
	})
	return found
}

// ParseRoute reads a route from its Raw form.
func ParseRoute(raw []byte) (Route, error) {
	var r Route
	err := r.decode(raw)
	return r, err
}

// plainAttrs are the attributes that Route has fields for, or that the kernel alone has.
var plainAttrs = []uint16{
	unix.RTA_DST, unix.RTA_OIF, unix.RTA_GATEWAY, unix.RTA_VIA, unix.RTA_PREFSRC, unix.RTA_TABLE, unix.RTA_PRIORITY,
	unix.RTA_CACHEINFO, unix.RTA_METRICS, unix.RTA_PREF,
}

// extraNames say what other attributes are.
var extraNames = map[uint16]string{
	unix.RTA_MULTIPATH: "several next hops", attrNexthopID: "a nexthop object", unix.RTA_ENCAP: "an encapsulation",
	unix.RTA_FLOW: "a realm", unix.RTA_SRC: "a source network", unix.RTA_NEWDST: "a label to swap",
}

// Extras says in words what a route that Routes gave has and Route has no field for.
func (r *Route) Extras() []string {
	var out []string
	if r.Flags&unix.RTNH_F_ONLINK != 0 {
		out = append(out, "the flag onlink")
	}
	if len(r.Raw) < unix.SizeofRtMsg {
		return out
	}
	_ = walkAttrs(r.Raw[unix.SizeofRtMsg:], func(typ uint16, v []byte) error {
		switch name := extraNames[typ]; {
		case name != "":
			out = append(out, name)
		case typ == unix.RTA_PREF && len(v) > 0 && v[0] != 0:
			out = append(out, "a router preference")
		case typ == unix.RTA_METRICS:
			out = append(out, extraMetrics(v)...)
		case typ == unix.RTA_CACHEINFO && expires(v):
			out = append(out, "an end")
		case typ != unix.RTA_ENCAP_TYPE && !slices.Contains(plainAttrs, typ):
			out = append(out, fmt.Sprintf("attribute %d", typ))
		}
		return nil
	})
	return out
}

func extraMetrics(b []byte) []string {
	var out []string
	_ = walkAttrs(b, func(typ uint16, _ []byte) error {
		if typ != unix.RTAX_MTU {
			out = append(out, fmt.Sprintf("metric number %d", typ))
		}
		return nil
	})
	return out
}

// expires reports whether a struct rta_cacheinfo tells of an end.
func expires(v []byte) bool {
	const at = 8
	return len(v) >= at+4 && int32(binary.NativeEndian.Uint32(v[at:])) != 0
}
