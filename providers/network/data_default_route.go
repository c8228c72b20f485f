package network

import (
	"context"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
)

type defaultRouteData struct {
	Namespace string `diy:"namespace" format:"namespace" doc:"Network namespace whose default route it is. Left out, it is the host's."`
	Family    string `diy:"family" default:"ipv4" enum:"ipv4,ipv6" doc:"IP version."`
	Interface string `diy:"interface,computed" doc:"Interface that the packets leave through."`
	Gateway   string `diy:"gateway,computed" doc:"Address of the next router. Null where the route is directly on the interface."`
	Source    string `diy:"source,computed" doc:"The machine's own address that its packets by this route carry: the route's, if it names one, else the interface's in the gateway's network. Null where there is none."`
	Metric    *int   `diy:"metric,computed" doc:"The route's preference."`
}

type defaultRouteSource struct{}

func defineDefaultRouteData() providers.DataDef[*session] {
	return providers.DefineData("default_route",
		"The default route that is in use: of several in the main table, the one with the lowest metric. That there is none is an error.",
		defaultRouteSource{})
}

func (defaultRouteSource) Read(ctx context.Context, k *session, v *defaultRouteData) error {
	conn, err := k.route(v.Namespace)
	if err != nil {
		return namespaceError(v.Namespace, err)
	}
	routes, err := conn.Routes(ctx)
	if err != nil {
		return err
	}
	best := bestDefault(routes, v.Family)
	if best == nil {
		return noDefaultRoute(v)
	}
	var link rtnl.Link
	if err := conn.Do(ctx, rtnl.GetLink(rtnl.ByIndex(best.Index), &link)); err != nil {
		return err
	}
	addresses, err := conn.Addresses(ctx)
	if err != nil {
		return err
	}
	v.Interface, v.Gateway = link.Name, ipString(best.Gateway)
	v.Source = ipString(sourceOf(best, addresses))
	metric := int(best.Metric)
	v.Metric = &metric
	return nil
}

// bestDefault gives the default route of a family that the kernel prefers, or nil. Routes
// with several next hops have no one interface, and are left out.
func bestDefault(routes []rtnl.Route, family string) *rtnl.Route {
	var best *rtnl.Route
	for i := range routes {
		r := &routes[i]
		if r.Destination.Bits() != 0 || r.Table != unix.RT_TABLE_MAIN || r.Type != unix.RTN_UNICAST || r.TOS() != 0 ||
			r.Index == 0 || familyName(r.Destination.Addr()) != family {
			continue
		}
		if best == nil || r.Metric < best.Metric {
			best = r
		}
	}
	return best
}

// sourceOf gives the address that the machine's own packets by the route carry: the one that
// the route names, else one in the gateway's network, else one of global scope.
func sourceOf(r *rtnl.Route, addresses []rtnl.Address) netip.Addr {
	if r.Source.IsValid() {
		return r.Source
	}
	var found netip.Addr
	for _, a := range addresses {
		local := a.Prefix.Addr()
		if a.Index != r.Index || local.Is4() != r.Destination.Addr().Is4() || a.Secondary() || !usableSource(&a) {
			continue
		}
		if r.Gateway.IsValid() && a.Prefix.Contains(r.Gateway) {
			return local
		}
		if !found.IsValid() {
			found = local
		}
	}
	return found
}

func usableSource(a *rtnl.Address) bool {
	const unusable = unix.IFA_F_DEPRECATED | unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED
	return a.Scope == unix.RT_SCOPE_UNIVERSE && a.Flags&unusable == 0
}

func noDefaultRoute(v *defaultRouteData) error {
	where := "This machine"
	if v.Namespace != "" {
		where = fmt.Sprintf("The network namespace %q", v.Namespace)
	}
	return &diag.Problem{
		Summary: "There is no default route",
		Detail: fmt.Sprintf("%s has no %s default route through one interface. Make one with a route resource, "+
			"or name the interface yourself instead of asking for it.", where, map[string]string{"ipv4": "IPv4", "ipv6": "IPv6"}[v.Family]),
	}
}
