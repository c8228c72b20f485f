package netns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/rtnl"
)

// AwaitLocal waits until packets to the IPv6 addresses, which were just given to links, are
// taken as the namespace's own, or the end of ctx. The kernel gives an address back as there
// before that: also without duplicate detection it makes the address's route by a worker
// (addrconf_dad_work), and until then answers to it are dropped.
func (n *Namespace) AwaitLocal(ctx context.Context, addresses []netip.Addr) error {
	conn, err := n.Route()
	if err != nil {
		return err
	}
	left, err := notLocal(ctx, conn, addresses)
	if err != nil || len(left) == 0 {
		return err
	}
	events, err := n.Events(unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		return err
	}
	defer events.Close()
	for {
		// Looked up after subscribing: what comes later is in the events.
		if left, err = notLocal(ctx, conn, left); err != nil || len(left) == 0 {
			return err
		}
		if _, err := events.Next(ctx); err != nil && !errors.Is(err, rtnl.ErrLost) {
			return fmt.Errorf("wait for %v of %s to be usable: %w", left[0], n, err)
		}
	}
}

func notLocal(ctx context.Context, conn *rtnl.Conn, addresses []netip.Addr) ([]netip.Addr, error) {
	routes := make([]rtnl.Route, len(addresses))
	reqs := make([]*rtnl.Request, len(addresses))
	for i, a := range addresses {
		reqs[i] = rtnl.GetRoute(a, &routes[i])
	}
	_ = conn.Do(ctx, reqs...) // each request has its own error
	var left []netip.Addr
	for i, a := range addresses {
		err := reqs[i].Err()
		if _, answered := errors.AsType[*rtnl.Error](err); err != nil && !answered {
			return nil, err
		}
		if err != nil || routes[i].Type != unix.RTN_LOCAL {
			left = append(left, a)
		}
	}
	return left, nil
}
