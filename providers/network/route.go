package network

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

// RouteProtocol marks the routes that diyform makes: `ip route show proto 100` lists them.
// No routing daemon has this number (linux/rtnetlink.h, /etc/iproute2/rt_protos).
const RouteProtocol = 100

type routeAttrs struct {
	Namespace   string `diy:"namespace,replace" format:"namespace" doc:"Network namespace of the route. Left out, it is the host's."`
	Destination string `diy:"destination,required,replace" format:"destination" doc:"Network that is reached by the route, as 10.0.0.0/24, or \"default\" for all that has no other route."`
	Family      string `diy:"family,optional,computed,replace" enum:"ipv4,ipv6" doc:"Which default route \"default\" means. Left out, it follows from the gateway, and is ipv4 where there is none."`
	Gateway     string `diy:"gateway" format:"ip" doc:"Address of the next router. It must be on a network that the namespace has an address of. Left out, the destination is directly on the interface."`
	Interface   string `diy:"interface,optional,computed,volatile" format:"interface" doc:"Interface that the packets leave through. Left out, the one that the gateway is on; a link-local gateway needs it."`
	Metric      *int   `diy:"metric,optional,computed,replace" min:"0" max:"4294967295" doc:"Preference among routes to the same destination: the lowest is taken. Left out, it is the kernel's default: 0 for IPv4, 1024 for IPv6."`
	Table       int    `diy:"table,replace" default:"254" min:"1" max:"4294967295" doc:"Number of the routing table. The default is the main one."`
	Source      string `diy:"source" format:"ip" doc:"Address that packets sent by this machine itself get as their source. It must be one of the namespace's. Left out, the kernel chooses."`
	Type        string `diy:"type" default:"unicast" enum:"unicast,blackhole,unreachable,prohibit,throw" doc:"What becomes of the packets: unicast sends them on; blackhole drops them silently, unreachable and prohibit with an ICMP error; throw ends the search in this table."`
	Scope       string `diy:"scope,optional,computed" enum:"global,link,host" doc:"How far away the destination is. Left out, it is link for IPv4 without a gateway, else global."`
	MTU         int    `diy:"mtu" min:"68" max:"65535" unit:"bytes" doc:"Largest packet on the path. Left out, the interface's."`
}

type route struct{}

func defineRoute() providers.Def[*snapshot, *session] {
	return providers.Define("route",
		"A route of a network namespace. Routes made by diyform have the protocol number 100, as `ip route` shows them; "+
			"a route to the same destination in the same table and with the same metric that has another protocol is not touched.",
		route{})
}

// routeKey is what makes two routes of one family the same to the kernel, the type of
// service aside, which diyform leaves 0.
type routeKey struct {
	Table       uint32       `json:"table"`
	Destination netip.Prefix `json:"destination"`
	Metric      uint32       `json:"metric"`
}

