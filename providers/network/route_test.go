package network

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
)

func viewOf(links []rtnl.Link, routes ...rtnl.Route) *view {
	v := &view{links: links, routes: routes}
	v.index(nil)
	return v
}

func TestRouteRead(t *testing.T) {
	made := rtnl.Route{
		Destination: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("10.0.0.1"), Index: 2,
		Table: unix.RT_TABLE_MAIN, Protocol: RouteProtocol, Type: unix.RTN_UNICAST, MTU: 1400,
	}
	zero := 0
	recorded := routeAttrs{Namespace: "lab", Destination: "default", Family: "ipv4", Table: 254, Metric: &zero}
	read := func(routes ...rtnl.Route) *providers.Recorded[routeAttrs, routeKey] {
		s := &snapshot{namespaces: map[string]*view{"lab": viewOf([]rtnl.Link{{Index: 2, Name: "veth1"}}, routes...)}}
		got, err := route{}.Read(s, &providers.Recorded[routeAttrs, routeKey]{Attrs: recorded, Identity: recorded.key(), Unfinished: true})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := read(made)
	if got == nil || got.Unfinished {
		t.Fatalf("read %+v", got)
	}
	want := recorded
	want.Gateway, want.Interface, want.Type, want.Scope, want.MTU = "10.0.0.1", "veth1", "unicast", "global", 1400
	if diff := cmp.Diff(want, got.Attrs); diff != "" {
		t.Error(diff)
	}
	foreign, metric, table := made, made, made
	foreign.Protocol = unix.RTPROT_BOOT
	metric.Metric = 100
	table.Table = 100
	for name, routes := range map[string][]rtnl.Route{
		"nothing": nil, "foreign": {foreign}, "other metric": {metric}, "other table": {table},
	} {
		if got := read(routes...); got != nil {
			t.Errorf("%s reads as %+v", name, got)
		}
	}
}

func TestRouteLife(t *testing.T) {
	k := newKernel(t)
	twoHosts(t)
	show := func() string { return shell(t, "ip -n near route show proto 100; ip -n near -6 route show proto 100") }

	config := args("namespace", "near", "destination", "default", "gateway", "10.0.0.2")
	o := k.mustCreate("route", config)
	if got := show(); got != "default via 10.0.0.2 dev va" {
		t.Errorf("ip shows %q", got)
	}
	config = args("namespace", "near", "destination", "default", "gateway", "10.0.0.3", "mtu", 1400, "source", "10.0.0.1")
	o = k.update(o, config)
	if got := show(); got != "default via 10.0.0.3 dev va src 10.0.0.1 mtu 1400" {
		t.Errorf("ip shows %q after the update", got)
	}
	second := k.mustCreate("route", args("namespace", "near", "destination", "default", "gateway", "10.0.0.4", "metric", 50))
	shell(t, "ip -n near route del default metric 0")
	if got := k.read(o); got != nil {
		t.Errorf("the deleted route reads as %#v", got.Attributes)
	}
	k.delete(o) // must not take the second one, though it asks for metric 0
	if got := show(); got != "default via 10.0.0.4 dev va metric 50" {
		t.Errorf("ip shows %q", got)
	}
	k.delete(second)
	if got := show(); got != "" {
		t.Errorf("left: %q", got)
	}
}

func TestRouteForms(t *testing.T) {
	for name, test := range map[string]struct {
		config []any
		want   string
	}{
		"on the link":   {[]any{"destination", "192.0.2.0/24", "interface", "va"}, "192.0.2.0/24 dev va proto 100 scope link"},
		"with source":   {[]any{"destination", "192.0.2.0/24", "gateway", "10.0.0.2", "source", "10.0.0.1"}, "192.0.2.0/24 via 10.0.0.2 dev va proto 100 src 10.0.0.1"},
		"blackhole":     {[]any{"destination", "192.0.2.0/24", "type", "blackhole"}, "blackhole 192.0.2.0/24 proto 100"},
		"table":         {[]any{"destination", "default", "gateway", "10.0.0.2", "table", 300}, "default via 10.0.0.2 dev va table 300 proto 100"},
		"metric":        {[]any{"destination", "192.0.2.9/32", "gateway", "10.0.0.2", "metric", 7}, "192.0.2.9 via 10.0.0.2 dev va proto 100 metric 7"},
		"ipv6 gateway":  {[]any{"destination", "192.0.2.0/24", "gateway", "fd00::2"}, "192.0.2.0/24 via inet6 fd00::2 dev va proto 100"},
		"host scope":    {[]any{"destination", "192.0.2.0/24", "interface", "lo", "scope", "host"}, "192.0.2.0/24 dev lo proto 100 scope host"},
		"ipv6":          {[]any{"destination", "2001:db8::/32", "gateway", "fd00::2"}, "2001:db8::/32 via fd00::2 dev va proto 100 metric 1024 pref medium"},
		"ipv6 default":  {[]any{"destination", "default", "gateway", "fd00::2"}, "default via fd00::2 dev va proto 100 metric 1024 pref medium"},
		"ipv6 family":   {[]any{"destination", "default", "family", "ipv6", "interface", "va"}, "default dev va proto 100 metric 1024 pref medium"},
		"link-local":    {[]any{"destination", "default", "gateway", "fe80::1", "interface", "va", "metric", 5}, "default via fe80::1 dev va proto 100 metric 5 pref medium"},
		"unreachable 6": {[]any{"destination", "2001:db8::/32", "type", "unreachable"}, "unreachable 2001:db8::/32 dev lo proto 100 metric 1024 pref medium"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t)
			twoHosts(t)
			o := k.mustCreate("route", args(append(test.config, "namespace", "near")...))
			got := shell(t, `ip -n near route show table all | grep "proto 100" || true`)
			if got = strings.Join(strings.Fields(got), " "); got != test.want {
				t.Errorf("ip shows\n%s\nwant\n%s", got, test.want)
			}
			k.delete(o)
			if got := shell(t, `ip -n near route show table all | grep "proto 100" || true`); got != "" {
				t.Errorf("left: %q", got)
			}
		})
	}
}

