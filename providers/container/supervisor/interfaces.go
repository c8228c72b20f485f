package supervisor

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers/container/enter"
)

// beginWhenUp starts the command of a run when its interfaces are up.
func (c *container) beginWhenUp(r *run, names []string) {
	err := c.awaitUp(r, names)
	switch {
	case r.alive.Err() != nil: // it was ended meanwhile
	case err != nil:
		err = c.failStart(r, err)
	default:
		err = c.execute(context.Background(), r)
	}
	if err != nil && r.alive.Err() == nil {
		complain(err)
	}
}

// awaitUp waits until all interfaces of a run are up. In a network namespace of another container
// it looks by that one's process: an ordinary user may not look at one that has joined others
// and has not run its command.
func (c *container) awaitUp(r *run, names []string) error {
	joined := c.status().Spec.Namespaces
	if !slices.Contains(joined.Join, "network") {
		return awaitUp(r.alive, r.process, names)
	}
	other, err := c.stack.find(joined.Container)
	if err != nil {
		return err
	}
	defer other.Close()
	return awaitUp(r.alive, other, names)
}

// awaitUp waits until all interfaces exist in a process's network namespace and are up.
func awaitUp(ctx context.Context, target *pidfd.Process, names []string) error {
	events, err := linkEvents(ctx, target)
	if err != nil {
		return err
	}
	defer events.Close()
	conn, err := openRoute(ctx, target)
	if err != nil {
		return err
	}
	defer conn.Close()
	for {
		// Listed after subscribing: what comes later is in the events.
		links, err := conn.Links(ctx)
		if err != nil {
			return err
		}
		if areUp(links, names) {
			return nil
		}
		if _, err := events.Next(ctx); err != nil && !errors.Is(err, rtnl.ErrLost) {
			return err
		}
	}
}

// areUp reports whether there are links of all names which are up. IFF_RUNNING is an
// operational state of up or unknown, as that of lo (netif_oper_up).
func areUp(links []rtnl.Link, names []string) bool {
	const up = unix.IFF_UP | unix.IFF_RUNNING
	running := map[string]bool{}
	for _, l := range links {
		running[l.Name] = l.Flags&up == up
	}
	for _, name := range names {
		if !running[name] {
			return false
		}
	}
	return true
}

func linkEvents(ctx context.Context, target *pidfd.Process) (*rtnl.Events, error) {
	socket, err := enter.Route(ctx, target)
	if err != nil {
		return nil, err
	}
	return rtnl.EventsOf(socket, unix.RTNLGRP_LINK)
}

func openRoute(ctx context.Context, target *pidfd.Process) (*rtnl.Conn, error) {
	socket, err := enter.Route(ctx, target)
	if err != nil {
		return nil, err
	}
	return rtnl.ConnOf(socket)
}
