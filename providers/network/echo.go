package network

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/netns"
)

// echo is a run of ICMP echo requests to one target.
type echo struct {
	conn    net.PacketConn
	to      net.Addr
	version echoVersion
	payload []byte // begins with random bytes, by which our answers are known

	sentAt  map[int]time.Time // by sequence number; answered ones are taken out
	sent    int
	trips   []time.Duration
	sendErr error // of the last request
}

// echoVersion is what differs between ICMP and ICMPv6.
type echoVersion struct {
	family, protocol int
	request, reply   icmp.Type
}

var (
	echo4 = echoVersion{unix.AF_INET, unix.IPPROTO_ICMP, ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply}
	echo6 = echoVersion{unix.AF_INET6, unix.IPPROTO_ICMPV6, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply}
)

// cookieSize is how many bytes of the payload tell our requests from those of others.
const cookieSize = 16

// openEcho makes a socket in the namespace: a raw one where that is allowed, else one that
// the kernel lets the groups of net.ipv4.ping_group_range have (icmp(7)).
func openEcho(ns *netns.Namespace, to target, size int) (*echo, error) {
	e, err := newEcho(ns, to, size, unix.SOCK_RAW)
	if errors.Is(err, unix.EPERM) {
		e, err = newEcho(ns, to, size, unix.SOCK_DGRAM)
	}
	if err != nil {
		return nil, explainEchoSocket(err)
	}
	return e, nil
}

func newEcho(ns *netns.Namespace, to target, size, socketType int) (*echo, error) {
	e := &echo{version: echo4, payload: make([]byte, max(size, cookieSize)), sentAt: map[int]time.Time{}}
	if to.address.Is6() {
		e.version = echo6
	}
	if _, err := rand.Read(e.payload[:cookieSize]); err != nil {
		return nil, fmt.Errorf("choose a payload: %w", err)
	}
	fd, err := ns.Socket(e.version.family, socketType|unix.SOCK_NONBLOCK, e.version.protocol)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "icmp")
	defer f.Close() // FilePacketConn has its own duplicate
	if e.conn, err = net.FilePacketConn(f); err != nil {
		return nil, fmt.Errorf("open ICMP socket: %w", err)
	}
	e.to = to.netAddr(socketType)
	return e, nil
}

// netAddr gives the address in the form that the net package wants for the socket type.
func (t target) netAddr(socketType int) net.Addr {
	zone := ""
	if t.zone != 0 {
		zone = strconv.Itoa(t.zone)
	}
	if socketType == unix.SOCK_DGRAM {
		return &net.UDPAddr{IP: t.address.AsSlice(), Zone: zone}
	}
	return &net.IPAddr{IP: t.address.AsSlice(), Zone: zone}
}

func explainEchoSocket(err error) error {
	if !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EPERM) {
		return err
	}
	return &diag.Problem{
		Summary: "This user may not send ICMP",
		Detail: "A ping needs CAP_NET_RAW in the user namespace that owns the network namespace, or a group of the user within its sysctl " +
			"net.ipv4.ping_group_range. Run as root, or let root set that to \"0 2147483647\".",
		Err: err,
	}
}

func (e *echo) close() { e.conn.Close() }

// run sends until there are count answers, or the time of ctx is over. What could not be
// sent counts as sent: the network may not be ready yet.
func (e *echo) run(ctx context.Context, count int, interval time.Duration) error {
	stop := context.AfterFunc(ctx, func() { _ = e.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for ctx.Err() == nil && len(e.trips) < count {
		next := time.Now().Add(interval)
		if err := e.send(); err != nil {
			return err
		}
		if err := e.receiveUntil(ctx, next, count); err != nil {
			return err
		}
	}
	return parentError(ctx)
}

func (e *echo) send() error {
	seq := e.sent & 0xffff
	m := icmp.Message{Type: e.version.request, Body: &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: seq, Data: e.payload}}
	b, err := m.Marshal(nil) // the kernel adds the checksum of ICMPv6
	if err != nil {
		return fmt.Errorf("encode ICMP echo request: %w", err)
	}
	e.sent++
	e.sentAt[seq] = time.Now()
	_, e.sendErr = e.conn.WriteTo(b, e.to)
	if e.sendErr != nil && !isNetworkError(e.sendErr) && !errors.Is(e.sendErr, unix.EMSGSIZE) {
		return fmt.Errorf("send ICMP echo request: %w", e.sendErr)
	}
	return nil
}

// receiveUntil takes answers until the time, and sooner only when there are enough of them.
func (e *echo) receiveUntil(ctx context.Context, until time.Time, count int) error {
	if err := e.conn.SetReadDeadline(until); err != nil {
		return fmt.Errorf("receive ICMP: %w", err)
	}
	if ctx.Err() != nil { // it ended before the deadline was set, and no longer interrupts
		return nil
	}
	buf := make([]byte, 1<<16)
	for len(e.trips) < count {
		n, _, err := e.conn.ReadFrom(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil && isNetworkError(err):
			continue // an earlier request's, which the kernel tells of here
		case err != nil:
			return fmt.Errorf("receive ICMP: %w", err)
		}
		e.take(buf[:n], time.Now())
	}
	return nil
}

// take counts the message if it answers a request of ours that was not answered before.
// A raw socket sees the ICMP of all programs.
func (e *echo) take(b []byte, now time.Time) {
	m, err := icmp.ParseMessage(e.version.protocol, b)
	if err != nil || m.Type != e.version.reply {
		return
	}
	body, ok := m.Body.(*icmp.Echo)
	if !ok || len(body.Data) != len(e.payload) || string(body.Data[:cookieSize]) != string(e.payload[:cookieSize]) {
		return
	}
	if sent, waiting := e.sentAt[body.Seq]; waiting {
		delete(e.sentAt, body.Seq)
		e.trips = append(e.trips, now.Sub(sent))
	}
}