func TestRouteTypeChangesInPlace(t *testing.T) {
	k := newKernel(t)
	twoHosts(t)
	for _, destination := range []string{"192.0.2.0/24", "2001:db8::/32"} {
		gateway := map[bool]string{true: "fd00::2", false: "10.0.0.2"}[strings.Contains(destination, ":")]
		o := k.mustCreate("route", args("namespace", "near", "destination", destination, "type", "blackhole"))
		o = k.update(o, args("namespace", "near", "destination", destination, "gateway", gateway))
		o = k.update(o, args("namespace", "near", "destination", destination, "type", "prohibit"))
		k.delete(o)
	}
}

func TestForeignRouteIsNotTouched(t *testing.T) {
	k := newKernel(t)
	twoHosts(t)
	shell(t, "ip -n near route add default via 10.0.0.9")
	config := args("namespace", "near", "destination", "default", "gateway", "10.0.0.2")
	if err := k.check("route", config); err == nil || !strings.Contains(err.Error(), "made by hand") {
		t.Errorf("check: %v", err)
	}
	if _, err := k.create("route", config); err == nil || !strings.Contains(err.Error(), "another metric") {
		t.Errorf("create: %v", err)
	}
	if got := shell(t, "ip -n near route show default"); got != "default via 10.0.0.9 dev va" {
		t.Errorf("ip shows %q", got)
	}
	if err := k.check("route", args("namespace", "near", "destination", "default", "gateway", "10.0.0.2", "metric", 10)); err != nil {
		t.Errorf("with another metric: %v", err)
	}
}

