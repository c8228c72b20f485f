package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

type recordedRoute = providers.Recorded[routeAttrs, routeKey]

func (route) ImportForm() string {
	return "DESTINATION [via GATEWAY] [dev INTERFACE] [metric N] [table N], as ip route shows it, with NAMESPACE/ before it where " +
		"that is not the host's: default via 10.0.0.1, lab/10.1.0.0/24 dev veth1; the IPv6 default route is ::/0"
}

// Locate reads a route as ip(8) writes it.
func (route) Locate(id string) (v routeAttrs, err error) {
	words := strings.Fields(id)
	if len(words) == 0 {
		return v, errors.New("it is empty")
	}
	if v.Namespace, v.Destination, err = splitDestination(words[0]); err != nil {
		return v, err
	}
	v.Table = unix.RT_TABLE_MAIN
	if v.Destination == "::/0" {
		v.Destination, v.Family = "default", "ipv6"
	} else if v.Destination == "0.0.0.0/0" {
		v.Destination = "default"
	}
	for i := 1; i < len(words); i += 2 {
		if i+1 == len(words) {
			return v, fmt.Errorf("nothing stands after %q", words[i])
		}
		if err := v.locate(words[i], words[i+1]); err != nil {
			return v, err
		}
	}
	if v.Destination == "default" && v.Family == "" {
		v.Family = "ipv4"
		if a, err := netip.ParseAddr(v.Gateway); err == nil {
			v.Family = familyName(a)
		}
	}
	return v, nil
}

// splitDestination parts "[NAMESPACE/]DESTINATION". A destination has a slash of its own.
func splitDestination(s string) (namespace, destination string, err error) {
	canonical := func(s string) (string, bool) {
		if s == "default" {
			return s, true
		}
		if a, err := netip.ParseAddr(s); err == nil {
			return netip.PrefixFrom(a, a.BitLen()).String(), true // as ip route shows a host
		}
		p, err := netip.ParsePrefix(s)
		return p.String(), err == nil
	}
	if destination, ok := canonical(s); ok {
		return "", destination, schema.CheckFormat("destination", destination)
	}
	namespace, rest, err := splitNamespace(s)
	if err != nil {
		return "", "", err
	}
	if destination, ok := canonical(rest); ok {
		return namespace, destination, schema.CheckFormat("destination", destination)
	}
	return "", "", fmt.Errorf("%q is no network, and not default", rest)
}

func (v *routeAttrs) locate(word, value string) error {
	switch word {
	case "via":
		v.Gateway = value
		return schema.CheckFormat("ip", value)
	case "dev":
		v.Interface = value
		return schema.CheckFormat("interface", value)
	case "metric", "table":
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is no number for %s", value, word)
		}
		if word == "table" {
			v.Table = int(n)
			return nil
		}
		metric := int(n)
		v.Metric = &metric
		return nil
	}
	return fmt.Errorf("%q is none of via, dev, metric and table", word)
}

func (route) ImportPlaces(*routeAttrs) []providers.Place { return []providers.Place{namesPlace} }

func (route) Import(s *snapshot, r *recordedRoute) (*recordedRoute, error) {
	ns, err := s.importNamespace(r.Attrs.Namespace)
	if err != nil {
		return nil, err
	}
	var found, near []*rtnl.Route
	for i := range ns.routes {
		switch got := &ns.routes[i]; {
		case r.Attrs.means(ns, got):
			found = append(found, got)
		case got.Table == uint32(r.Attrs.Table) && got.Protocol != unix.RTPROT_KERNEL:
			near = append(near, got)
		}
	}
	if len(found) != 1 {
		return nil, ns.notOneRoute(&r.Attrs, found, near)
	}
	if err := ns.checkImportedRoute(found[0]); err != nil {
		return nil, err
	}
	out := *r
	out.Attrs.Gateway, out.Attrs.Interface = "", ""
	out.Attrs.observe(found[0], ns.linkName(found[0].Index))
	out.Identity = keyOf(found[0])
	return &out, nil
}

