package rtnl

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/playhost/playtest"
)

var record = flag.Bool("record", false, "write the kernel's answers to testdata")

func shell(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}

func open(t *testing.T) *Conn {
	t.Helper()
	playtest.Require(t)
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// testBridge makes a bridge that the test ends with, and gives its index.
func testBridge(t *testing.T, c *Conn, name string) int {
	t.Helper()
	var l Link
	mac, _ := net.ParseMAC("02:00:00:00:00:01")
	if err := c.Do(t.Context(), CreateBridge(LinkSpec{Name: name, Up: true, MAC: mac}, BridgeOptions{}), GetLink(ByName(name), &l)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Do(context.Background(), DeleteLink(ByIndex(l.Index))) })
	return l.Index
}

func TestLinks(t *testing.T) {
	c := open(t)
	index := testBridge(t, c, "lan")
	alias, name, up := "an alias", "wan7", true
	mac, _ := net.ParseMAC("02:00:00:00:00:07")
	var near, peer Link
	err := c.Do(t.Context(),
		CreateVeth(LinkSpec{Name: "va", Up: true, MTU: 1400, Master: index}, PeerSpec{Name: "vb", MAC: mac}),
		SetLink(ByName("va"), LinkChange{Alias: &alias}),
		AddAltName(ByName("va"), "a-very-long-name-of-a-link"),
		GetLink(ByName("a-very-long-name-of-a-link"), &near), GetLink(ByName("vb"), &peer))
	if err != nil {
		t.Fatal(err)
	}
	if near.Name != "va" || near.Kind != "veth" || near.MTU != 1400 || !near.Up() || near.Master != index ||
		near.Alias != alias || near.Lower != peer.Index || peer.MAC.String() != mac.String() || peer.Up() {
		t.Errorf("links are %+v and %+v", near, peer)
	}
	off, delay := 0, uint32(400)
	if err := c.Do(t.Context(),
		RenameLink(peer.Index, name), SetLink(ByIndex(peer.Index), LinkChange{Up: &up}),
		SetLink(ByIndex(near.Index), LinkChange{Master: &off}),
		SetLink(ByIndex(index), LinkChange{Bridge: &BridgeOptions{ForwardDelay: &delay}})); err != nil {
		t.Fatal(err)
	}
	list, err := c.Links(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, l := range list {
		switch {
		case l.Index == peer.Index && l.Name == name && l.Up(),
			l.Index == near.Index && l.Master == 0,
			l.Index == index && *l.Bridge.ForwardDelay == delay,
			l.IsLoopback():
			found++
		}
	}
	if found != 4 {
		t.Errorf("the list is %+v", list)
	}
	if err := c.Do(t.Context(), DeleteLink(ByName("va"))); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	c := open(t)
	testBridge(t, c, "lan")
	second := CreateBridge(LinkSpec{Name: "lan"}, BridgeOptions{})
	missing := DeleteLink(ByName("nope"))
	after := GetLink(ByName("lan"), &Link{})
	err := c.Do(t.Context(), second, missing, after)
	if !errors.Is(second.Err(), unix.EEXIST) || !errors.Is(missing.Err(), unix.ENODEV) || after.Err() != nil {
		t.Errorf("the requests' errors are %v, %v, %v", second.Err(), missing.Err(), after.Err())
	}
	if !errors.Is(err, unix.EEXIST) || !errors.Is(err, unix.ENODEV) {
		t.Errorf("joined, they are %v", err)
	}
	if err := c.Do(t.Context(), CreateLink("no-such-kind", LinkSpec{Name: "x"})); !strings.Contains(err.Error(), "kernel says: Unknown device type") {
		t.Errorf("without the kernel's words: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Do(ended, GetLink(ByName("lan"), &Link{})); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
	if err := (&Error{Op: "x", Errno: unix.EPERM}).Error(); !strings.Contains(err, "CAP_NET_ADMIN") {
		t.Errorf("EPERM reads %q", err)
	}
}

// More requests than one message takes.
func TestManyRequests(t *testing.T) {
	c := open(t)
	index := testBridge(t, c, "lan")
	var reqs []*Request
	for i := range 300 {
		a := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		reqs = append(reqs, AddAddress(Address{Index: index, Prefix: netip.PrefixFrom(a, 32)}))
	}
	if err := c.Do(t.Context(), reqs...); err != nil {
		t.Fatal(err)
	}
	list, err := c.AddressesOn(t.Context(), index)
	if err != nil {
		t.Fatal(err)
	}
	four := 0
	for _, a := range list {
		if a.Prefix.Addr().Is4() {
			four++
		}
	}
	if four != 300 {
		t.Errorf("%d addresses are there", four)
	}
}

func TestAddressesComeBackAsTheyWere(t *testing.T) {
	c := open(t)
	index := testBridge(t, c, "lan")
	shell(t, `
		ip addr add 10.2.0.1/24 brd + dev lan label lan:x metric 77
		ip addr add 10.2.0.2/24 dev lan valid_lft 1000 preferred_lft 500
		ip addr add 10.3.0.1 peer 10.3.0.2/30 dev lan
		ip addr add fd02::1/64 dev lan nodad noprefixroute`)
	before := shell(t, "ip -j addr show lan | jq '.[0].addr_info'")
	list, err := c.AddressesOn(t.Context(), index)
	if err != nil {
		t.Fatal(err)
	}
	var remove, add []*Request
	for _, a := range list {
		if !a.KernelMade() {
			remove, add = append(remove, DeleteAddress(a)), append(add, AddAddress(a))
		}
	}
	if err := c.Do(t.Context(), append(remove, add...)...); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Fatal(err)
	}
	if after := shell(t, "ip -j addr show lan | jq '.[0].addr_info'"); after != before {
		t.Errorf("they were\n%s\nand are\n%s", before, after)
	}
}

func TestRoutesComeBackAsTheyWere(t *testing.T) {
	c := open(t)
	index := testBridge(t, c, "lan")
	shell(t, `
		ip addr add 10.2.0.1/24 dev lan; ip addr add fd02::1/64 dev lan nodad
		ip route add 10.5.0.0/16 via 10.2.0.9 metric 3 mtu lock 1300 src 10.2.0.1
		ip route add 10.6.0.0/16 proto 77 nexthop via 10.2.0.5 weight 3 nexthop via 10.2.0.6
		ip route add 10.7.0.0/16 dev lan scope link table 300
		ip route append 10.5.0.0/16 via 10.2.0.10 metric 3
		ip route add 10.8.0.0/16 via inet6 fd02::9 dev lan
		ip -6 route add fd77::/64 via fd02::9 metric 7 expires 1000 pref high
		ip -6 route add fd78::/64 nexthop via fd02::5 nexthop via fd02::6 weight 4`)
	list := "{ ip route show table all dev lan; ip route show 10.6.0.0/16; ip -6 route show fd78::/64; } | sed 's/expires [0-9]*sec//'"
	before := shell(t, list)
	routes, err := c.Routes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var withdraw, restore []*Request
	for _, r := range routes {
		if !r.Uses(index) || r.Protocol == unix.RTPROT_KERNEL {
			continue
		}
		again, err := ParseRoute(r.Raw)
		if err != nil {
			t.Fatal(err)
		}
		req, err := again.Restore(index, index)
		if err != nil {
			t.Fatal(err)
		}
		withdraw, restore = append(withdraw, r.Withdraw()), append(restore, req)
	}
	if err := c.Do(t.Context(), withdraw...); err != nil {
		t.Fatal(err)
	}
	if got := shell(t, "ip route show table 300; ip route show 10.5.0.0/16; ip route show 10.6.0.0/16; ip -6 route show fd77::/64; ip -6 route show fd78::/64"); got != "" {
		t.Errorf("not withdrawn: %s", got)
	}
	if err := c.Do(t.Context(), restore...); err != nil {
		t.Fatal(err)
	}
	if after := shell(t, list); after != before {
		t.Errorf("they were\n%s\nand are\n%s", before, after)
	}
	if len(restore) != 7 {
		t.Errorf("%d routes", len(restore))
	}
}

func TestRouteRequests(t *testing.T) {
	c := open(t)
	index := testBridge(t, c, "lan")
	shell(t, "ip addr add 10.2.0.1/24 dev lan")
	r := Route{Destination: netip.MustParsePrefix("10.9.0.0/16"), Gateway: netip.MustParseAddr("10.2.0.9"), Protocol: 100, Metric: 9}
	other := r
	other.Gateway, other.MTU = netip.MustParseAddr("10.2.0.8"), 1300
	if err := c.Do(t.Context(), AddRoute(r), ReplaceRoute(other)); err != nil {
		t.Fatal(err)
	}
	if got := shell(t, "ip route show 10.9.0.0/16"); got != "10.9.0.0/16 via 10.2.0.8 dev lan proto 100 metric 9 linkdown mtu 1300" {
		t.Error(got)
	}
	onLink := Route{Destination: netip.MustParsePrefix("10.10.0.0/16"), Index: index}
	var local Route
	if err := c.Do(t.Context(), DeleteRoute(other), AddRoute(onLink), GetRoute(netip.MustParseAddr("10.2.0.1"), &local)); err != nil {
		t.Fatal(err)
	}
	if local.Type != unix.RTN_LOCAL {
		t.Errorf("our own address is not local: %+v", local)
	}
	if err := c.Do(t.Context(), DeleteRoute(other)); !errors.Is(err, unix.ESRCH) {
		t.Errorf("deleting it twice: %v", err)
	}
}

func TestEvents(t *testing.T) {
	c := open(t)
	events, err := Subscribe(unix.RTNLGRP_LINK)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	index := testBridge(t, c, "lan")
	if err := c.Do(t.Context(), DeleteLink(ByIndex(index))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for {
		ev, err := events.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if ev.Gone && ev.Link.Index == index {
			break
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	for {
		if _, err := events.Next(short); err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			return
		}
	}
}

// TestRecord writes the answers that the decoders are tested with, when asked to.
func TestRecord(t *testing.T) {
	if !*record {
		t.Skip("only with -record")
	}
	c := open(t)
	testBridge(t, c, "lan")
	shell(t, `
		ip link set lan alias 'an alias' mtu 1400; ip link property add dev lan altname a-long-name-of-a-bridge
		ip link add name va type veth peer name vb; ip link set va up master lan; ip link set vb up
		ip addr add 10.2.0.1/24 brd + dev lan label lan:x metric 77
		ip addr add 10.3.0.1 peer 10.3.0.2/30 dev lan; ip addr add fd02::1/64 dev lan nodad
		ip route add 10.6.0.0/16 proto 77 nexthop via 10.2.0.5 weight 3 nexthop via 10.2.0.6
		ip route add blackhole 10.7.0.0/16 table 300
		ip -6 route add fd77::/64 via fd02::9 metric 7 expires 1000 pref high`)
	for name, req := range map[string]Request{
		"links":     {typ: unix.RTM_GETLINK, body: make([]byte, unix.SizeofIfInfomsg)},
		"addresses": {typ: unix.RTM_GETADDR, body: make([]byte, unix.SizeofIfAddrmsg)},
		"routes":    {typ: unix.RTM_GETROUTE, body: make([]byte, unix.SizeofRtMsg)},
	} {
		if err := c.send(req.appendTo(nil, unix.NLM_F_DUMP)); err != nil {
			t.Fatal(err)
		}
		var all []byte
		for done := false; !done; {
			buf := make([]byte, datagramSize)
			n, err := receiveDatagram(c.fd, buf)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, buf[:n]...)
			done = binary.NativeEndian.Uint16(buf[4:]) == unix.NLMSG_DONE
		}
		if err := os.WriteFile(filepath.Join("testdata", name+".bin"), all, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	shell(t, "ip link del va")
}
