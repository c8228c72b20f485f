package network

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/providers"
)

// What ids say, each form of each type.
func TestLocate(t *testing.T) {
	metric := func(n int) *int { return &n }
	tests := []struct {
		id   string
		got  func(id string) (any, error)
		want any
	}{
		{"lan", locate(bridge{}.Locate), bridgeAttrs{Name: "lan"}},
		{"lab/lan", locate(bridge{}.Locate), bridgeAttrs{Namespace: "lab", Name: "lan"}},
		{"lab/va", locate(vethPair{}.Locate), vethAttrs{Namespace: "lab", Name: "va"}},
		{"lab", locate(networkNamespace{}.Locate), namespaceAttrs{Name: "lab"}},
		{"/run/netns/lab", locate(networkNamespace{}.Locate), namespaceAttrs{Name: "lab"}},
		{"eth0/10.0.0.1/24", locate(address{}.Locate), addressAttrs{Interface: "eth0", Address: "10.0.0.1/24"}},
		{"lab/eth0/FD00::1/64", locate(address{}.Locate), addressAttrs{Namespace: "lab", Interface: "eth0", Address: "fd00::1/64"}},
		{"net.ipv4.ip_forward", locate(sysctl{}.Locate), sysctlAttrs{Key: "net.ipv4.ip_forward"}},
		{"net/ipv4/ip_forward", locate(sysctl{}.Locate), sysctlAttrs{Key: "net.ipv4.ip_forward"}},
		{"net/ipv4/conf/eth0.5/forwarding", locate(sysctl{}.Locate), sysctlAttrs{Key: "net/ipv4/conf/eth0.5/forwarding"}},
		{"lab/net.ipv4.ip_forward", locate(sysctl{}.Locate), sysctlAttrs{Namespace: "lab", Key: "net.ipv4.ip_forward"}},
		{"lab/net/ipv4/ip_forward", locate(sysctl{}.Locate), sysctlAttrs{Namespace: "lab", Key: "net.ipv4.ip_forward"}},
		{"default", locate(route{}.Locate), routeAttrs{Destination: "default", Family: "ipv4", Table: 254}},
		{"0.0.0.0/0", locate(route{}.Locate), routeAttrs{Destination: "default", Family: "ipv4", Table: 254}},
		{"::/0 dev eth0", locate(route{}.Locate), routeAttrs{Destination: "default", Family: "ipv6", Interface: "eth0", Table: 254}},
		{"default via fd00::1", locate(route{}.Locate), routeAttrs{Destination: "default", Family: "ipv6", Gateway: "fd00::1", Table: 254}},
		{"10.1.2.3", locate(route{}.Locate), routeAttrs{Destination: "10.1.2.3/32", Table: 254}},
		{"lab/10.1.0.0/16 via 10.0.0.1 dev eth0 metric 50 table 7", locate(route{}.Locate), routeAttrs{
			Namespace: "lab", Destination: "10.1.0.0/16", Gateway: "10.0.0.1", Interface: "eth0", Metric: metric(50), Table: 7}},
		{"lab/default", locate(route{}.Locate), routeAttrs{Namespace: "lab", Destination: "default", Family: "ipv4", Table: 254}},
	}
	for _, tt := range tests {
		got, err := tt.got(tt.id)
		if err != nil || describe(got) != describe(tt.want) {
			t.Errorf("%s: got %s, %v; want %s", tt.id, describe(got), err, describe(tt.want))
		}
	}
}

func locate[T any](f func(string) (T, error)) func(string) (any, error) {
	return func(id string) (any, error) { return f(id) }
}

// describe writes a struct with what its pointers point to.
func describe(v any) string {
	if r, ok := v.(routeAttrs); ok && r.Metric != nil {
		metric := *r.Metric
		r.Metric = nil
		return fmt.Sprintf("%+v metric %d", r, metric)
	}
	return fmt.Sprintf("%+v", v)
}