// means reports whether a route is as the id says.
func (v *routeAttrs) means(ns *view, r *rtnl.Route) bool {
	key := v.key()
	return r.Destination == key.Destination && r.Table == key.Table && (v.Metric == nil || r.Metric == key.Metric) &&
		(v.Gateway == "" || ipString(r.Gateway) == v.Gateway) && (v.Interface == "" || ns.linkName(r.Index) == v.Interface)
}

func (v *view) notOneRoute(wanted *routeAttrs, found, near []*rtnl.Route) error {
	describe := func(list []*rtnl.Route) string {
		var out []string
		for _, r := range list {
			out = append(out, v.describeRoute(r))
		}
		slices.Sort(out)
		const most = 8
		if len(out) > most {
			out = append(out[:most], fmt.Sprintf("and %d more", len(out)-most))
		}
		return strings.Join(out, "; ")
	}
	key := wanted.key()
	if len(found) > 1 {
		return &diag.Problem{
			Summary: "Several routes are meant",
			Detail:  fmt.Sprintf("There are %d routes of that form: %s. Say which one with via, dev or metric.", len(found), describe(found)),
		}
	}
	hint := "There is none that somebody made."
	if len(near) > 0 {
		hint = "There is: " + describe(near) + "."
	}
	return &diag.Problem{Summary: "There is no such route", Detail: fmt.Sprintf("There is no route %s of that form %s. %s", key, where(v.name), hint)}
}

// describeRoute writes a route as an id.
func (v *view) describeRoute(r *rtnl.Route) string {
	out := r.Destination.String()
	if r.Destination.Bits() == 0 && r.Destination.Addr().Is4() {
		out = "default"
	}
	if r.Gateway.IsValid() {
		out += " via " + r.Gateway.String()
	}
	if name := v.linkName(r.Index); name != "" {
		out += " dev " + name
	}
	if r.Metric != 0 {
		out += fmt.Sprintf(" metric %d", r.Metric)
	}
	return out
}

// checkImportedRoute refuses a route that somebody else looks after, or that has what a route
// resource cannot say: it would be lost when the route is marked.
func (v *view) checkImportedRoute(r *rtnl.Route) error {
	refuse := func(summary, format string, args ...any) error {
		return &diag.Problem{Summary: summary, Detail: fmt.Sprintf("The route %s ", v.describeRoute(r)) + fmt.Sprintf(format, args...)}
	}
	switch r.Protocol {
	case unix.RTPROT_KERNEL:
		return refuse("Somebody else looks after the route", "comes from the kernel with an address of its interface, and goes with that.")
	case unix.RTPROT_RA, unix.RTPROT_DHCP:
		return refuse("Somebody else looks after the route", "comes from a router's announcement or a DHCP client, which renews it or takes it away. "+
			"Nothing would be won by managing it here as well.")
	}
	if extras := r.Extras(); len(extras) > 0 {
		return refuse("The route has more than a resource can say", "has %s, which a route resource has no argument for. It would be lost.", strings.Join(extras, ", "))
	}
	if r.TOS() != 0 {
		return refuse("The route has more than a resource can say", "is for one type of service only, which a route resource has no argument for.")
	}
	return nil
}

// releasedProtocol is that of a route that was let go of: `proto static`, as administrators'
// routes have, whatever it had before.
const releasedProtocol = unix.RTPROT_STATIC

func (route) Release(ctx context.Context, k *session, ops []*routeOp) {
	for _, op := range ops {
		settleRelease(op, k.releaseRoute(ctx, op))
	}
}

func (k *session) releaseRoute(ctx context.Context, op *routeOp) error {
	conn, err := k.route(op.Prior.Attrs.Namespace)
	if noNamespace(err) {
		return nil
	}
	if err != nil {
		return err
	}
	routes, err := conn.Routes(ctx)
	if err != nil {
		return err
	}
	there := indexRoutes(routes)[op.Prior.Identity]
	if there == nil || there.Protocol != RouteProtocol {
		return nil
	}
	spec := *there
	spec.Protocol = releasedProtocol
	return conn.Do(ctx, rtnl.ReplaceRoute(spec))
}

var _ providers.Importer[routeAttrs, routeKey, *snapshot] = route{}
var _ providers.Releaser[routeAttrs, routeKey, *session] = route{}
