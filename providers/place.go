package providers

import (
	"net/netip"
	"slices"
)

// Place is something in the kernel that only one object can be: the link veth0 in the
// namespace lab. Places let the engine order and check objects of types that know nothing
// of each other.
type Place struct {
	Kind      string // "network namespace", "link", "uplink", "address", "route", "sysctl", "container"
	Namespace string // network namespace; "" for the host's
	Name      string
}

// NetworkNamespace is the place of a named network namespace. The name "" is the host's.
func NetworkNamespace(name string) Place {
	return Place{Kind: "network namespace", Name: name}
}

// Link is the place of a network interface.
func Link(namespace, name string) Place {
	return Place{Kind: "link", Namespace: namespace, Name: name}
}

func (p Place) String() string {
	s := p.Kind + " " + p.Name
	if p.Namespace != "" {
		s += " in network namespace " + p.Namespace
	}
	return s
}

// Places is what an object has to do with the rest of the kernel.
type Places struct {
	// Holds: what it is. Two resources that hold one place are an error; a resource
	// that gives a place up does so before another takes it.
	Holds []Place
	// Within: what it lives in and goes with: a link in its namespace. When that is
	// replaced, so is the object; when that is deleted, the object goes by itself.
	Within []Place
	// Uses: what it needs but does not go with: a container its namespace. When that is
	// replaced, so is the object, which is deleted by itself before.
	Uses []Place
	// Attached: what it is joined to but outlives: a link to its bridge. When that is
	// replaced, the object is updated after, to be joined again.
	Attached []Place
	// Networks: what it puts in direct reach: a link, the networks of its addresses. Several
	// objects may have one.
	Networks []Network
	// Gateways: machines that must be in direct reach by then, whoever has their network.
	Gateways []Machine
}

// Needed lists what must be there for the object.
func (p *Places) Needed() []Place { return slices.Concat(p.Within, p.Uses, p.Attached) }

// Network is an IP network that a network namespace is on, by one of its links.
type Network struct {
	Namespace string
	Prefix    netip.Prefix // masked
}

// Machine is an IP address as it is seen from a network namespace.
type Machine struct {
	Namespace string
	Addr      netip.Addr
}

// Within lists the networks that the machine may be on, the largest first.
func (m Machine) Within() []Network {
	out := make([]Network, 0, m.Addr.BitLen()+1)
	for bits := range m.Addr.BitLen() + 1 {
		if prefix, err := m.Addr.Prefix(bits); err == nil {
			out = append(out, Network{m.Namespace, prefix})
		}
	}
	return out
}
