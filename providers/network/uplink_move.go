package network

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/rtnl"
)

// take moves addresses and routes from the interface to the bridge. It may be called again
// after it was interrupted at any step.
//
// First the bridge gets the addresses too, which hurts nobody. All the rest is one message,
// during which this process cannot be killed: as soon as the interface is a port, what answers
// comes in by the bridge, whose neighbours the old routes do not know, and before, the routes
// by the bridge would lead nowhere. The kernel goes on with the message after a part of it
// failed: then the caller gives back.
func (t *takeover) take(ctx context.Context, conn *rtnl.Conn, bridge int, name string) error {
	if err := addAll(ctx, conn, t.onBridge(bridge, name)); err != nil {
		return err
	}
	up := true
	return t.move(ctx, conn, t.Index, bridge, rtnl.SetLink(t.ref(), rtnl.LinkChange{Master: &bridge, Up: &up}))
}

func (t *takeover) ref() rtnl.LinkRef { return rtnl.LinkRef{Index: t.Index, Name: t.Interface} }

func addAll(ctx context.Context, conn *rtnl.Conn, addresses []rtnl.Address) error {
	var reqs []*rtnl.Request
	for _, a := range addresses {
		reqs = append(reqs, rtnl.AddAddress(a))
	}
	return tolerate(conn.Do(ctx, reqs...), reqs, unix.EEXIST)
}

// move sends in one message what joins or parts the links, the routes on the link to, and the
// end of routes and addresses on the link from. What is so already is no error.
func (t *takeover) move(ctx context.Context, conn *rtnl.Conn, from, to int, join *rtnl.Request) error {
	put, err := t.putRequests(ctx, conn, to)
	if err != nil {
		return err
	}
	strip, err := t.stripRequests(ctx, conn, from)
	if err != nil {
		return err
	}
	reqs := slices.Concat([]*rtnl.Request{join}, put, strip)
	return tolerate(conn.Do(ctx, reqs...), reqs, unix.EEXIST, unix.EADDRNOTAVAIL, unix.ESRCH)
}

// putRequests adds the routes on a link that has the addresses, but for those that came with
// the addresses.
func (t *takeover) putRequests(ctx context.Context, conn *rtnl.Conn, to int) ([]*rtnl.Request, error) {
	there, err := routesOn(ctx, conn, to)
	if err != nil {
		return nil, err
	}
	var reqs []*rtnl.Request
	for _, raw := range t.Routes {
		r, err := rtnl.ParseRoute(raw)
		if err != nil {
			return nil, fmt.Errorf("read recorded route: %w", err)
		}
		if slices.ContainsFunc(there, sameRoute(&r)) {
			continue
		}
		req, err := r.Restore(t.Index, to)
		if err != nil {
			return nil, err
		}
		reqs = append(reqs, req)
	}
	return reqs, nil
}

// stripRequests takes the recorded routes and addresses away from a link. IPv6 routes have
// been replaced by those on the other link, but for the kernel's own of each address.
func (t *takeover) stripRequests(ctx context.Context, conn *rtnl.Conn, from int) ([]*rtnl.Request, error) {
	if from == 0 { // the bridge never came to be
		return nil, nil
	}
	routes, err := routesOn(ctx, conn, from)
	if err != nil {
		return nil, err
	}
	recorded := t.routes()
	var reqs []*rtnl.Request
	for i := range routes {
		replaced := routes[i].Destination.Addr().Is6() && routes[i].Protocol != unix.RTPROT_KERNEL
		if !replaced && slices.ContainsFunc(recorded, sameRoute(&routes[i])) {
			reqs = append(reqs, routes[i].Withdraw())
		}
	}
	for _, a := range t.Addresses {
		a.Index = from
		reqs = append(reqs, rtnl.DeleteAddress(a))
	}
	return reqs, nil
}

// giveBack gives the interface what was taken over from it, by the same steps as take, and
// may be called again too. What had an end and has gone meanwhile stays away; what is left of
// its life is taken from the bridge.
func (t *takeover) giveBack(ctx context.Context, conn *rtnl.Conn, bridge int) error {
	var iface, master rtnl.Link
	err := conn.Do(ctx, rtnl.GetLink(t.ref(), &iface))
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err == nil && bridge != 0 {
		err = conn.Do(ctx, rtnl.GetLink(rtnl.ByIndex(bridge), &master))
	}
	if errors.Is(err, unix.ENODEV) {
		bridge, err = 0, nil // somebody deleted it
	}
	if err != nil {
		return err
	}
	now, err := t.current(ctx, conn, bridge)
	if err != nil {
		return err
	}
	if err := addAll(ctx, conn, now.withoutDetection()); err != nil {
		return err
	}
	change := rtnl.LinkChange{}
	if free := 0; bridge != 0 && iface.Master == bridge {
		change.Master = &free
	}
	if err := now.move(ctx, conn, bridge, t.Index, rtnl.SetLink(t.ref(), change)); err != nil {
		return err
	}
	return now.finishReturn(ctx, conn)
}

// withoutDetection gives the addresses for the interface, IPv6 ones to be used at once.
func (t *takeover) withoutDetection() []rtnl.Address {
	out := slices.Clone(t.Addresses)
	for i := range out {
		out[i].Flags |= withoutDetection(&out[i])
	}
	return out
}

// current gives the record with what is left of the lives of what has an end, and without
// what has reached it.
func (t *takeover) current(ctx context.Context, conn *rtnl.Conn, bridge int) (*takeover, error) {
	var alive []rtnl.Address
	for _, index := range present([]int{bridge, t.Index}) {
		list, err := conn.AddressesOn(ctx, index)
		if err != nil {
			return nil, err
		}
		alive = append(alive, list...)
	}
	now := *t
	now.Addresses = nil
	for _, a := range t.Addresses {
		a.Index = t.Index
		if i := slices.IndexFunc(alive, sameAddress(a)); i >= 0 {
			a.Valid, a.Preferred = alive[i].Valid, alive[i].Preferred
		} else if !a.Lasting() {
			continue
		}
		now.Addresses = append(now.Addresses, a)
	}
	return &now, nil
}

// finishReturn gives IPv6 addresses their own flags again, now that they are there, and the
// interface its state.
func (t *takeover) finishReturn(ctx context.Context, conn *rtnl.Conn) error {
	var reqs []*rtnl.Request
	for _, a := range t.Addresses {
		if a.Prefix.Addr().Is6() && a.Flags&unix.IFA_F_NODAD == 0 {
			reqs = append(reqs, rtnl.ReplaceAddress(a))
		}
	}
	if !t.Up {
		reqs = append(reqs, setUp(t.ref(), false))
	}
	return conn.Do(ctx, reqs...)
}
