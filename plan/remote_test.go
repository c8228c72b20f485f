package plan

import (
	"net/netip"
	"testing"

	"github.com/diyform/diyform/providers/schema"
)

func TestRouteCovers(t *testing.T) {
	for _, test := range []struct {
		place, client string
		there, want   bool
	}{
		{"203.0.113.0/24", "203.0.113.7", true, true},
		{"203.0.113.0/24 metric 5", "203.0.113.7", false, true},
		{"203.0.113.0/24", "203.0.114.7", true, false},
		{"default for IPv4", "203.0.113.7", true, true},
		{"default for IPv4", "203.0.113.7", false, false}, // one more stands behind
		{"default for IPv4", "2001:db8::1", true, false},
		{"default for IPv6 metric 1024", "2001:db8::1", true, true},
		{"2001:db8::/32", "2001:db8::1", true, true},
	} {
		if got := routeCovers(test.place, netip.MustParseAddr(test.client), test.there); got != test.want {
			t.Errorf("%+v: got %t", test, got)
		}
	}
}

func TestAddressOfThePlace(t *testing.T) {
	a := netip.MustParseAddr("198.51.100.2")
	for name, want := range map[string]bool{
		"eth0 198.51.100.2/24": true, "eth0 198.51.100.2": true, "eth0 198.51.100.20/24": false, "eth0 10.0.0.1/24 198.51.100.2": true, "": false,
	} {
		if got := hasField(name, a); got != want {
			t.Errorf("%q: got %t", name, got)
		}
	}
}

func TestDisturbs(t *testing.T) {
	update := func(paths ...string) *Change {
		c := &Change{Action: Update}
		for _, p := range paths {
			c.Differences = append(c.Differences, schema.Change{Path: p})
		}
		return c
	}
	for _, test := range []struct {
		change *Change
		want   bool
	}{
		{&Change{Action: Delete}, true}, {&Change{Action: Replace}, true}, {update("mtu"), false}, {update("mtu", "addresses"), true},
		{update("addresses.0"), true}, {update("uplink.addresses"), false}, {update("uplink.interface"), true}, {update("uplink"), true},
	} {
		if got := disturbs(test.change); got != test.want {
			t.Errorf("%s %v: got %t", test.change.Action, test.change.Differences, got)
		}
	}
}
