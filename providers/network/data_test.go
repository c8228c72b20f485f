package network

import (
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/internal/playhost"
)

func float(v cty.Value) float64 {
	f, _ := v.AsBigFloat().Float64()
	return f
}

func TestBestDefault(t *testing.T) {
	v4, v6 := netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")
	route := func(dst netip.Prefix, index int, metric uint32) rtnl.Route {
		return rtnl.Route{Destination: dst, Index: index, Metric: metric, Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST}
	}
	other, hole := route(v4, 9, 0), route(v4, 8, 0)
	other.Table, hole.Type = 100, unix.RTN_BLACKHOLE
	routes := []rtnl.Route{
		route(netip.MustParsePrefix("10.0.0.0/8"), 7, 0), other, hole, route(v4, 0, 0),
		route(v4, 1, 600), route(v4, 2, 100), route(v6, 3, 1024),
	}
	if got := bestDefault(routes, "ipv4"); got == nil || got.Index != 2 {
		t.Errorf("IPv4: %+v", got)
	}
	if got := bestDefault(routes, "ipv6"); got == nil || got.Index != 3 {
		t.Errorf("IPv6: %+v", got)
	}
	if got := bestDefault(routes[:4], "ipv4"); got != nil {
		t.Errorf("none: %+v", got)
	}
}

func TestSourceOf(t *testing.T) {
	address := func(prefix string, index int, flags uint32, scope uint8) rtnl.Address {
		return rtnl.Address{Index: index, Prefix: netip.MustParsePrefix(prefix), Flags: flags, Scope: scope}
	}
	addresses := []rtnl.Address{
		address("10.9.0.1/24", 1, 0, 0), address("192.0.2.5/24", 2, 0, 0), address("10.0.0.5/24", 2, 0, 0),
		address("10.0.0.6/24", 2, unix.IFA_F_SECONDARY, 0), address("fe80::5/64", 2, 0, unix.RT_SCOPE_LINK),
		address("fd00::4/64", 2, unix.IFA_F_DEPRECATED, 0), address("fd00::5/64", 2, 0, 0),
	}
	for _, test := range []struct{ destination, gateway, source, want string }{
		{"0.0.0.0/0", "10.0.0.1", "", "10.0.0.5"},
		{"0.0.0.0/0", "172.16.0.1", "", "192.0.2.5"},
		{"0.0.0.0/0", "10.0.0.1", "192.0.2.5", "192.0.2.5"},
		{"::/0", "fe80::1", "", "fd00::5"},
	} {
		r := &rtnl.Route{Destination: netip.MustParsePrefix(test.destination), Gateway: netip.MustParseAddr(test.gateway), Index: 2}
		r.Source, _ = netip.ParseAddr(test.source)
		if got := sourceOf(r, addresses); got.String() != test.want {
			t.Errorf("by %s: %v", test.gateway, got)
		}
	}
}

func TestTotalMemory(t *testing.T) {
	if got, err := totalMemory("MemTotal:        2048 kB\nMemFree: 1 kB\n"); got != 2<<20 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	if _, err := totalMemory("MemFree: 1 kB\n"); err == nil {
		t.Error("no MemTotal passes")
	}
}

