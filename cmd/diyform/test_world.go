package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/machine"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/internal/world"
)

// The folders of a test's world.
const (
	testFolder     = "/run/diyform-test"
	testStates     = testFolder + "/state"
	testDataFolder = testFolder + "/data"
)

// testWorld is where the runs of a test file make what they make: a host with one uplink to a
// small internet, with the real machine's files to be read.
//
//	the test's host                           a namespace without a name
//	eth0  198.51.100.2/24  ----------------  198.51.100.1/24   203.0.113.1/32
//	      2001:db8:51::2/64                  2001:db8:51::1/64  2001:db8:cafe::1/128
//
// The internet has no route back but to its own link: what is answered there came from the
// host's address. All of them are addresses for documentation (RFC 5737, RFC 3849).
var testWorld = &world.Kind{
	Name:     "diyform-test",
	Hostname: "host",
	Folders: []world.Folder{
		{Path: "/run", Filesystem: machine.Filesystem{Type: "tmpfs", Data: "mode=0755"}},
		{Path: "/tmp", Filesystem: machine.Filesystem{Type: "tmpfs", Data: "mode=1777"}},
		{Path: testDataFolder, Filesystem: machine.Filesystem{Type: "tmpfs", Data: "mode=0700", Devices: true}},
	},
	ReadOnly: true,
	Network:  buildTestNetwork,
	Environ:  func() []string { return []string{"TMPDIR=/tmp"} },
}

const (
	testUplink = "eth0"

	// The kernel reports the carrier of a link at once only if its peer has another index:
	// linkwatch_urgent_event() takes a link that is its own peer by number for a plain one,
	// which waits for a second.
	farIndex = 51

	uplinkDeadline = 10 * time.Second
)

var (
	testHostAddresses = []string{"198.51.100.2/24", "2001:db8:51::2/64"}
	testGateways      = []string{"198.51.100.1", "2001:db8:51::1"}
	testFarAddresses  = []string{"198.51.100.1/24", "2001:db8:51::1/64"}
	testInternet      = []string{"203.0.113.1/32", "2001:db8:cafe::1/128"}
)

// buildTestNetwork makes the uplink with what is behind it, which goes when the result is
// closed.
func buildTestNetwork() (io.Closer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), uplinkDeadline)
	defer cancel()
	host, err := netns.Host()
	if err != nil {
		return nil, err
	}
	defer host.Close()
	conn, err := host.Route()
	if err != nil {
		return nil, err
	}
	far, err := netns.Unnamed(ctx)
	if err != nil {
		return nil, err
	}
	err = conn.Do(ctx, rtnl.SetLink(rtnl.ByName("lo"), rtnl.LinkChange{Up: ptr(true)}),
		rtnl.CreateVeth(rtnl.LinkSpec{Name: testUplink, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}},
			rtnl.PeerSpec{Name: "host", Index: farIndex, NetNS: far.FD(), MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}}))
	if err == nil {
		err = buildInternet(ctx, far)
	}
	if err == nil {
		err = bringUpUplink(ctx, host, conn)
	}
	if err != nil {
		return nil, errors.Join(err, far.Close())
	}
	return far, nil
}

func ptr[T any](v T) *T { return &v }

// buildInternet configures the far end of the uplink. It has no link-local address: nobody
// would wait until it is there.
func buildInternet(ctx context.Context, far *netns.Namespace) error {
	conn, err := far.Route()
	if err != nil {
		return err
	}
	err = far.Do(ctx, func() error { return setIPv6("host", "addr_gen_mode", "1") })
	if err != nil {
		return err
	}
	if err := conn.Do(ctx, rtnl.SetLink(rtnl.ByName("host"), rtnl.LinkChange{Up: ptr(true)})); err != nil {
		return err
	}
	if err := addAddresses(ctx, conn, "host", testFarAddresses); err != nil {
		return err
	}
	return addAddresses(ctx, conn, "lo", testInternet)
}

// bringUpUplink configures the host's side, and returns when the uplink has all of its
// addresses. The last one is the link-local one, which the kernel makes when there is a carrier.
func bringUpUplink(ctx context.Context, host *netns.Namespace, conn *rtnl.Conn) error {
	events, err := host.Events(unix.RTNLGRP_IPV6_IFADDR)
	if err != nil {
		return err
	}
	defer events.Close()
	// Spare the tests the seconds in which IPv6 addresses, the kernel's link-local one included,
	// are tentative and answer nobody.
	if err := setIPv6(testUplink, "accept_dad", "0"); err != nil {
		return err
	}
	if err := conn.Do(ctx, rtnl.SetLink(rtnl.ByName(testUplink), rtnl.LinkChange{Up: ptr(true)})); err != nil {
		return err
	}
	if err := addAddresses(ctx, conn, testUplink, testHostAddresses); err != nil {
		return err
	}
	for _, gateway := range testGateways {
		if err := addDefaultRoute(ctx, conn, netip.MustParseAddr(gateway)); err != nil {
			return err
		}
	}
	for hasIPv6() {
		event, err := events.Next(ctx)
		if err != nil && !errors.Is(err, rtnl.ErrLost) {
			return fmt.Errorf("wait for the addresses of %s: %w", testUplink, err)
		}
		a := event.Address
		if a != nil && !event.Gone && a.KernelMade() && a.Flags&unix.IFA_F_TENTATIVE == 0 {
			return nil
		}
	}
	return nil
}

func hasIPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}

func setIPv6(link, key, value string) error {
	err := os.WriteFile("/proc/sys/net/ipv6/conf/"+link+"/"+key, []byte(value), 0)
	if errors.Is(err, fs.ErrNotExist) && !hasIPv6() {
		return nil // a kernel without IPv6 does as well
	}
	return err
}

func addAddresses(ctx context.Context, conn *rtnl.Conn, link string, addresses []string) error {
	var found rtnl.Link
	if err := conn.Do(ctx, rtnl.GetLink(rtnl.ByName(link), &found)); err != nil {
		return err
	}
	var reqs []*rtnl.Request
	for _, text := range addresses {
		a := rtnl.Address{Index: found.Index, Prefix: netip.MustParsePrefix(text)}
		if a.Prefix.Addr().Is6() {
			if !hasIPv6() {
				continue
			}
			a.Flags = unix.IFA_F_NODAD
		}
		reqs = append(reqs, rtnl.AddAddress(a))
	}
	return conn.Do(ctx, reqs...)
}

func addDefaultRoute(ctx context.Context, conn *rtnl.Conn, gateway netip.Addr) error {
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if gateway.Is6() {
		if !hasIPv6() {
			return nil
		}
		all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	// As whoever set up a real machine's network would have.
	return conn.Do(ctx, rtnl.AddRoute(rtnl.Route{Destination: all, Gateway: gateway, Protocol: unix.RTPROT_STATIC}))
}