// key gives the route's key. It is meaningless while a part of it is unknown.
func (v *routeAttrs) key() routeKey {
	k := routeKey{Table: uint32(v.Table)}
	switch {
	case v.Destination != "default":
		k.Destination, _ = netip.ParsePrefix(v.Destination) // the schema has checked it
	case v.Family == "ipv6":
		k.Destination = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	default:
		k.Destination = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	if v.Metric != nil {
		k.Metric = uint32(*v.Metric)
	}
	return k
}

func keyOf(r *rtnl.Route) routeKey {
	return routeKey{Table: r.Table, Destination: r.Destination, Metric: r.Metric}
}

// String names the route as a place, and in errors.
func (k routeKey) String() string {
	s := k.Destination.String()
	if k.Destination.Bits() == 0 {
		s = "default for " + map[bool]string{true: "IPv4", false: "IPv6"}[k.Destination.Addr().Is4()]
	}
	if k.Metric != 0 {
		s += fmt.Sprintf(" metric %d", k.Metric)
	}
	if k.Table != unix.RT_TABLE_MAIN {
		s += fmt.Sprintf(" table %d", k.Table)
	}
	return s
}

// Read gives the route of the recorded key that has our protocol number.
func (route) Read(s *snapshot, r *providers.Recorded[routeAttrs, routeKey]) (*providers.Recorded[routeAttrs, routeKey], error) {
	ns, err := s.namespace(r.Attrs.Namespace)
	if ns == nil || err != nil {
		return nil, err
	}
	got := ns.route(r.Identity)
	if got == nil || got.Protocol != RouteProtocol {
		return nil, nil
	}
	out := *r
	out.Unfinished = false
	out.Attrs.observe(got, ns.linkName(got.Index))
	return &out, nil
}

// observe sets the attributes to what the kernel says.
func (v *routeAttrs) observe(r *rtnl.Route, link string) {
	v.Interface = link
	v.Gateway, v.Source = ipString(r.Gateway), ipString(r.Source)
	v.MTU = int(r.MTU)
	v.Type = routeTypes.name(r.Type)
	v.Scope = routeScopes.name(r.Scope)
	v.Family = familyName(r.Destination.Addr())
	metric := int(r.Metric)
	v.Metric = &metric
}

func ipString(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func familyName(a netip.Addr) string {
	if a.Is4() {
		return "ipv4"
	}
	return "ipv6"
}

// names are the words of ip-route(8) for the kernel's numbers.
type names map[string]uint8

func (n names) name(number uint8) string {
	for name, v := range n {
		if v == number {
			return name
		}
	}
	return fmt.Sprint(number)
}

var (
	routeTypes = names{
		"unicast": unix.RTN_UNICAST, "blackhole": unix.RTN_BLACKHOLE, "unreachable": unix.RTN_UNREACHABLE,
		"prohibit": unix.RTN_PROHIBIT, "throw": unix.RTN_THROW,
	}
	routeScopes = names{
		"global": unix.RT_SCOPE_UNIVERSE, "site": unix.RT_SCOPE_SITE, "link": unix.RT_SCOPE_LINK,
		"host": unix.RT_SCOPE_HOST, "nowhere": unix.RT_SCOPE_NOWHERE,
	}
)

// Derive fills in the family, and what the kernel makes of a metric and scope left out.
func (route) Derive(d *providers.Derivation) {
	family := deriveFamily(d)
	if d.Config.GetAttr("family").IsNull() {
		d.Set("family", family)
	}
	ipv6 := family.IsKnown() && family.AsString() == "ipv6"
	if d.Config.GetAttr("metric").IsNull() {
		metric := cty.UnknownVal(cty.Number)
		if ipv6 {
			metric = cty.NumberIntVal(1024) // IP6_RT_PRIO_USER
		} else if family.IsKnown() {
			metric = cty.Zero
		}
		d.Set("metric", metric)
	}
	if d.Config.GetAttr("scope").IsNull() {
		d.Set("scope", deriveScope(d, family))
	}
	if d.Config.GetAttr("interface").IsNull() {
		deriveInterface(d, ipv6)
	}
}

// deriveInterface tells an interface that the kernel will choose, by the gateway, from none:
// without gateway, or where the gateway may be on any link.
func deriveInterface(d *providers.Derivation, ipv6 bool) {
	gateway, typ := d.Get("gateway"), d.Get("type")
	switch {
	case !typ.IsKnown():
	case typ.AsString() != "unicast" && ipv6:
		d.Set("interface", cty.StringVal("lo")) // as ip6_route_info_create has it
	case typ.AsString() != "unicast", gateway.IsKnown() && (gateway.IsNull() || isLinkLocal(gateway.AsString())):
		d.Set("interface", cty.NullVal(cty.String))
	}
}

func isLinkLocal(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && a.Is6() && a.IsLinkLocalUnicast()
}

func deriveFamily(d *providers.Derivation) cty.Value {
	destination, gateway := d.Get("destination"), d.Get("gateway")
	if configured := d.Config.GetAttr("family"); !configured.IsNull() {
		return configured
	}
	if !destination.IsKnown() {
		return cty.UnknownVal(cty.String)
	}
	if p, err := netip.ParsePrefix(destination.AsString()); err == nil {
		return cty.StringVal(familyName(p.Addr()))
	}
	if !gateway.IsKnown() {
		return cty.UnknownVal(cty.String)
	}
	if !gateway.IsNull() {
		if a, err := netip.ParseAddr(gateway.AsString()); err == nil {
			return cty.StringVal(familyName(a))
		}
	}
	return cty.StringVal("ipv4")
}

func deriveScope(d *providers.Derivation, family cty.Value) cty.Value {
	gateway, typ := d.Get("gateway"), d.Get("type")
	if !family.IsKnown() || !gateway.IsKnown() || !typ.IsKnown() {
		return cty.UnknownVal(cty.String)
	}
	if family.AsString() == "ipv4" && gateway.IsNull() && typ.AsString() == "unicast" {
		return cty.StringVal("link")
	}
	return cty.StringVal("global")
}

func (route) Places(v *routeAttrs, unknown schema.Unknown) providers.Places {
	if unknown.Has("namespace") {
		return providers.Places{}
	}
	out := providers.Places{Within: []providers.Place{providers.NetworkNamespace(v.Namespace)}}
	if !unknown.Has("destination") && !unknown.Has("family") && !unknown.Has("metric") && !unknown.Has("table") {
		out.Holds = []providers.Place{{Kind: "route", Namespace: v.Namespace, Name: v.key().String()}}
	}
	if gateway, err := netip.ParseAddr(v.Gateway); err == nil && !gateway.IsLinkLocalUnicast() {
		out.Gateways = []providers.Machine{{Namespace: v.Namespace, Addr: gateway}}
	}
	if v.Interface != "" {
		out.Within = append(out.Within, providers.Link(v.Namespace, v.Interface))
	}
	return out
}

func (route) Batch(v *routeAttrs) string { return v.Namespace }

func (route) Check(s *snapshot, p *providers.Proposed[routeAttrs]) error {
	places := route{}.Places(&p.Attrs, p.Unknown)
	ns, err := s.checkNamespace(p.Attrs.Namespace, p.Unknown, p.Vacated, p.Promised)
	if ns == nil || err != nil {
		return err
	}
	link := providers.Link(p.Attrs.Namespace, p.Attrs.Interface)
	if p.Attrs.Interface != "" && (ns.link(p.Attrs.Interface) == nil || p.Vacated[link]) && !p.Promised[link] {
		return missingLink(p.Attrs.Namespace, p.Attrs.Interface, "interface")
	}
	if len(places.Holds) == 0 || p.Vacated[places.Holds[0]] {
		return nil
	}
	if there := ns.route(p.Attrs.key()); there != nil {
		err := foreignRoute(p.Attrs.key(), there.Protocol, ns.linkName(there.Index))
		if ns.checkImportedRoute(there) != nil {
			return err
		}
		return withImport(err, p.Address, inNamespace(p.Attrs.Namespace, ns.describeRoute(there)))
	}
	return nil
}

// foreignRoute says that the place of a route is taken by one that the state does not record.
func foreignRoute(key routeKey, protocol uint8, link string) error {
	whose := map[uint8]string{
		unix.RTPROT_KERNEL: "the kernel made it for an address", unix.RTPROT_BOOT: "it was made by hand",
		unix.RTPROT_STATIC: "the system's network configuration made it", unix.RTPROT_DHCP: "a DHCP client made it",
		unix.RTPROT_RA: "a router announced it", RouteProtocol: "another diyform state made it, or this one before it was lost",
	}[protocol]
	return &diag.Problem{
		Summary: "The route exists already",
		Detail: fmt.Sprintf("There is a route %s on %s that this state does not record (protocol %d: %s). diyform does not touch it. "+
			"Give this route another metric, so that both can stand, or remove the other one with ip route del.",
			key, cmp.Or(link, "no interface"), protocol, cmp.Or(whose, "a routing daemon made it")),
		Attribute: "destination",
	}
}

// Prepare gives the key by which a crashed creation is found again.
func (route) Prepare(_ context.Context, _ *session, op *providers.Op[routeAttrs, routeKey]) (routeKey, error) {
	if op.Action == providers.Delete {
		return op.Prior.Identity, nil
	}
	return op.Planned.key(), nil
}