func TestRouteErrorsSayWhatToDo(t *testing.T) {
	k := newKernel(t)
	twoHosts(t)
	for name, test := range map[string]struct {
		config []any
		want   string
	}{
		"gateway elsewhere":   {[]any{"gateway", "172.16.0.1"}, "leads directly to the gateway 172.16.0.1"},
		"gateway elsewhere 6": {[]any{"gateway", "fd99::1"}, "leads directly to the gateway fd99::1"},
		"own gateway":         {[]any{"gateway", "fd00::1"}, "gateway fd00::1 must be another machine's"},
		"source elsewhere":    {[]any{"gateway", "10.0.0.2", "source", "10.0.0.99"}, "source address 10.0.0.99 must be"},
		"no interface":        {[]any{"interface", "nowhere0"}, `no interface "nowhere0" in the network namespace "near"`},
	} {
		_, err := k.create("route", args(append(test.config, "namespace", "near", "destination", "default")...))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := shell(t, "ip -n near route show proto 100"); got != "" {
		t.Errorf("left: %q", got)
	}
}

func TestRouteCheck(t *testing.T) {
	k := newKernel(t)
	config := args("namespace", "coming", "destination", "default", "interface", "veth9")
	if err := k.check("route", config); err == nil || !strings.Contains(err.Error(), `the name "coming"`) {
		t.Errorf("no namespace: %v", err)
	}
	if err := k.check("route", config, providers.NetworkNamespace("coming")); err != nil {
		t.Errorf("promised namespace: %v", err)
	}
	config = args("destination", "192.0.2.0/24", "interface", "veth9")
	if err := k.check("route", config); err == nil || !strings.Contains(err.Error(), "no interface") {
		t.Errorf("no interface: %v", err)
	}
	if err := k.check("route", config, providers.Link("", "veth9")); err != nil {
		t.Errorf("promised interface: %v", err)
	}
}

func TestRouteValidate(t *testing.T) {
	for name, test := range map[string]struct {
		v    routeAttrs
		want string
	}{
		"nothing":             {routeAttrs{Destination: "default", Type: "unicast"}, "gateway or an interface"},
		"link-local":          {routeAttrs{Destination: "default", Gateway: "fe80::1", Type: "unicast"}, "link-local"},
		"blackhole gateway":   {routeAttrs{Destination: "10.0.0.0/8", Gateway: "10.0.0.1", Type: "blackhole"}, "no gateway"},
		"blackhole interface": {routeAttrs{Destination: "10.0.0.0/8", Interface: "a", Type: "blackhole"}, "no interface"},
		"family":              {routeAttrs{Destination: "10.0.0.0/8", Family: "ipv6", Interface: "a", Type: "unicast"}, "not of the family"},
		"source":              {routeAttrs{Destination: "10.0.0.0/8", Source: "fd00::1", Interface: "a", Type: "unicast"}, "source"},
		"gateway of IPv4":     {routeAttrs{Destination: "fd00::/8", Gateway: "10.0.0.1", Type: "unicast"}, "IPv4 gateway"},
		"scope of IPv6":       {routeAttrs{Destination: "fd00::/8", Interface: "a", Scope: "link", Type: "unicast"}, "no scope but global"},
		"scope":               {routeAttrs{Destination: "10.0.0.0/8", Interface: "a", Scope: "global", Type: "unicast"}, "scope is link"},
		"scope host":          {routeAttrs{Destination: "10.0.0.0/8", Gateway: "10.9.9.9", Scope: "host", Type: "unicast"}, "no gateway"},
	} {
		err := route{}.Validate(&test.v, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The address is there, and only its route is gone: the error must not say otherwise.
func TestRouteErrorWithoutConnectedRoute(t *testing.T) {
	k := newKernel(t)
	twoHosts(t)
	shell(t, "ip -n near route del 10.0.0.0/24")
	_, err := k.create("route", args("namespace", "near", "destination", "default", "gateway", "10.0.0.2"))
	if err == nil || !strings.Contains(err.Error(), "somebody removed its route") {
		t.Errorf("%v", err)
	}
}
