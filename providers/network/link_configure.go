package network

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/rtnl"
)

// wanted is an end to be brought into its state.
type wanted struct {
	end
	mark    string
	altName string // "" for none
	master  int    // index of the bridge
	bridge  *rtnl.BridgeOptions
	keep    []rtnl.Address // addresses that it may have beyond the listed ones
	prefix  string         // of its attributes: "peer."
}

// explain says for people why the kernel refused a step towards the wanted state. l is the
// link as it was read.
func (w *wanted) explain(err error, l *rtnl.Link) error {
	if err == nil {
		return nil
	}
	r := refused{end: w.end, mtu: cmp.Or(w.MTU, l.MTU), prefix: w.prefix}
	r.vlan = w.bridge != nil && w.bridge.VLANFiltering != nil && *w.bridge.VLANFiltering
	return r.explain(err)
}

// configure brings a link, which is there and ours, into the wanted state, with as few
// requests as that takes. What goes last is what breaks connections: addresses are added
// before others are taken away, and routes that the kernel drops meanwhile come back.
func configure(ctx context.Context, conn *rtnl.Conn, l *rtnl.Link, have []rtnl.Address, w *wanted) error {
	return w.explain(settle(ctx, conn, l, have, w), l)
}

func settle(ctx context.Context, conn *rtnl.Conn, l *rtnl.Link, have []rtnl.Address, w *wanted) error {
	if l.Name != w.Name {
		if err := rename(ctx, conn, l, w.Name); err != nil {
			return renameError(err, w)
		}
	}
	add, remove := compareAddresses(l.Index, have, w)
	ref := rtnl.LinkRef{Index: l.Index, Name: w.Name}
	reqs := leaveRequests(l, w)
	if change, needed := linkChange(l, w); needed {
		reqs = append(reqs, rtnl.SetLink(ref, change))
	}
	if w.altName != "" && !slices.Contains(l.AltNames, w.altName) {
		reqs = append(reqs, rtnl.AddAltName(ref, w.altName))
	}
	for _, a := range add {
		reqs = append(reqs, rtnl.AddAddress(a))
	}
	if w.Up && !l.Up() {
		reqs = append(reqs, setUp(ref, true))
	}
	if err := tolerate(conn.Do(ctx, reqs...), reqs, unix.EEXIST); err != nil {
		return err
	}
	if len(remove) > 0 {
		if err := removeAddresses(ctx, conn, l.Index, remove, w); err != nil {
			return err
		}
	}
	if !w.Up && l.Up() {
		return conn.Do(ctx, setUp(ref, false))
	}
	return nil
}

func setUp(ref rtnl.LinkRef, up bool) *rtnl.Request {
	return rtnl.SetLink(ref, rtnl.LinkChange{Up: &up})
}

// leaveRequests gives what comes before the link's other changes.
//
// A bridge follows the smallest MTU of its ports until its own was set (br_mtu_auto_adjust),
// and to set what it has is no setting (netif_set_mtu_ext): it has another one for a moment.
// A port that changes both its bridge and its MTU leaves first: in one message the MTU is set
// before the bridge, so the bridge that it leaves would follow.
func leaveRequests(l *rtnl.Link, w *wanted) []*rtnl.Request {
	var ch rtnl.LinkChange
	switch none := 0; {
	case w.bridge != nil && w.MTU != 0 && l.MTU == w.MTU:
		if ch.MTU = w.MTU + 1; w.MTU == maxMTU {
			ch.MTU = w.MTU - 1
		}
	case w.bridge == nil && w.MTU != 0 && l.MTU != w.MTU && l.Master != 0 && l.Master != w.master:
		ch.Master = &none
	default:
		return nil
	}
	return []*rtnl.Request{rtnl.SetLink(l.Ref(), ch)}
}

// maxMTU is ETH_MAX_MTU of linux/if_ether.h.
const maxMTU = 65535

// linkChange gives what differs and can be set in one request.
func linkChange(l *rtnl.Link, w *wanted) (ch rtnl.LinkChange, needed bool) {
	if l.Alias != w.mark {
		ch.Alias, needed = &w.mark, true
	}
	if w.MTU != 0 && (l.MTU != w.MTU || w.bridge != nil) {
		ch.MTU, needed = w.MTU, true
	}
	if w.MAC != "" && l.MAC.String() != w.MAC {
		ch.MAC, _ = net.ParseMAC(w.MAC) // the schema has checked it
		needed = true
	}
	if l.Master != w.master {
		ch.Master, needed = &w.master, true
	}
	if w.bridge != nil {
		if options := changedOptions(&l.Bridge, w.bridge); options != (rtnl.BridgeOptions{}) {
			ch.Bridge, needed = &options, true
		}
	}
	return ch, needed
}

// changedOptions gives the options that differ. A kernel without VLAN filtering neither tells
// nor takes that one.
func changedOptions(have, want *rtnl.BridgeOptions) rtnl.BridgeOptions {
	return rtnl.BridgeOptions{
		STP:           changed(have.STP, want.STP),
		ForwardDelay:  changed(have.ForwardDelay, want.ForwardDelay),
		VLANFiltering: changed(have.VLANFiltering, want.VLANFiltering),
	}
}