func TestLocateRefuses(t *testing.T) {
	tests := []struct {
		id, want string
		got      func(id string) (any, error)
	}{
		{"", "empty", locate(bridge{}.Locate)},
		{"/lan", "leave the slash out", locate(bridge{}.Locate)},
		{"lab/", "empty", locate(bridge{}.Locate)},
		{"a/b/c", "slash", locate(bridge{}.Locate)},
		{"an-interface-name-that-is-long", "15", locate(vethPair{}.Locate)},
		{"a/b", "slash", locate(networkNamespace{}.Locate)},
		{"eth0", "slashes between", locate(address{}.Locate)},
		{"eth0/10.0.0.1", "slashes between", locate(address{}.Locate)},
		{"eth0/10.0.0.300/24", "not an IP address", locate(address{}.Locate)},
		{"eth0/10.0.0.1/33", "not a prefix length", locate(address{}.Locate)},
		{"forward", "dots between", locate(sysctl{}.Locate)},
		{"lab/kernel.hostname", "belong to a network namespace", locate(sysctl{}.Locate)},
		{"", "empty", locate(route{}.Locate)},
		{"lab/nowhere", "no network", locate(route{}.Locate)},
		{"10.0.0.1/24", "beyond the prefix", locate(route{}.Locate)},
		{"default via", "nothing stands after", locate(route{}.Locate)},
		{"default by 10.0.0.1", "none of via", locate(route{}.Locate)},
		{"default via here", "not an IP address", locate(route{}.Locate)},
		{"default metric low", "no number", locate(route{}.Locate)},
	}
	for _, tt := range tests {
		if got, err := tt.got(tt.id); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %+v, %v; want %q", tt.id, got, err, tt.want)
		}
	}
}

// Whatever is given for an id, it names something or is refused.
func FuzzLocate(f *testing.F) {
	for _, seed := range []string{"lan", "lab/lan", "default via fd00::1 dev e metric 5 table 7", "e/10.0.0.1/24", "lab/net/ipv4/x", "::/0", "//"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if v, err := (bridge{}).Locate(id); err == nil && inNamespace(v.Namespace, v.Name) != id {
			t.Errorf("%q names %+v", id, v)
		}
		if v, err := (address{}).Locate(id); err == nil && v.Interface == "" {
			t.Errorf("%q names %+v", id, v)
		}
		if v, err := (route{}).Locate(id); err == nil && !v.key().Destination.IsValid() {
			t.Errorf("%q names %+v", id, v)
		}
		_, _ = sysctl{}.Locate(id)
		_, _ = networkNamespace{}.Locate(id)
	})
}

func (k *kernel) importOne(typ, id string) (*providers.Object, error) {
	k.t.Helper()
	got := k.session.Snapshot().Import(context.Background(), []providers.ImportRequest{{Address: at(typ, "x"), ID: id}})[0]
	return got.Object, got.Err
}

func (k *kernel) refused(typ, id, want string) {
	k.t.Helper()
	if o, err := k.importOne(typ, id); err == nil || !strings.Contains(err.Error(), want) {
		k.t.Errorf("import of %s %q: got %v, %v; want %q", typ, id, o, err, want)
	}
}

// adopted imports an object and marks it.
func (k *kernel) adopted(typ, id string) *providers.Object {
	k.t.Helper()
	o, err := k.importOne(typ, id)
	if err != nil {
		k.t.Fatal(err)
	}
	op := &providers.Operation{Action: providers.Update, Type: typ, Address: o.Address, Prior: o, Planned: o.Attributes}
	k.apply(op)
	if op.Err != nil {
		k.t.Fatal(op.Err)
	}
	if diff := k.registry.Type(typ).Schema().Diff(o.Attributes, op.Result.Attributes); len(diff) > 0 {
		k.t.Errorf("the import of %s %q changed %v", typ, id, diff)
	}
	if got := k.read(op.Result); got == nil {
		k.t.Errorf("%s %q reads as gone", typ, id)
	}
	return op.Result
}

func (k *kernel) release(o *providers.Object) {
	k.t.Helper()
	op := &providers.Operation{Action: providers.Release, Type: o.Address.Type, Address: o.Address, Prior: o}
	k.apply(op)
	if op.Err != nil || op.Result != nil {
		k.t.Errorf("release: %v, left %v", op.Err, op.Result)
	}
}

// An address gets our protocol number without losing its label or metric, and loses it again.
func TestImportAddress(t *testing.T) {
	k := newKernel(t)
	twoHosts(t)
	shell(t, `ip -n near addr add 10.9.0.1/24 brd 10.9.0.255 dev va label va:x metric 77
		ip -n near addr add fd09::1/64 dev va nodad
		ip -n near addr add 10.8.0.1/24 dev va valid_lft 1000 preferred_lft 1000`)
	for _, address := range []string{"10.9.0.1/24", "fd09::1/64"} {
		o := k.adopted("address", "near/va/"+address)
		if got := protocolOf(t, "near", address); got != AddressProtocol {
			t.Errorf("%s has the protocol number %d", address, got)
		}
		k.release(o)
		if got := protocolOf(t, "near", address); got != 0 {
			t.Errorf("%s, which was let go of, has the protocol number %d", address, got)
		}
	}
	k.refused("address", "near/va/10.8.0.1/24", "Somebody else looks after the address")
	k.refused("address", "near/vb/10.9.0.1/24", "There is no such interface")
	if got := shell(t, "ip -n near -o address show dev va to 10.9.0.1"); !strings.Contains(got, "va:x") || !strings.Contains(got, "metric 77") {
		t.Errorf("got %s", got)
	}
}

