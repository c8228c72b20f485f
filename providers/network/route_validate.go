package network

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

// Validate tells what the kernel would not make of these attributes together. What is not
// known yet is not judged.
func (route) Validate(v *routeAttrs, unknown schema.Unknown) error {
	return errors.Join(validateNextHop(v, unknown), validateFamily(v, unknown), validateScope(v, unknown))
}

func routeProblem(attribute, format string, args ...any) error {
	return &diag.Problem{Summary: "Arguments that contradict each other", Detail: fmt.Sprintf(format, args...), Attribute: attribute}
}

func validateNextHop(v *routeAttrs, unknown schema.Unknown) error {
	if unknown.Has("type") {
		return nil
	}
	if v.Type != "unicast" {
		for attribute, value := range map[string]string{"gateway": v.Gateway, "source": v.Source} {
			if value != "" {
				return routeProblem(attribute, "A route of type %s sends nothing on, so it can have no %s.", v.Type, attribute)
			}
		}
		if v.Interface != "" && v.Interface != "lo" {
			return routeProblem("interface", "A route of type %s sends nothing on, so it can have no interface.", v.Type)
		}
		return nil
	}
	if v.Gateway == "" && v.Interface == "" && !unknown.Has("gateway") && !unknown.Has("interface") {
		return routeProblem("", "A route needs a gateway or an interface, or both: it must say where the packets go. To drop them, set type.")
	}
	if isLinkLocal(v.Gateway) && v.Interface == "" && !unknown.Has("interface") {
		return routeProblem("gateway", "The address %s is link-local: every link may have a machine of that address. Set interface to say which is meant.", v.Gateway)
	}
	return nil
}

func validateFamily(v *routeAttrs, unknown schema.Unknown) error {
	family := v.Family
	if p, err := netip.ParsePrefix(v.Destination); err == nil {
		if family != "" && family != familyName(p.Addr()) {
			return routeProblem("family", "The destination %s is not of the family %s. Leave family out: it is for \"default\".", v.Destination, family)
		}
		family = familyName(p.Addr())
	}
	if family == "" || unknown.Has("family") {
		return nil
	}
	if a, err := netip.ParseAddr(v.Source); err == nil && familyName(a) != family {
		return routeProblem("source", "The source %s cannot be that of packets of the family %s.", v.Source, family)
	}
	// IPv4 by an IPv6 router works, since Linux 5.2; not the other way round.
	if a, err := netip.ParseAddr(v.Gateway); err == nil && a.Is4() && family == "ipv6" {
		return routeProblem("gateway", "IPv6 packets cannot be sent to the IPv4 gateway %s.", v.Gateway)
	}
	return nil
}

func validateScope(v *routeAttrs, unknown schema.Unknown) error {
	if v.Scope == "" || unknown.Has("scope") || unknown.Has("family") || unknown.Has("gateway") {
		return nil
	}
	ipv6 := v.Family == "ipv6"
	if p, err := netip.ParsePrefix(v.Destination); err == nil {
		ipv6 = p.Addr().Is6()
	}
	switch {
	case ipv6 && v.Scope != "global":
		return routeProblem("scope", "IPv6 routes have no scope but global.")
	case !ipv6 && v.Gateway == "" && v.Type == "unicast" && v.Scope == "global" && !unknown.Has("type"):
		return routeProblem("scope", "A route without gateway is to what is on the link itself: its scope is link or host. Leave scope out.")
	case v.Gateway != "" && v.Scope == "host":
		return routeProblem("scope", "What is on this host is reached by no gateway: leave scope out.")
	}
	return nil
}

// Conflicts finds that the route would be by a link that carries none: one that another
// resource leaves down, or the uplink of a bridge.
func (route) Conflicts(v *routeAttrs, unknown schema.Unknown, others providers.Others) error {
	switch {
	case unknown.Has("namespace") || v.Type != "unicast":
		return nil
	case v.Interface != "":
		if err := isUplink(others, v.Namespace, v.Interface, "route"); err != nil {
			return err
		}
		if e, by := plannedLink(others, v.Namespace, v.Interface); e != nil && !e.Up {
			return linkDown(v, e.Name, by)
		}
		return nil
	}
	gateway, err := netip.ParseAddr(v.Gateway)
	if err != nil {
		return nil
	}
	return gatewayDown(v, others.Reaching(providers.Machine{Namespace: v.Namespace, Addr: gateway}), gateway)
}

// gatewayDown finds that all links that the gateway can be on are down.
func gatewayDown(v *routeAttrs, reaching []*providers.Other, gateway netip.Addr) error {
	var down error
	for _, o := range reaching {
		links := ends(o)
		if len(links) == 0 {
			return nil // on an interface that is not ours to set up
		}
		for _, e := range links {
			if e.Namespace != v.Namespace || !e.reaches(gateway) {
				continue
			}
			if e.Up {
				return nil
			}
			down = linkDown(v, e.Name, o)
		}
	}
	return down
}

func (e *end) reaches(a netip.Addr) bool {
	return slices.ContainsFunc(e.Addresses, func(s string) bool {
		p, err := netip.ParsePrefix(s)
		return err == nil && p.Contains(a)
	})
}

func linkDown(v *routeAttrs, link string, by *providers.Other) error {
	attribute := "gateway"
	if v.Gateway == "" {
		attribute = "interface"
	}
	return &diag.Problem{
		Summary: "The route's link is down", Attribute: attribute,
		Detail: fmt.Sprintf("The route %s goes by the interface %q, which %s leaves down, and the kernel keeps no routes on a link that is down. "+
			"Set up = true there, or remove this route.", v.key(), link, by.Address),
	}
}

var _ providers.Conflicter[routeAttrs] = route{}
