// Command floor makes and removes a network of many hosts with the bare netlink calls:
// no configuration, no plan, no journal, no marks. What diyform takes for the same
// network is compared with it.
//
// Each host is a network namespace with lo up, one end of a veth pair whose other end is
// a port of one bridge, an address and a default route. Run it where the names h0, h1, …
// and br0 are free: in a private machine (internal/playhost).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/rtnl"
)

const protocolStatic = 4 // RTPROT_STATIC

var (
	bridgeAddress = netip.MustParsePrefix("10.128.0.1/16")
	bridgeName    = "br0"
)

type result struct {
	Hosts          int     `json:"hosts"`
	Workers        int     `json:"workers"`
	ApplySeconds   float64 `json:"apply_seconds"`
	ReadSeconds    float64 `json:"read_seconds"`
	DestroySeconds float64 `json:"destroy_seconds"`
}

func main() {
	hosts := flag.Int("hosts", 1000, "how many hosts, at most 60000")
	workers := flag.Int("workers", 2, "how many threads make them")
	flag.Parse()
	if err := run(context.Background(), *hosts, *workers); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, hosts, workers int) error {
	var set netns.Set
	defer set.Close()
	r := result{Hosts: hosts, Workers: workers}
	var bridge int
	steps := []struct {
		seconds *float64
		do      func() error
	}{
		{&r.ApplySeconds, func() (err error) { bridge, err = apply(ctx, &set, hosts, workers); return err }},
		{&r.ReadSeconds, func() error { return read(ctx, hosts, workers) }},
		{&r.DestroySeconds, func() error { return destroy(ctx, &set, hosts, bridge) }},
	}
	for _, s := range steps {
		start := time.Now()
		if err := s.do(); err != nil {
			return err
		}
		*s.seconds = time.Since(start).Seconds()
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// split gives each worker its share of the hosts and joins their errors.
func split(hosts, workers int, work func(from, to int) error) error {
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { errs[w] = work(hosts*w/workers, hosts*(w+1)/workers) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// apply goes step by step through all hosts, not host by host: a host that is up talks
// (IPv6 neighbour and multicast discovery), which the bridge floods to all others while
// the remaining ones wait for the same lock.
func apply(ctx context.Context, set *netns.Set, hosts, workers int) (int, error) {
	bridge, err := makeBridge(ctx, set)
	if err != nil {
		return 0, err
	}
	specs := make([]netns.Spec, hosts)
	for i := range specs {
		specs[i].Name = hostName(i)
	}
	if err := errors.Join(set.Create(ctx, specs)...); err != nil {
		return 0, err
	}
	err = split(hosts, workers, func(from, to int) error { return makeLinks(ctx, set, bridge, from, to) })
	if err != nil {
		return 0, err
	}
	return bridge, split(hosts, workers, func(from, to int) error {
		for i := from; i < to; i++ {
			if err := configureHost(ctx, set, i); err != nil {
				return err
			}
		}
		return nil
	})
}

func hostName(i int) string { return fmt.Sprintf("h%d", i) }

func route(set *netns.Set, name string) (*netns.Namespace, *rtnl.Conn, error) {
	ns, err := set.Get(name)
	if err != nil {
		return nil, nil, err
	}
	conn, err := ns.Route()
	return ns, conn, err
}

func makeBridge(ctx context.Context, set *netns.Set) (int, error) {
	_, conn, err := route(set, "")
	if err != nil {
		return 0, err
	}
	var bridge rtnl.Link
	err = conn.Do(ctx,
		rtnl.CreateBridge(rtnl.LinkSpec{Name: bridgeName, Up: true}, rtnl.BridgeOptions{}),
		rtnl.GetLink(rtnl.ByName(bridgeName), &bridge))
	if err != nil {
		return 0, err
	}
	return bridge.Index, conn.Do(ctx, rtnl.AddAddress(rtnl.Address{Index: bridge.Index, Prefix: bridgeAddress}))
}

func makeLinks(ctx context.Context, set *netns.Set, bridge, from, to int) error {
	conn, err := rtnl.Open() // one socket would make the workers take turns
	if err != nil {
		return err
	}
	defer conn.Close()
	var reqs []*rtnl.Request
	for i := from; i < to; i++ {
		ns, err := set.Get(hostName(i))
		if err != nil {
			return err
		}
		reqs = append(reqs, rtnl.CreateVeth(
			rtnl.LinkSpec{Name: "v" + hostName(i), Up: true, Master: bridge},
			rtnl.PeerSpec{Name: "eth0", NetNS: ns.FD()}))
	}
	return conn.Do(ctx, reqs...)
}

func configureHost(ctx context.Context, set *netns.Set, i int) error {
	_, conn, err := route(set, hostName(i))
	if err != nil {
		return err
	}
	var link rtnl.Link
	up := true
	if err := conn.Do(ctx,
		rtnl.SetLink(rtnl.ByName("eth0"), rtnl.LinkChange{Up: &up}),
		rtnl.GetLink(rtnl.ByName("eth0"), &link)); err != nil {
		return err
	}
	n := i + 2 // .0 is the network, .1 the bridge
	address := netip.AddrFrom4([4]byte{10, 128, byte(n >> 8), byte(n)})
	return conn.Do(ctx,
		rtnl.AddAddress(rtnl.Address{Index: link.Index, Prefix: netip.PrefixFrom(address, bridgeAddress.Bits())}),
		rtnl.AddRoute(rtnl.Route{
			Destination: netip.PrefixFrom(netip.IPv4Unspecified(), 0),
			Gateway:     bridgeAddress.Addr(), Index: link.Index, Protocol: protocolStatic,
		}))
}

// read opens every namespace anew and lists all that is in it, as a plan does.
func read(ctx context.Context, hosts, workers int) error {
	var set netns.Set
	defer set.Close()
	names := make([]string, hosts)
	for i := range names {
		names[i] = hostName(i)
	}
	set.Preopen(ctx, names)
	return split(hosts, workers, func(from, to int) error {
		for _, name := range names[from:to] {
			ns, conn, err := route(&set, name)
			if err != nil {
				return err
			}
			if err := list(ctx, ns, conn); err != nil {
				return err
			}
		}
		return nil
	})
}

func list(ctx context.Context, ns *netns.Namespace, conn *rtnl.Conn) error {
	links, err := conn.Links(ctx)
	if err != nil {
		return err
	}
	addresses, err := conn.Addresses(ctx)
	if err != nil {
		return err
	}
	routes, err := conn.Routes(ctx)
	if err == nil && (len(links) < 2 || len(addresses) < 2 || len(routes) < 2) {
		err = fmt.Errorf("%s has %d links, %d addresses, %d routes", ns, len(links), len(addresses), len(routes))
	}
	return err
}

// destroy ends when the links of the host's side are gone, not when the kernel was asked.
func destroy(ctx context.Context, set *netns.Set, hosts, bridge int) error {
	host, conn, err := route(set, "")
	if err != nil {
		return err
	}
	names := make([]string, hosts)
	for i := range names {
		names[i] = hostName(i)
	}
	links, err := conn.Links(ctx)
	if err != nil {
		return err
	}
	var ports []int
	for _, l := range links {
		if l.Master == bridge {
			ports = append(ports, l.Index)
		}
	}
	if err := errors.Join(set.Delete(names)...); err != nil {
		return err
	}
	if err := host.WaitGone(ctx, ports); err != nil {
		return err
	}
	return conn.Do(ctx, rtnl.DeleteLink(rtnl.ByIndex(bridge)))
}
