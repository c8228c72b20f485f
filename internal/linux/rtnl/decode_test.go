package rtnl

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// recorded calls each for every message of a file that TestRecord wrote.
func recorded(t testing.TB, name string, each func(message)) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".bin"))
	if err != nil {
		t.Fatal(err)
	}
	err = walkMessages(b, func(m message) error {
		if m.typ >= unix.RTM_BASE {
			each(m)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDecodeLinks(t *testing.T) {
	links := map[string]Link{}
	recorded(t, "links", func(m message) {
		var l Link
		if err := l.decode(m.body); err != nil {
			t.Fatal(err)
		}
		links[l.Name] = l
	})
	lan, va, vb, lo := links["lan"], links["va"], links["vb"], links["lo"]
	if lan.Kind != "bridge" || lan.Alias != "an alias" || lan.MTU != 1400 || !cmp.Equal(lan.AltNames, []string{"a-long-name-of-a-bridge"}) ||
		lan.MAC.String() != "02:00:00:00:00:01" || *lan.Bridge.ForwardDelay != 1500 || *lan.Bridge.STP || !lan.Up() {
		t.Errorf("lan is %+v", lan)
	}
	if va.Kind != "veth" || va.Master != lan.Index || va.Lower != vb.Index || va.LowerNS != -1 {
		t.Errorf("va is %+v", va)
	}
	if !lo.IsLoopback() || lo.MAC != nil {
		t.Errorf("lo is %+v", lo)
	}
}

func TestDecodeAddresses(t *testing.T) {
	found := map[string]Address{}
	recorded(t, "addresses", func(m message) {
		var a Address
		known, err := a.decode(m.body)
		if err != nil || !known {
			t.Fatal(known, err)
		}
		found[a.Prefix.String()] = a
	})
	a := found["10.2.0.1/24"]
	if a.Broadcast != netip.MustParseAddr("10.2.0.255") || a.Label != "lan:x" || a.Metric != 77 || !a.Lasting() || a.Valid != Forever {
		t.Errorf("10.2.0.1/24 is %+v", a)
	}
	if p := found["10.3.0.1/30"]; p.Peer != netip.MustParseAddr("10.3.0.2") {
		t.Errorf("the point-to-point address is %+v", p)
	}
	if six := found["fd02::1/64"]; six.Flags&unix.IFA_F_NODAD == 0 || six.KernelMade() {
		t.Errorf("fd02::1/64 is %+v", six)
	}
	kernels := 0
	for _, a := range found {
		if a.KernelMade() {
			kernels++
		}
	}
	if kernels == 0 {
		t.Error("no address is the kernel's")
	}
}

func TestDecodeRoutes(t *testing.T) {
	found := map[string]Route{}
	hidden := 0
	recorded(t, "routes", func(m message) {
		if !isConfigured(m.body) {
			hidden++
			return
		}
		var r Route
		if err := r.decode(m.body); err != nil {
			t.Fatal(err)
		}
		found[r.Destination.String()] = r
	})
	if multi := found["10.6.0.0/16"]; multi.Protocol != 77 || multi.Index != 0 || !multi.Uses(lanIndex(t)) {
		t.Errorf("the route by two next hops is %+v", multi)
	}
	if hole := found["10.7.0.0/16"]; hole.Table != 300 || hole.Type != unix.RTN_BLACKHOLE {
		t.Errorf("the black hole is %+v", hole)
	}
	if six := found["fd77::/64"]; six.Gateway != netip.MustParseAddr("fd02::9") || six.Metric != 7 {
		t.Errorf("fd77::/64 is %+v", six)
	}
	if hidden == 0 {
		t.Error("the kernel's own routes are not left out")
	}
}

func lanIndex(t *testing.T) (index int) {
	t.Helper()
	recorded(t, "links", func(m message) {
		var l Link
		if l.decode(m.body) == nil && l.Name == "lan" {
			index = l.Index
		}
	})
	return index
}

// A bridge with VLANs, as of every distribution's kernel, tells of a port that leaves it with the
// port's VLANs, where other messages have what families say of the link.
func TestBridgesMessageIsNotALinks(t *testing.T) {
	const portVLANInfo = 2 // IFLA_BRIDGE_VLAN_INFO of linux/if_bridge.h
	e := encoder{make([]byte, unix.SizeofIfInfomsg)}
	e.b[0], e.b[4] = unix.AF_BRIDGE, 3
	spec := e.begin(unix.IFLA_AF_SPEC)
	e.attr(portVLANInfo, []byte{6, 0, 1, 0}) // PVID and untagged, VLAN 1
	e.end(spec)
	for _, typ := range []uint16{unix.RTM_NEWLINK, unix.RTM_DELLINK} {
		if ev, known, err := decodeEvent(message{typ: typ, body: e.b}); known || err != nil {
			t.Errorf("message %d is taken as %+v, %v", typ, ev, err)
		}
	}
}

func TestEndOfDump(t *testing.T) {
	ack := message{typ: unix.NLMSG_DONE, body: []byte{0, 0, 0, 0}}
	if err := dumpEnd(ack); err != nil {
		t.Error(err)
	}
	denied := message{typ: unix.NLMSG_ERROR, flags: nlmFlagCapped, body: append([]byte{0xff, 0xff, 0xff, 0xff}, make([]byte, 16)...)}
	if err := dumpEnd(denied); err == nil {
		t.Error("an error at the end of a list is none")
	}
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{"eth0": true, "a.b-c_d": true, "": false, ".": false, "a/b": false, "a:b": false, "a b": false, "0123456789abcdef": false} {
		if got := CheckName(name) == nil; got != ok {
			t.Errorf("%q is taken as %v", name, got)
		}
	}
}

// FuzzMessages feeds what a kernel could never send: the decoders may refuse, not fail.
func FuzzMessages(f *testing.F) {
	for _, name := range []string{"links", "addresses", "routes"} {
		recorded(f, name, func(m message) {
			r := Request{typ: m.typ, flags: m.flags, body: m.body}
			f.Add(r.appendTo(nil, 0))
		})
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = walkMessages(b, func(m message) error {
			_, _, _ = decodeEvent(m)
			_, _, _ = parseAck(m)
			if r, err := ParseRoute(m.body); err == nil {
				if !r.Destination.IsValid() {
					t.Errorf("a route without destination: %+v", r)
				}
				r.Uses(3)
				_, _ = r.Restore(1, 2)
				r.Withdraw()
			}
			return nil
		})
	})
}
