package rtnl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Event tells that a link, an address or a route came, changed or went. One of the three
// is set. Unlike [Conn.Routes], events have the routes that the kernel keeps for addresses.
type Event struct {
	Gone    bool
	Link    *Link
	Address *Address
	Route   *Route
}

// Events hears of the changes in one network namespace. Not safe for concurrent use.
type Events struct {
	file    *os.File
	raw     syscall.RawConn
	pending []Event
}

// Subscribe makes a socket in the network namespace of the calling thread that hears of
// the groups: unix.RTNLGRP_LINK and so on.
func Subscribe(groups ...int) (*Events, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink socket: %w", err)
	}
	return NewEvents(fd, groups...)
}

// NewEvents takes over fd, a non-blocking AF_NETLINK socket of protocol NETLINK_ROUTE, and
// closes it on error.
func NewEvents(fd int, groups ...int) (*Events, error) {
	if err := join(fd, groups); err != nil {
		unix.Close(fd)
		return nil, err
	}
	e := &Events{file: os.NewFile(uintptr(fd), "rtnetlink events")}
	raw, err := e.file.SyscallConn()
	if err != nil {
		e.file.Close()
		return nil, fmt.Errorf("watch rtnetlink socket: %w", err)
	}
	e.raw = raw
	return e, nil
}

func join(fd int, groups []int) error {
	if err := setReceiveBuffer(fd); err != nil {
		return err
	}
	// A socket without an address hears nothing: its port, 0, is the one that the kernel
	// leaves out as the sender's (do_one_broadcast).
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("bind rtnetlink socket: %w", err)
	}
	for _, g := range groups {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g); err != nil {
			return fmt.Errorf("join rtnetlink group %d: %w", g, err)
		}
	}
	return nil
}

// Close ends the subscription.
func (e *Events) Close() error { return wrapIf("close rtnetlink events", e.file.Close()) }

// Next waits for the next event, or the end of ctx. ErrLost says that some were dropped:
// what was to be learnt from them must be read anew, and Next may be called again.
func (e *Events) Next(ctx context.Context) (Event, error) {
	for len(e.pending) == 0 {
		if err := e.fill(ctx); err != nil {
			return Event{}, err
		}
	}
	ev := e.pending[0]
	e.pending = e.pending[1:]
	return ev, nil
}

// fill waits for one datagram.
func (e *Events) fill(ctx context.Context) error {
	if err := e.file.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("wait for rtnetlink events: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = e.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var err error
	waitErr := e.raw.Read(func(fd uintptr) bool {
		err = e.receive(int(fd))
		return !errors.Is(err, unix.EAGAIN)
	})
	if waitErr != nil {
		if ctx.Err() != nil {
			waitErr = ctx.Err()
		}
		return fmt.Errorf("wait for rtnetlink events: %w", waitErr)
	}
	return err
}

// receive takes the events of the datagram that there is, or gives EAGAIN. Only then has it a
// buffer: most who wait do so for long.
func (e *Events) receive(fd int) error {
	buf := datagrams.Get().(*[datagramSize]byte)
	defer datagrams.Put(buf)
	n, err := receiveDatagram(fd, buf[:])
	if err != nil {
		return wrapIf("receive rtnetlink events", err)
	}
	return walkMessages(buf[:n], e.take)
}

func (e *Events) take(m message) error {
	ev, known, err := decodeEvent(m)
	if err != nil {
		return err
	}
	if known {
		e.pending = append(e.pending, ev)
	}
	return nil
}

func decodeEvent(m message) (ev Event, known bool, err error) {
	switch m.typ {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		ev = Event{Gone: m.typ == unix.RTM_DELLINK, Link: new(Link)}
		// A bridge tells of its ports in messages of family AF_BRIDGE, where DELLINK
		// means that the port left the bridge. Their attributes are others: IFLA_AF_SPEC has
		// the port's VLANs where the kernel was built with CONFIG_BRIDGE_VLAN_FILTERING.
		known = len(m.body) > 0 && m.body[0] == unix.AF_UNSPEC
		if !known {
			return ev, false, nil
		}
		return ev, true, ev.Link.decode(m.body)
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		ev = Event{Gone: m.typ == unix.RTM_DELADDR, Address: new(Address)}
		known, err = ev.Address.decode(m.body)
		return ev, known, err
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		ev = Event{Gone: m.typ == unix.RTM_DELROUTE, Route: new(Route)}
		known = len(m.body) > 0 && (m.body[rtmFamily] == unix.AF_INET || m.body[rtmFamily] == unix.AF_INET6)
		if !known {
			return ev, false, nil
		}
		return ev, true, ev.Route.decode(m.body)
	}
	return ev, false, nil
}
