package network

import (
	"context"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

type bridgeAttrs struct {
	Name          string        `diy:"name,optional,computed" format:"interface" doc:"Name of the interface. Left out, it is made from the resource's."`
	Namespace     string        `diy:"namespace,replace" format:"namespace" doc:"Network namespace of the bridge. Left out, it is the host's."`
	Addresses     []string      `diy:"addresses,unordered" format:"address" doc:"All addresses of the bridge itself, with prefix lengths, besides those taken over from an uplink."`
	MTU           int           `diy:"mtu" min:"68" max:"65535" unit:"bytes" doc:"Largest packet. Left out, it is the smallest of its ports', as the kernel keeps it, until it was set once."`
	MACAddress    string        `diy:"mac_address,optional,computed" format:"mac" doc:"Ethernet address. Left out, it is the uplink's, or follows from the state and the resource's address."`
	Up            bool          `diy:"up" default:"true" doc:"Whether the interface is up."`
	STP           bool          `diy:"stp" default:"false" doc:"Whether the spanning tree protocol keeps loops away. A port then stays silent for twice forward_delay."`
	ForwardDelay  int           `diy:"forward_delay" default:"15" min:"2" max:"30" unit:"seconds" doc:"How long a port listens, and then learns, before it forwards. Without STP it means nothing."`
	VLANFiltering bool          `diy:"vlan_filtering" default:"false" doc:"Whether the bridge looks at VLAN tags."`
	Index         int           `diy:"index,computed" doc:"Number of the interface in its namespace."`
	Uplink        *bridgeUplink `diy:"uplink,block" doc:"A physical interface that becomes a port of the bridge. The bridge takes over its addresses and routes in one step, and gives them back on destroy."`
}

type bridgeUplink struct {
	Interface string   `diy:"interface,required" format:"interface" doc:"Name of the interface."`
	Addresses []string `diy:"addresses,computed,volatile,unordered" doc:"The addresses that the bridge took over."`
}

// bridgeIdentity is by what the bridge is known again, and what it owes: both are on record
// before the kernel is asked for anything.
type bridgeIdentity struct {
	linkIdentity
	Uplink    *takeover `json:"uplink,omitempty"`    // what is taken over, or about to be
	Returning *takeover `json:"returning,omitempty"` // what is about to be given back
}

type bridge struct{}

type bridgeOp = providers.Op[bridgeAttrs, bridgeIdentity]

func defineBridge() providers.Def[*snapshot, *session] {
	return providers.Define("bridge",
		"A virtual Ethernet switch, which is an interface too. Interfaces are its ports by their own bridge argument; a physical one by uplink.",
		bridge{})
}

func (v *bridgeAttrs) end() end {
	return end{
		Namespace: v.Namespace, Name: v.Name, Addresses: v.Addresses, MTU: v.MTU,
		MAC: v.MACAddress, Up: v.Up, Index: v.Index,
	}
}

// hundredths is the unit of the kernel's bridge timers (USER_HZ).
const hundredths = 100

func (v *bridgeAttrs) options() rtnl.BridgeOptions {
	delay := uint32(v.ForwardDelay) * hundredths
	return rtnl.BridgeOptions{STP: &v.STP, ForwardDelay: &delay, VLANFiltering: &v.VLANFiltering}
}

func (v *bridgeAttrs) setOptions(o *rtnl.BridgeOptions) {
	if o.STP != nil {
		v.STP = *o.STP
	}
	if o.ForwardDelay != nil {
		v.ForwardDelay = int(*o.ForwardDelay / hundredths)
	}
	if o.VLANFiltering != nil {
		v.VLANFiltering = *o.VLANFiltering
	}
}

// Read gives the bridge. One that is gone while it owes an interface its addresses reads as a
// bridge that is down and has no number, so that the next plan makes it again, or gives back
// what it owes.
func (bridge) Read(s *snapshot, r *providers.Recorded[bridgeAttrs, bridgeIdentity]) (*providers.Recorded[bridgeAttrs, bridgeIdentity], error) {
	ns, err := s.namespace(r.Attrs.Namespace)
	if ns == nil || err != nil {
		return nil, err
	}
	out := *r
	l := ns.ourLink(r.Attrs.Name, r.Identity.linkIdentity, s.session.marksOf(r.Address, r.KnownAs))
	if l == nil {
		if !ns.owes(r.Identity.Uplink) {
			return nil, nil
		}
		out.Attrs.Up, out.Attrs.Index, out.Attrs.Uplink = false, 0, nil
		return &out, nil
	}
	out.Attrs.observe(ns, l, &r.Attrs, r.Identity.Uplink)
	out.Identity.Index = l.Index
	return &out, nil
}

// observe sets the attributes to what there is.
func (v *bridgeAttrs) observe(ns *view, l *rtnl.Link, recorded *bridgeAttrs, t *takeover) {
	e := ns.end(l)
	v.Name, v.MACAddress, v.Up, v.Index = e.Name, e.MAC, e.Up, e.Index
	if recorded.MTU != 0 { // else it is the kernel's to choose
		v.MTU = e.MTU
	}
	v.setOptions(&l.Bridge)
	v.Addresses = slices.DeleteFunc(e.Addresses, func(a string) bool {
		return t.hasAddress(a) && !slices.Contains(recorded.Addresses, a)
	})
	v.Uplink = nil
	if t != nil && ns.isTaken(t, l.Index) {
		v.Uplink = &bridgeUplink{Interface: t.Interface, Addresses: t.addressList()}
	}
}

// Derive gives name and MAC address. The uplink's MAC address is known when it is taken over:
// with it, leases and what others remember of this machine stay valid.
func (bridge) Derive(d *providers.Derivation) {
	mac := d.Get("mac_address")
	var id bridgeIdentity
	d.PriorIdentity(&id)
	deriveLink(d, "", d.Env.ObjectName(d.Address), id.MAC)
	if d.Config.GetAttr("uplink").IsNull() || !d.Config.GetAttr("mac_address").IsNull() {
		return
	}
	if !d.Get("uplink.addresses").IsKnown() { // it is not taken over yet
		mac = cty.UnknownVal(cty.String)
	}
	d.Set("mac_address", mac)
}

func (bridge) Validate(v *bridgeAttrs, unknown schema.Unknown) error {
	e := v.end()
	return e.validate("", unknown)
}

// Conflicts finds that the uplink is made by another resource.
func (bridge) Conflicts(v *bridgeAttrs, unknown schema.Unknown, others providers.Others) error {
	if v.Uplink == nil || v.Uplink.Interface == "" || unknown.Has("namespace") {
		return nil
	}
	o := others.Holder(providers.Link(v.Namespace, v.Uplink.Interface))
	if o == nil {
		return nil
	}
	return notUplink(v.Uplink.Interface, "is made by %s, which decides about its addresses. Set the bridge argument of that resource instead.", o.Address)
}

func (bridge) Places(v *bridgeAttrs, unknown schema.Unknown) providers.Places {
	var out providers.Places
	addEndPlaces(&out, v.end(), "", unknown)
	if v.Uplink != nil && v.Uplink.Interface != "" && !unknown.Has("namespace") {
		out.Holds = append(out.Holds, uplinkPlace(v.Namespace, v.Uplink.Interface))
		out.Attached = append(out.Attached, providers.Link(v.Namespace, v.Uplink.Interface))
	}
	return out
}

func (bridge) Batch(v *bridgeAttrs) string { return v.Namespace }

func (bridge) Check(s *snapshot, p *providers.Proposed[bridgeAttrs]) error {
	e := p.Attrs.end()
	if err := checkLink(s, &e, "", checkInput{p.Unknown, p.Vacated, p.Promised, p.Address, "bridge"}); err != nil {
		return err
	}
	u := p.Attrs.Uplink
	ns, err := s.namespace(p.Attrs.Namespace)
	if u == nil || u.Interface == "" || ns == nil || err != nil || p.Vacated[uplinkPlace(p.Attrs.Namespace, u.Interface)] {
		return err
	}
	l := ns.link(u.Interface)
	if l == nil {
		return missingLink(p.Attrs.Namespace, u.Interface, "uplink.interface")
	}
	if err := checkUplink(l, ns.linkName(l.Master), nil); err != nil {
		return err
	}
	if err := checkUplinkRoutes(l, ns.routes); err != nil {
		return err
	}
	return ns.checkUplinkAddresses(l, p.Vacated)
}

// checkUplinkAddresses finds an address that another state has given to the interface. One of
// this state goes before, or contradicts the bridge.
func (v *view) checkUplinkAddresses(l *rtnl.Link, vacated map[providers.Place]bool) error {
	for _, a := range v.addresses[l.Index] {
		if a.Protocol != AddressProtocol {
			continue
		}
		attrs := addressAttrs{Namespace: v.name, Interface: l.Name, Address: a.Prefix.String(), Peer: ipString(a.Peer)}
		if !vacated[address{}.Places(&attrs, nil).Holds[0]] {
			return notUplink(l.Name, "has the address %s from an address resource of another diyform state. Destroy that one first.", a.Prefix)
		}
	}
	return nil
}

// Prepare puts on record what an uplink has, before it is taken away from it.
func (bridge) Prepare(ctx context.Context, k *session, op *bridgeOp) (bridgeIdentity, error) {
	if op.Action == providers.Delete {
		return op.Prior.Identity, nil
	}
	id := bridgeIdentity{linkIdentity: linkIdentity{MAC: createdMAC(k.env, op.Address, "", op.Planned.MACAddress)}}
	if op.Prior != nil {
		id = op.Prior.Identity
	}
	had := id.Uplink
	if op.Planned.Uplink == nil {
		id.Uplink, id.Returning = nil, owed(had, id.Returning)
		return id, nil
	}
	name := op.Planned.Uplink.Interface
	if had != nil && had.Interface != name {
		id.Returning, had = had, nil
	}
	conn, err := k.route(op.Planned.Namespace)
	if err != nil {
		return id, namespaceError(op.Planned.Namespace, err)
	}
	id.Uplink, err = readUplink(ctx, conn, op.Planned.Namespace, name, id.Index, had)
	if err != nil {
		return id, fmt.Errorf("look at uplink: %w", err)
	}
	return id, nil
}

// owed gives what is to be given back: what was taken over, else what a run that was
// interrupted had to give back.
func owed(had, returning *takeover) *takeover {
	if had != nil {
		return had
	}
	return returning
}

var _ providers.Preparer[bridgeAttrs, bridgeIdentity, *session] = bridge{}
var _ providers.Checker[bridgeAttrs, *snapshot] = bridge{}
var _ providers.Conflicter[bridgeAttrs] = bridge{}