// changed gives want where it is not what have is; what is not told is zero.
func changed[T comparable](have, want *T) *T {
	var zero T
	if have == nil {
		have = &zero
	}
	if want == nil || *have == *want {
		return nil
	}
	return want
}

// tolerate gives err, or nil where the requests failed with no other error than the expected
// one: what was asked for is so already.
func tolerate(err error, reqs []*rtnl.Request, expected ...error) error {
	if err == nil {
		return nil
	}
	var others []error
	for _, r := range reqs {
		if e := r.Err(); e != nil && !slices.ContainsFunc(expected, func(x error) bool { return errors.Is(e, x) }) {
			others = append(others, e)
		}
	}
	return errors.Join(others...)
}

// compareAddresses gives the addresses that are missing on the link and those that are too
// much.
func compareAddresses(index int, have []rtnl.Address, w *wanted) (add, remove []rtnl.Address) {
	missing := map[string]bool{}
	for _, s := range w.Addresses {
		missing[s] = true
	}
	for _, a := range configured(have) {
		s := a.Prefix.String()
		switch {
		case missing[s] && !a.Peer.IsValid():
			delete(missing, s)
		case !slices.ContainsFunc(w.keep, func(k rtnl.Address) bool { return k.Prefix == a.Prefix && k.Peer == a.Peer }):
			remove = append(remove, a)
		}
	}
	for _, s := range w.Addresses {
		if missing[s] {
			add = append(add, parseAddress(index, s))
		}
	}
	return add, remove
}

// removeAddresses takes addresses away. With an IPv4 address go the secondary ones of its
// network, and with the last of a network the routes by gateways on it: the kernel does not
// look whether another address could carry them, so what is wanted is put back after.
func removeAddresses(ctx context.Context, conn *rtnl.Conn, index int, remove []rtnl.Address, w *wanted) error {
	routes, err := routesOn(ctx, conn, index)
	if err != nil {
		return err
	}
	reqs := make([]*rtnl.Request, len(remove))
	for i, a := range remove {
		reqs[i] = rtnl.DeleteAddress(a)
	}
	if err := tolerate(conn.Do(ctx, reqs...), reqs, unix.EADDRNOTAVAIL); err != nil {
		return err
	}
	left, err := conn.AddressesOn(ctx, index)
	if err != nil {
		return err
	}
	add, _ := compareAddresses(index, left, w)
	add = append(add, lost(w.keep, left)...)
	reqs = reqs[:0]
	for _, a := range add {
		a.Index = index
		reqs = append(reqs, rtnl.AddAddress(a))
	}
	if err := tolerate(conn.Do(ctx, reqs...), reqs, unix.EEXIST); err != nil {
		return err
	}
	return restoreRoutes(ctx, conn, routes, index, index)
}

// lost gives the addresses of want that are not left.
func lost(want, left []rtnl.Address) []rtnl.Address {
	return slices.DeleteFunc(slices.Clone(want), func(a rtnl.Address) bool {
		return slices.ContainsFunc(left, func(b rtnl.Address) bool { return a.Prefix == b.Prefix && a.Peer == b.Peer })
	})
}

// routesOn lists the routes by a link, next hops of several included.
func routesOn(ctx context.Context, conn *rtnl.Conn, index int) ([]rtnl.Route, error) {
	all, err := conn.Routes(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(r rtnl.Route) bool { return !r.Uses(index) }), nil
}

// restoreRoutes puts routes back that the kernel dropped, on the link to instead of from.
// Those that cannot stand any more, because their gateway is on no network now, are refused
// and stay away; those that are there are refused too.
func restoreRoutes(ctx context.Context, conn *rtnl.Conn, routes []rtnl.Route, from, to int) error {
	var reqs []*rtnl.Request
	for i := range routes {
		if routes[i].Protocol == unix.RTPROT_KERNEL {
			continue // comes with its address
		}
		req, err := routes[i].Restore(from, to)
		if err != nil {
			return err
		}
		reqs = append(reqs, req)
	}
	return tolerate(conn.Do(ctx, reqs...), reqs, unix.EEXIST, unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EINVAL, unix.ENETDOWN)
}

// rename gives the link another name. Before Linux 6.2 that needs the link down, which costs
// its routes and IPv6 addresses: they are put back.
func rename(ctx context.Context, conn *rtnl.Conn, l *rtnl.Link, name string) error {
	ref := l.Ref()
	err := conn.Do(ctx, rtnl.RenameLink(l.Index, name))
	if !errors.Is(err, unix.EBUSY) {
		return err
	}
	routes, err := routesOn(ctx, conn, l.Index)
	if err != nil {
		return err
	}
	have, err := conn.AddressesOn(ctx, l.Index)
	if err != nil {
		return err
	}
	if err := conn.Do(ctx, setUp(ref, false)); err != nil {
		return err
	}
	reqs := []*rtnl.Request{rtnl.RenameLink(l.Index, name), setUp(ref, true)}
	for _, a := range configured(have) {
		reqs = append(reqs, rtnl.AddAddress(a))
	}
	if err := tolerate(conn.Do(ctx, reqs...), reqs, unix.EEXIST); err != nil {
		return err
	}
	return restoreRoutes(ctx, conn, routes, l.Index, l.Index)
}

func renameError(err error, w *wanted) error {
	if errors.Is(err, unix.EEXIST) {
		return takenName(w.Namespace, w.Name, err)
	}
	return err
}
