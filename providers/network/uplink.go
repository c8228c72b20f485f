package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/rtnl"
)

// takeover is what an interface has that a bridge takes over from it: on record before it is
// touched, so that it can be given back whatever happens in between.
type takeover struct {
	Interface string         `json:"interface"`
	Index     int            `json:"index"`
	MAC       string         `json:"mac,omitempty"`
	Up        bool           `json:"up"`
	Addresses []rtnl.Address `json:"addresses,omitempty"`
	Routes    [][]byte       `json:"routes,omitempty"` // rtnl.Route.Raw
}

// readUplink gives what the interface has. had is what it had when it was taken over before,
// if it was: it has that still, although the bridge carries it now.
func readUplink(ctx context.Context, conn *rtnl.Conn, namespace, name string, bridge int, had *takeover) (*takeover, error) {
	var l, master rtnl.Link
	err := conn.Do(ctx, rtnl.GetLink(rtnl.ByName(name), &l))
	if errors.Is(err, unix.ENODEV) {
		return nil, missingLink(namespace, name, "uplink.interface")
	}
	if err == nil && l.Master != 0 && l.Master != bridge {
		err = conn.Do(ctx, rtnl.GetLink(rtnl.ByIndex(l.Master), &master))
	}
	if err != nil {
		return nil, err
	}
	if err := checkUplink(&l, master.Name, had); err != nil {
		return nil, err
	}
	t := &takeover{Interface: name, Index: l.Index, MAC: l.MAC.String(), Up: l.Up()}
	if had != nil && had.Index == l.Index {
		*t = *had
		return t, t.read(ctx, conn)
	}
	routes, err := routesOn(ctx, conn, l.Index)
	if err != nil {
		return nil, err
	}
	if err := checkUplinkRoutes(&l, routes); err != nil {
		return nil, err
	}
	return t, t.read(ctx, conn)
}

// checkUplinkRoutes refuses an interface that has routes by nexthop objects. Such an object
// belongs to its interface: it could neither go to the bridge nor stay, and the route would
// be lost.
func checkUplinkRoutes(l *rtnl.Link, routes []rtnl.Route) error {
	for i := range routes {
		if r := &routes[i]; r.Uses(l.Index) && r.ByNexthopObject() {
			return notUplink(l.Name, "has a route to %s by a nexthop object (ip nexthop), which cannot move to the bridge. "+
				"Write that route with its gateway instead.", r.Destination)
		}
	}
	return nil
}

// checkUplink tells why an interface cannot be the uplink of a bridge.
func checkUplink(l *rtnl.Link, master string, had *takeover) error {
	problem := func(format string, args ...any) error { return notUplink(l.Name, format, args...) }
	switch {
	case l.Type != unix.ARPHRD_ETHER:
		return problem("is not an Ethernet interface, so it cannot be the port of a bridge.")
	case strings.HasPrefix(l.Alias, "diyform:"):
		return problem("was made by diyform (%s). Set the bridge argument of that resource instead.", l.Alias)
	case master != "" && (had == nil || had.Index != l.Index):
		return problem("is a port of %q already. Take it out of there first: ip link set %s nomaster.", master, l.Name)
	}
	return nil
}

func notUplink(name, format string, args ...any) error {
	return &diag.Problem{
		Summary: "The interface cannot be an uplink", Attribute: "uplink.interface",
		Detail: fmt.Sprintf("The interface %q ", name) + fmt.Sprintf(format, args...),
	}
}

// isTakeable reports whether an address goes with the bridge. Link-local IPv6 addresses are
// the kernel's, which gives every interface its own; those of an address resource are its to
// take away.
func isTakeable(a *rtnl.Address) bool {
	return !ip6LinkLocal(a.Prefix.Addr()) && a.Protocol != AddressProtocol
}