func TestDataOfTheMachine(t *testing.T) {
	k := newKernel(t)
	wan := k.mustData("default_route", nil)
	if wan["interface"].AsString() != "eth0" || wan["gateway"].AsString() != playhost.GatewayAddress4 || wan["source"].AsString() != playhost.HostAddress4 {
		t.Errorf("default_route: %v", wan)
	}
	if wan := k.mustData("default_route", args("family", "ipv6")); wan["source"].AsString() != playhost.HostAddress6 {
		t.Errorf("IPv6 default_route: %v", wan)
	}
	eth0 := k.mustData("interface", args("name", "eth0"))
	if eth0["up"].False() || eth0["kind"].AsString() != "veth" || len(eth0["addresses"].AsValueSlice()) < 2 {
		t.Errorf("interface: %v", eth0)
	}
	host := k.mustData("host", nil)
	if host["is_root"].False() || float(host["uid"]) != 0 || float(host["memory"]) < 1<<20 || host["boot_id"].AsString() == "" {
		t.Errorf("host: %v", host)
	}
	internet := k.mustData("network_namespace", args("name", playhost.InternetNamespace))
	if got := shell(t, "stat -L -c %i "+internet["path"].AsString()); internet["inode"].AsBigFloat().Text('f', 0) != got {
		t.Errorf("network_namespace: %v, inode %s", internet, got)
	}
	for typ, test := range map[string]struct {
		config map[string]cty.Value
		want   string
	}{
		"interface":         {args("name", "nowhere0"), `no interface "nowhere0"`},
		"network_namespace": {args("name", "nowhere"), `has the name "nowhere"`},
		"default_route":     {args("namespace", "nowhere"), `has the name "nowhere"`},
		"ping":              {args("target", "10.0.0.1", "namespace", "nowhere"), `has the name "nowhere"`},
		"tcp":               {args("host", "10.0.0.1", "port", 1, "namespace", "nowhere"), `has the name "nowhere"`},
	} {
		if _, err := k.data(typ, test.config); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func TestNoDefaultRoute(t *testing.T) {
	k := newKernel(t)
	twoHosts(t)
	if _, err := k.data("default_route", args("namespace", "near")); err == nil || !strings.Contains(err.Error(), `"near" has no IPv4 default route`) {
		t.Errorf("got %v", err)
	}
}

func TestPing(t *testing.T) {
	k := newKernel(t)
	twoHosts(t)
	for name, target := range map[string]string{
		"IPv4": "10.0.0.2", "IPv6": "fd00::2", "itself": "127.0.0.1", "link-local": linkLocal(t) + "%va",
	} {
		got := k.mustData("ping", args("namespace", "near", "target", target, "count", 2, "interval", 20))
		if float(got["received"]) != 2 || float(got["min_ms"]) <= 0 || float(got["max_ms"]) < float(got["avg_ms"]) {
			t.Errorf("%s: %v", name, got)
		}
	}
	far := k.mustData("ping", args("target", playhost.InternetAddress4, "namespace", ""))
	if float(far["received"]) != 1 {
		t.Errorf("the internet: %v", far)
	}
	for name, target := range map[string]string{"nobody": "10.0.0.77", "no route": "203.0.113.1", "no route 6": "2001:db8::1"} {
		got := k.mustData("ping", args("namespace", "near", "target", target, "timeout", 1))
		if float(got["received"]) != 0 || float(got["sent"]) < 3 || float(got["loss"]) != 100 || !got["avg_ms"].IsNull() {
			t.Errorf("%s: %v", name, got)
		}
		if strings.HasPrefix(name, "no route") && !strings.Contains(got["error"].AsString(), "unreachable") {
			t.Errorf("%s: %v", name, got["error"])
		}
	}
}

func linkLocal(t *testing.T) string {
	t.Helper()
	return shell(t, `ip -n far -6 addr show dev vb scope link | sed -n 's/.*inet6 \([^/]*\).*/\1/p'`)
}

// A lab that was made a moment ago is not ready at once: the ping waits for it.
func TestPingWaitsForTheNetwork(t *testing.T) {
	k := newKernel(t)
	twoHosts(t)
	shell(t, "ip -n far link set vb down")
	up := exec.Command("sh", "-c", "sleep 0.5; ip -n far link set vb up")
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	got := k.mustData("ping", args("namespace", "near", "target", "10.0.0.2"))
	if float(got["received"]) != 1 || float(got["sent"]) < 2 {
		t.Errorf("got %v", got)
	}
	if err := up.Wait(); err != nil {
		t.Error(err)
	}
}

// An ordinary user's ping goes by the kernel's ping sockets.
func TestPingSocket(t *testing.T) {
	newKernel(t)
	shell(t, `sysctl -q -w net.ipv4.ping_group_range="0 0"`)
	ns, err := netns.Host()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	for _, address := range []string{"127.0.0.1", "::1"} {
		e, err := newEcho(ns, target{address: netip.MustParseAddr(address)}, 56, unix.SOCK_DGRAM)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.run(t.Context(), 2, 10*time.Millisecond); err != nil || len(e.trips) != 2 {
			t.Errorf("%s: %v, %d answers", address, err, len(e.trips))
		}
		e.close()
	}
}

func TestTCP(t *testing.T) {
	k := newKernel(t)
	for _, address := range []string{"127.0.0.1", "::1"} {
		l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		got := k.mustData("tcp", args("host", address, "port", port))
		if got["reachable"].False() || float(got["latency_ms"]) <= 0 || !got["error"].IsNull() {
			t.Errorf("%s: %v", address, got)
		}
		l.Close()
		got = k.mustData("tcp", args("host", address, "port", port, "timeout", 1))
		if got["reachable"].True() || !strings.Contains(got["error"].AsString(), "refused") {
			t.Errorf("%s, closed: %v", address, got)
		}
	}
	twoHosts(t)
	shell(t, "ip netns exec far nft 'add table t; add chain t in { type filter hook input priority 0; policy drop; }'")
	got := k.mustData("tcp", args("namespace", "near", "host", "10.0.0.2", "port", 80, "timeout", 1))
	if got["reachable"].True() || got["error"].AsString() != "no answer within 1 seconds" {
		t.Errorf("dropped: %v", got)
	}
}
