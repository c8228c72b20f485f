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
// The order keeps the machine reachable: first the bridge has everything too, then the
// interface becomes its port, and only then the interface loses what it had. In between, a
// packet that the old routes still send out of the interface goes the same way, and one that
// comes in is taken by the bridge, which has the interface's MAC address.
//
// Each step is one message, checked before the next one is sent: the kernel goes on with the
// rest of a message after a part of it failed.
func (t *takeover) take(ctx context.Context, conn *rtnl.Conn, bridge int, name string) error {
	up := true
	iface := rtnl.ByIndex(t.Index)
	var add []*rtnl.Request
	for _, a := range t.onBridge(bridge, name) {
		add = append(add, rtnl.AddAddress(a))
	}
	if err := tolerate(conn.Do(ctx, add...), add, unix.EEXIST); err != nil {
		return err
	}
	if err := conn.Do(ctx, rtnl.SetLink(iface, rtnl.LinkChange{Master: &bridge, Up: &up})); err != nil {
		return err
	}
	if err := t.putRoutes(ctx, conn, bridge); err != nil {
		return err
	}
	return strip(ctx, conn, t, t.Index)
}

// putRoutes adds the routes on the link, which has the addresses, but for those that came
// with the addresses.
func (t *takeover) putRoutes(ctx context.Context, conn *rtnl.Conn, to int) error {
	there, err := routesOn(ctx, conn, to)
	if err != nil {
		return err
	}
	var reqs []*rtnl.Request
	for _, raw := range t.Routes {
		r, err := rtnl.ParseRoute(raw)
		if err != nil {
			return fmt.Errorf("read recorded route: %w", err)
		}
		if slices.ContainsFunc(there, sameRoute(&r)) {
			continue
		}
		req, err := r.Restore(t.Index, to)
		if err != nil {
			return err
		}
		reqs = append(reqs, req)
	}
	return tolerate(conn.Do(ctx, reqs...), reqs, unix.EEXIST)
}

// strip takes the recorded addresses and routes away from a link, in one message. What is not
// there is no error.
func strip(ctx context.Context, conn *rtnl.Conn, t *takeover, from int) error {
	if from == 0 { // the bridge never came to be
		return nil
	}
	routes, err := routesOn(ctx, conn, from)
	if err != nil {
		return err
	}
	recorded := t.routes()
	var reqs []*rtnl.Request
	for i := range routes {
		if slices.ContainsFunc(recorded, sameRoute(&routes[i])) {
			reqs = append(reqs, routes[i].Withdraw())
		}
	}
	for _, a := range t.Addresses {
		a.Index = from
		reqs = append(reqs, rtnl.DeleteAddress(a))
	}
	return tolerate(conn.Do(ctx, reqs...), reqs, unix.EADDRNOTAVAIL, unix.ESRCH)
}

// giveBack gives the interface what was taken over from it, in the reverse order of take, and
// may be called again too. What had an end and has gone meanwhile stays away; what is left of
// its life is taken from the bridge.
func (t *takeover) giveBack(ctx context.Context, conn *rtnl.Conn, bridge int) error {
	var iface rtnl.Link
	err := conn.Do(ctx, rtnl.GetLink(rtnl.ByIndex(t.Index), &iface))
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return err
	}
	now, err := t.current(ctx, conn, bridge)
	if err != nil {
		return err
	}
	if err := now.putBack(ctx, conn); err != nil {
		return err
	}
	if iface.Master == bridge {
		free := 0
		if err := conn.Do(ctx, rtnl.SetLink(rtnl.ByIndex(t.Index), rtnl.LinkChange{Master: &free})); err != nil {
			return err
		}
	}
	if err := strip(ctx, conn, t, bridge); err != nil {
		return err
	}
	return now.finishReturn(ctx, conn)
}

// putBack gives the interface the addresses and routes, which the bridge has still.
func (t *takeover) putBack(ctx context.Context, conn *rtnl.Conn) error {
	var add []*rtnl.Request
	for _, a := range t.Addresses {
		a.Flags |= withoutDetection(&a)
		add = append(add, rtnl.AddAddress(a))
	}
	if err := tolerate(conn.Do(ctx, add...), add, unix.EEXIST); err != nil {
		return err
	}
	return t.putRoutes(ctx, conn, t.Index)
}

// current gives the record with what is left of the lives of what has an end, and without
// what has reached it.
func (t *takeover) current(ctx context.Context, conn *rtnl.Conn, bridge int) (*takeover, error) {
	var alive []rtnl.Address
	for _, index := range present([]int{bridge, t.Index}) {
		list, err := conn.AddressesOn(ctx, index)
		if err != nil && !errors.Is(err, unix.ENODEV) { // the bridge may be gone
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
		reqs = append(reqs, setUp(rtnl.ByIndex(t.Index), false))
	}
	return conn.Do(ctx, reqs...)
}