// read adds the addresses and routes that the interface has now.
func (t *takeover) read(ctx context.Context, conn *rtnl.Conn) error {
	addresses, err := conn.AddressesOn(ctx, t.Index)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		if isTakeable(&a) && !slices.ContainsFunc(t.Addresses, sameAddress(a)) {
			t.Addresses = append(t.Addresses, a)
		}
	}
	routes, err := routesOn(ctx, conn, t.Index)
	if err != nil {
		return err
	}
	for i := range routes {
		if !ip6LinkLocal(routes[i].Destination.Addr()) && !slices.ContainsFunc(t.routes(), sameRoute(&routes[i])) {
			t.Routes = append(t.Routes, routes[i].Raw)
		}
	}
	return nil
}

func ip6LinkLocal(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() }

func sameAddress(a rtnl.Address) func(rtnl.Address) bool {
	return func(b rtnl.Address) bool { return a.Prefix == b.Prefix && a.Peer == b.Peer }
}

// sameRoute compares what makes two routes one to the kernel, and the gateway: the links
// differ before and after.
func sameRoute(a *rtnl.Route) func(rtnl.Route) bool {
	return func(b rtnl.Route) bool {
		return keyOf(a) == keyOf(&b) && a.Gateway == b.Gateway && a.TOS() == b.TOS() && a.Type == b.Type
	}
}

// routes decodes the routes. They were encoded by the kernel: one that does not decode is
// reported when it is put to use.
func (t *takeover) routes() []rtnl.Route {
	var out []rtnl.Route
	for _, raw := range t.Routes {
		if r, err := rtnl.ParseRoute(raw); err == nil {
			out = append(out, r)
		}
	}
	return out
}

// onBridge gives the addresses as the bridge is to have them. A label begins with the name of
// its interface. IPv6 addresses come without duplicate detection, in which they could not be
// used: this machine has them already.
func (t *takeover) onBridge(index int, name string) []rtnl.Address {
	if t == nil {
		return nil
	}
	out := slices.Clone(t.Addresses)
	for i := range out {
		a := &out[i]
		a.Index = index
		if rest, ok := strings.CutPrefix(a.Label, t.Interface); ok && a.Label != "" {
			a.Label = (name + rest)[:min(len(name+rest), unix.IFNAMSIZ-1)]
		}
		a.Flags |= withoutDetection(a)
	}
	return out
}

func withoutDetection(a *rtnl.Address) uint32 {
	if a.Prefix.Addr().Is6() {
		return unix.IFA_F_NODAD
	}
	return 0
}

func (t *takeover) hasAddress(prefix string) bool { return slices.Contains(t.addressList(), prefix) }

func (t *takeover) addressList() []string {
	if t == nil {
		return nil
	}
	var out []string
	for _, a := range t.Addresses {
		out = append(out, a.Prefix.String())
	}
	return out
}

// owes reports whether the interface still lacks what was taken over from it.
func (v *view) owes(t *takeover) bool {
	if t == nil || v.byIndex[t.Index] == nil {
		return false
	}
	return len(lost(slices.DeleteFunc(slices.Clone(t.Addresses), isFleeting), v.addresses[t.Index])) > 0
}

// isFleeting reports whether an address may have gone by itself since it was recorded.
func isFleeting(a rtnl.Address) bool { return !a.Lasting() }

// isTaken reports whether the bridge has all that was taken over, and the interface nothing
// of it any more.
func (v *view) isTaken(t *takeover, bridge int) bool {
	l := v.byIndex[t.Index]
	if l == nil || l.Master != bridge {
		return false
	}
	for _, a := range v.addresses[t.Index] {
		if isTakeable(&a) {
			return false
		}
	}
	if len(lost(slices.DeleteFunc(slices.Clone(t.Addresses), isFleeting), v.addresses[bridge])) > 0 {
		return false
	}
	for _, r := range t.routes() {
		configured := r.Protocol == unix.RTPROT_STATIC || r.Protocol == unix.RTPROT_BOOT
		there := func(b rtnl.Route) bool { return b.Uses(bridge) && sameRoute(&r)(b) }
		if configured && !slices.ContainsFunc(v.routes, there) {
			return false
		}
	}
	return true
}