func protocolOf(t *testing.T, namespace, address string) uint8 {
	t.Helper()
	ns, err := netns.Open(namespace)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	conn, err := ns.Route()
	if err != nil {
		t.Fatal(err)
	}
	list, err := conn.Addresses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if a.Prefix.String() == address {
			return a.Protocol
		}
	}
	t.Fatalf("%s has no address %s", namespace, address)
	return 0
}

// A route that has more than a resource can say would lose it.
func TestImportRoute(t *testing.T) {
	k := newKernel(t)
	twoHosts(t)
	shell(t, `ip -n near route add 10.1.0.0/24 via 10.0.0.2 mtu 1400 src 10.0.0.1
		ip -n near route add 10.2.0.0/24 nexthop via 10.0.0.2 weight 1 nexthop via 10.0.0.3 weight 1
		ip -n near route add 10.3.0.0/24 via 192.0.2.1 dev va onlink
		ip -n near route add 10.4.0.0/24 via 10.0.0.2 advmss 500
		ip -n near route add 10.5.0.0/24 tos 8 via 10.0.0.2
		ip -n near route add 10.6.0.0/24 via 10.0.0.2 metric 5
		ip -n near route add 10.6.0.0/24 via 10.0.0.3 metric 6
		ip -n near route add blackhole 10.7.0.0/24
		ip -n near -6 route add fd07::/64 via fd00::2`)
	for _, id := range []string{"near/10.1.0.0/24", "near/10.6.0.0/24 metric 6", "near/10.6.0.0/24 via 10.0.0.2", "near/10.7.0.0/24", "near/fd07::/64"} {
		o := k.adopted("route", id)
		if got := shell(t, "ip -n near route show proto 100; ip -n near -6 route show proto 100"); got == "" {
			t.Errorf("%s is not marked", id)
		}
		k.release(o)
		if got := shell(t, "ip -n near route show proto 100; ip -n near -6 route show proto 100"); got != "" {
			t.Errorf("%s is still marked: %s", id, got)
		}
	}
	for id, want := range map[string]string{
		"near/10.2.0.0/24": "several next hops", "near/10.3.0.0/24": "onlink", "near/10.4.0.0/24": "metric number 8",
		"near/10.5.0.0/24": "type of service", "near/10.6.0.0/24": "There are 2 routes of that form", "near/10.0.0.0/24": "comes from the kernel",
		"near/10.9.0.0/24": "There is no such route", "nearr/10.1.0.0/24": `Did you mean "near"?`,
	} {
		k.refused("route", id, want)
	}
}

// The other end is found wherever it has a name, and nowhere else.
func TestImportVethPair(t *testing.T) {
	k := newKernel(t)
	twoHosts(t)
	namespaces(t, "third")
	shell(t, `ip -n near link add vx type veth peer name vy
		ip -n near link set vx alias "of somebody"
		ip -n third link add vz type veth peer name vw netns near`)
	o := k.adopted("veth_pair", "near/va")
	if got := o.Attributes.GetAttr("peer").GetAttr("namespace").AsString(); got != "far" {
		t.Errorf("the peer is in %s", got)
	}
	o = k.adopted("veth_pair", "near/vx")
	if got := o.Attributes.GetAttr("peer").GetAttr("name").AsString(); got != "vy" {
		t.Errorf("the peer is %s", got)
	}
	k.release(o)
	if got := shell(t, "ip -n near link show vx"); !strings.Contains(got, "alias of somebody") {
		t.Errorf("the alias is not given back: %s", got)
	}
	shell(t, "ip -n near link set vx alias diyform:ffffffff:veth_pair.other")
	k.refused("veth_pair", "near/vx", "veth_pair.other of the state whose lineage begins with ffffffff")
	k.refused("veth_pair", "near/vy", "veth_pair.other of the state whose lineage begins with ffffffff")
	k.refused("bridge", "near/vw", "so it cannot become a bridge")
	k.refused("bridge", "near/br", "There is none of the kind bridge")
	k.refused("veth_pair", "near/v", "Of the kind veth there is va, vw, vx, vy")
}
