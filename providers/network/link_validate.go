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

// minIPv6MTU is IPV6_MIN_MTU of linux/ipv6.h (RFC 8200, section 5). The kernel takes all of
// IPv6 away from a link whose MTU becomes smaller, without a word.
const minIPv6MTU = 1280

// validate tells what the kernel would not make of a link's attributes together.
func (e *end) validate(prefix string, unknown schema.Unknown) error {
	errs := []error{validateAddresses(e.Addresses, prefix)}
	ipv6 := firstIPv6(e.Addresses)
	if e.MTU != 0 && e.MTU < minIPv6MTU && ipv6 != "" && !unknown.Has(prefix+"mtu") {
		errs = append(errs, &diag.Problem{
			Summary: "The MTU is too small for IPv6", Attribute: prefix + "mtu",
			Detail: fmt.Sprintf("IPv6 needs an MTU of at least %d bytes: the kernel gives the interface no IPv6 address, such as %s, with %d. "+
				"Set a larger mtu, or leave the IPv6 addresses out.", minIPv6MTU, ipv6, e.MTU),
		})
	}
	return errors.Join(errs...)
}

// validateAddresses finds what is listed twice. With two prefix lengths an IPv4 address is
// two, but the kernel keeps an IPv6 address once (ipv6_add_addr looks at the address alone).
func validateAddresses(list []string, prefix string) error {
	var errs []error
	twice := func(format string, args ...any) {
		errs = append(errs, &diag.Problem{
			Summary: "An address is listed twice", Attribute: prefix + "addresses", Detail: fmt.Sprintf(format, args...),
		})
	}
	seen := map[netip.Addr][]netip.Prefix{}
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			continue // not known yet
		}
		switch before := seen[p.Addr()]; {
		case slices.Contains(before, p):
			twice("The address %s is listed twice. Remove one of the two.", p)
		case len(before) > 0 && p.Addr().Is6():
			twice("The address %s is listed as %s and as %s. The kernel keeps an IPv6 address once on an interface, with one prefix length: remove one of the two.",
				p.Addr(), before[0], p)
		}
		seen[p.Addr()] = append(seen[p.Addr()], p)
	}
	return errors.Join(errs...)
}

// firstIPv6 gives the first IPv6 address of a list, or "".
func firstIPv6(addresses []string) string {
	for _, s := range addresses {
		if p, err := netip.ParsePrefix(s); err == nil && p.Addr().Is6() {
			return s
		}
	}
	return ""
}

// ends gives the links that another resource of the configuration makes. What is not known of
// them yet is taken to contradict nothing.
func ends(o *providers.Other) []end {
	var out []end
	add := func(e end, prefix string, unknown schema.Unknown) {
		if unknown.Has(prefix + "mtu") {
			e.MTU = minIPv6MTU
		}
		e.Up = e.Up || unknown.Has(prefix+"up")
		out = append(out, e)
	}
	switch o.Address.Type {
	case "veth_pair":
		var v vethAttrs
		unknown := o.Decode(&v)
		add(v.near(), "", unknown)
		add(v.Peer.end(), "peer.", unknown)
	case "bridge":
		var v bridgeAttrs
		unknown := o.Decode(&v)
		e := v.end()
		if v.Uplink != nil {
			e.Addresses = slices.Concat(e.Addresses, v.Uplink.Addresses)
		}
		add(e, "", unknown)
	}
	return out
}

// plannedLink gives a link that the configuration makes, and by which resource; nil where it
// makes none of that name.
func plannedLink(others providers.Others, namespace, name string) (*end, *providers.Other) {
	o := others.Holder(providers.Link(namespace, name))
	if o == nil {
		return nil, nil
	}
	for _, e := range ends(o) {
		if e.Namespace == namespace && e.Name == name {
			return &e, o
		}
	}
	return nil, o
}

// conflicts finds that a port would take IPv6 away from its bridge, which follows the smallest
// MTU of its ports.
func (e *end) conflicts(prefix string, unknown schema.Unknown, others providers.Others) error {
	if e.Bridge == "" || e.MTU >= minIPv6MTU || unknown.Has(prefix+"mtu") || unknown.Has(prefix+"namespace") {
		return nil
	}
	b, by := plannedLink(others, e.Namespace, e.Bridge)
	if b == nil || b.MTU != 0 || firstIPv6(b.Addresses) == "" {
		return nil
	}
	return smallPort(e.Name, e.MTU, b.Name, by.Address.String(), firstIPv6(b.Addresses), prefix+"mtu")
}

// smallPort says that a bridge would lose its IPv6 addresses by a port.
func smallPort(port string, mtu int, bridge, owner, address, attribute string) error {
	if owner != "" {
		owner = " (" + owner + ")"
	}
	return &diag.Problem{
		Summary: "The MTU is too small for the bridge's IPv6 addresses", Attribute: attribute,
		Detail: fmt.Sprintf("The interface %q has an MTU of %d bytes. The bridge %q%s, whose port it is to be, follows the smallest MTU of its ports "+
			"unless it has an mtu of its own, and below %d bytes the kernel takes its IPv6 addresses away, such as %s. "+
			"Set an mtu of at least %d on the interface, or set the bridge's.", port, mtu, bridge, owner, minIPv6MTU, address, minIPv6MTU),
	}
}

// uplinkPlace is the place of the bridge that an interface is the uplink of.
func uplinkPlace(namespace, name string) providers.Place {
	return providers.Place{Kind: "uplink", Namespace: namespace, Name: name}
}

// isUplink says that an interface is the uplink of a bridge of the configuration, or nothing.
func isUplink(others providers.Others, namespace, name, what string) error {
	o := others.Holder(uplinkPlace(namespace, name))
	if o == nil {
		return nil
	}
	var bridge bridgeAttrs
	o.Decode(&bridge)
	return &diag.Problem{
		Summary: "The interface is the uplink of a bridge", Attribute: "interface",
		Detail: fmt.Sprintf("The interface %q is the uplink of %s, which takes over what it has: a bridge's port has no addresses and routes of its own. "+
			"Let the bridge have this %s: %q.", name, o.Address, what, bridge.Name),
	}
}
