package network

import (
	"context"
	"errors"
	"net/netip"

	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

type vethAttrs struct {
	Name       string   `diy:"name,optional,computed" format:"interface" doc:"Name of the interface. Left out, it is made from the resource's."`
	Namespace  string   `diy:"namespace,replace" format:"namespace" doc:"Network namespace of this end. Left out, it is the host's."`
	Addresses  []string `diy:"addresses,unordered" format:"address" doc:"All addresses of this end, with prefix lengths. IPv6 ones can be used at once, without duplicate detection; link-local ones come from the kernel."`
	MTU        int      `diy:"mtu" default:"1500" min:"68" max:"65535" unit:"bytes" doc:"Largest packet."`
	MACAddress string   `diy:"mac_address,optional,computed" format:"mac" doc:"Ethernet address. Left out, it follows from the state and the resource's address, so that it is the same at every re-creation."`
	Up         bool     `diy:"up" default:"true" doc:"Whether the interface is up."`
	Bridge     string   `diy:"bridge" format:"interface" doc:"Bridge, in the same namespace, that this end is a port of."`
	Index      int      `diy:"index,computed" doc:"Number of the interface in its namespace."`
	Peer       vethPeer `diy:"peer,block" doc:"The other end."`
}

type vethPeer struct {
	Name       string   `diy:"name,optional,computed" format:"interface" doc:"Name of the interface. Left out, it is made from the resource's, with -peer."`
	Namespace  string   `diy:"namespace,replace" format:"namespace" doc:"Network namespace of the other end, which is created in it. Left out, it is the host's."`
	Addresses  []string `diy:"addresses,unordered" format:"address" doc:"All addresses of the other end."`
	MTU        int      `diy:"mtu" default:"1500" min:"68" max:"65535" unit:"bytes" doc:"Largest packet."`
	MACAddress string   `diy:"mac_address,optional,computed" format:"mac" doc:"Ethernet address."`
	Up         bool     `diy:"up" default:"true" doc:"Whether the interface is up."`
	Bridge     string   `diy:"bridge" format:"interface" doc:"Bridge, in the other end's namespace, that it is a port of."`
	Index      int      `diy:"index,computed" doc:"Number of the interface in its namespace."`
}

// vethIdentity is that of both ends.
type vethIdentity struct {
	Near linkIdentity `json:"near"`
	Peer linkIdentity `json:"peer"`
}

type vethPair struct{}

type vethOp = providers.Op[vethAttrs, vethIdentity]

func defineVethPair() providers.Def[*snapshot, *session] {
	return providers.Define("veth_pair",
		"Two virtual Ethernet interfaces: what goes into one comes out of the other. Each end is made in its own network namespace.",
		vethPair{})
}

func (v *vethAttrs) near() end {
	return end{
		Namespace: v.Namespace, Name: v.Name, Addresses: v.Addresses, MTU: v.MTU,
		MAC: v.MACAddress, Up: v.Up, Bridge: v.Bridge, Index: v.Index,
	}
}

func (v *vethAttrs) setNear(e end) {
	v.Name, v.Addresses, v.MTU, v.MACAddress, v.Up, v.Bridge, v.Index =
		e.Name, e.Addresses, e.MTU, e.MAC, e.Up, e.Bridge, e.Index
}

func (p *vethPeer) end() end {
	return end{
		Namespace: p.Namespace, Name: p.Name, Addresses: p.Addresses, MTU: p.MTU,
		MAC: p.MACAddress, Up: p.Up, Bridge: p.Bridge, Index: p.Index,
	}
}

func (p *vethPeer) setEnd(e end) {
	p.Name, p.Addresses, p.MTU, p.MACAddress, p.Up, p.Bridge, p.Index =
		e.Name, e.Addresses, e.MTU, e.MAC, e.Up, e.Bridge, e.Index
}

// peerMark marks the other end, as mark does the first.
func peerMark(mark string) string { return mark + ".peer" }

// elsewhere stands for the namespace of an end that somebody moved away: the pair is then
// replaced, since the end cannot be brought back from where nobody knows.
const elsewhere = "(moved away)"

// Read gives both ends. An end goes only together with the other, so a pair of which one end
// is found is there.
func (vethPair) Read(s *snapshot, r *providers.Recorded[vethAttrs, vethIdentity]) (*providers.Recorded[vethAttrs, vethIdentity], error) {
	ours := s.session.marksOf(r.Address, r.KnownAs)
	out := *r
	near, err := readEnd(s, r.Attrs.near(), r.Identity.Near, ours)
	if err != nil {
		return nil, err
	}
	peer, err := readEnd(s, r.Attrs.Peer.end(), r.Identity.Peer, ours.peers())
	if err != nil || near == nil && peer == nil {
		return nil, err
	}
	if near != nil {
		out.Attrs.setNear(*near)
		out.Identity.Near.Index = near.Index
	} else {
		out.Attrs.Namespace = elsewhere
	}
	if peer != nil {
		out.Attrs.Peer.setEnd(*peer)
		out.Identity.Peer.Index = peer.Index
	} else {
		out.Attrs.Peer.Namespace = elsewhere
	}
	return &out, nil
}

// readEnd gives what there is of a link, nil when it is gone.
func readEnd(s *snapshot, recorded end, id linkIdentity, ours marks) (*end, error) {
	ns, err := s.namespace(recorded.Namespace)
	if ns == nil || err != nil {
		return nil, err
	}
	l := ns.ourLink(recorded.Name, id, ours)
	if l == nil {
		return nil, nil
	}
	e := ns.end(l)
	return &e, nil
}

// Derive names both ends and gives them their MAC addresses.
func (vethPair) Derive(d *providers.Derivation) {
	base := d.Env.ObjectName(d.Address)
	var id vethIdentity
	d.PriorIdentity(&id)
	deriveLink(d, "", base, id.Near.MAC)
	deriveLink(d, "peer.", base+"-peer", id.Peer.MAC)
}

func (vethPair) Validate(v *vethAttrs, unknown schema.Unknown) error {
	near, peer := v.near(), v.Peer.end()
	return errors.Join(near.validate("", unknown), peer.validate("peer.", unknown))
}

// Conflicts finds bridges that would lose IPv6 by one of the ends.
func (vethPair) Conflicts(v *vethAttrs, unknown schema.Unknown, others providers.Others) error {
	near, peer := v.near(), v.Peer.end()
	return errors.Join(near.conflicts("", unknown, others), peer.conflicts("peer.", unknown, others))
}

func (vethPair) Places(v *vethAttrs, unknown schema.Unknown) providers.Places {
	var out providers.Places
	addEndPlaces(&out, v.near(), "", unknown)
	addEndPlaces(&out, v.Peer.end(), "peer.", unknown)
	return out
}

// addEndPlaces adds what a link has to do with the rest, as far as it is known.
func addEndPlaces(out *providers.Places, e end, prefix string, unknown schema.Unknown) {
	if unknown.Has(prefix + "namespace") {
		return
	}
	out.Within = append(out.Within, providers.NetworkNamespace(e.Namespace))
	if !unknown.Has(prefix + "name") {
		out.Holds = append(out.Holds, providers.Link(e.Namespace, e.Name))
	}
	if e.Bridge != "" {
		out.Attached = append(out.Attached, providers.Link(e.Namespace, e.Bridge))
	}
	for _, a := range e.Addresses {
		if p, err := netip.ParsePrefix(a); err == nil {
			out.Networks = append(out.Networks, providers.Network{Namespace: e.Namespace, Prefix: p.Masked()})
		}
	}
}

func (vethPair) Batch(v *vethAttrs) string { return v.Namespace }

func (vethPair) Check(s *snapshot, p *providers.Proposed[vethAttrs]) error {
	in := checkInput{p.Unknown, p.Vacated, p.Promised, p.Address, "veth"}
	near, peer := p.Attrs.near(), p.Attrs.Peer.end()
	return errors.Join(checkLink(s, &near, "", in), checkLink(s, &peer, "peer.", in))
}

// Prepare gives the MAC addresses by which links without a mark are known after a crash.
func (vethPair) Prepare(_ context.Context, k *session, op *vethOp) (vethIdentity, error) {
	if op.Prior != nil {
		return op.Prior.Identity, nil
	}
	return vethIdentity{
		Near: linkIdentity{MAC: createdMAC(k.env, op.Address, "", op.Planned.MACAddress)},
		Peer: linkIdentity{MAC: createdMAC(k.env, op.Address, "peer.", op.Planned.Peer.MACAddress)},
	}, nil
}

func (v vethPair) Apply(ctx context.Context, k *session, action providers.Action, ops []*vethOp) {
	switch action {
	case providers.Create:
		v.create(ctx, k, ops)
	case providers.Update:
		for _, op := range ops {
			v.update(ctx, k, op)
		}
	case providers.Delete:
		v.delete(ctx, k, ops)
	}
}

// update brings both ends into their wanted state, the one after the other.
func (vethPair) update(ctx context.Context, k *session, op *vethOp) {
	attrs, id := op.Planned, op.Prior.Identity
	mark, ours := k.env.Mark(op.Address), k.marksOf(op.Address, op.Prior.KnownAs)
	base := k.env.ObjectName(op.Address)
	near, err := k.updateEnd(ctx, attrs.near(), doomed{name: op.Prior.Attrs.Name, marks: ours}, "", mark, base, &id.Near)
	if err == nil {
		attrs.setNear(near)
		var peer end
		peer, err = k.updateEnd(ctx, attrs.Peer.end(), doomed{name: op.Prior.Attrs.Peer.Name, marks: ours.peers()}, "peer.", peerMark(mark), base+"-peer", &id.Peer)
		if err == nil {
			attrs.Peer.setEnd(peer)
		}
	}
	if err != nil {
		op.FailPartly(op.Prior.Attrs, id, err)
		return
	}
	op.Done(attrs, id)
}

// updateEnd brings a link, as it was before, into its wanted state and gives that.
func (k *session) updateEnd(ctx context.Context, e end, was doomed, prefix, mark, base string, id *linkIdentity) (end, error) {
	conn, err := k.route(e.Namespace)
	if err != nil {
		return e, atAttribute(namespaceError(e.Namespace, err), prefix)
	}
	master, err := indexOf(ctx, conn, e.Namespace, e.Bridge, prefix+"bridge")
	if err != nil {
		return e, err
	}
	was.id = *id
	l, err := findOwn(ctx, conn, was)
	if err != nil {
		return e, refused{end: e, prefix: prefix}.explain(err)
	}
	have, err := conn.AddressesOn(ctx, l.Index)
	if err != nil {
		return e, err
	}
	w := &wanted{end: e, mark: mark, altName: altName(e.Name, base), master: master, prefix: prefix}
	if err := configure(ctx, conn, l, have, w); err != nil {
		return e, err
	}
	e.Index, id.Index = l.Index, l.Index
	return e, k.awaitUsable(ctx, e.Namespace, e.toAwait())
}

// delete deletes the first ends, or what is left of pairs whose first end went, or waits for
// both to go.
func (vethPair) delete(ctx context.Context, k *session, ops []*vethOp) {
	byNamespace := map[string][]doomedEnd{}
	for _, op := range ops {
		v, id, ours := &op.Prior.Attrs, op.Prior.Identity, k.marksOf(op.Address, op.Prior.KnownAs)
		for _, d := range []doomed{
			{v.Namespace, v.Name, id.Near, ours},
			{v.Peer.Namespace, v.Peer.Name, id.Peer, ours.peers()},
		} {
			byNamespace[d.namespace] = append(byNamespace[d.namespace], doomedEnd{d, op})
		}
	}
	for namespace := range byNamespace {
		// Closes one that has lost its name, which would otherwise live on, with its links,
		// as long as we hold it: a container's own, which was removed with the container.
		_, _ = k.namespace(namespace)
	}
	errs := map[*vethOp]error{}
	// The batch's own namespace first: deleting the first ends takes the others along, and
	// one by one in a thousand namespaces they would each cost the kernel a grace period.
	own := ops[0].Prior.Attrs.Namespace
	k.deleteEnds(ctx, own, byNamespace[own], errs)
	delete(byNamespace, own)
	for namespace, ends := range byNamespace {
		k.deleteEnds(ctx, namespace, ends, errs)
	}
	for _, op := range ops {
		if err := errs[op]; err != nil {
			op.Fail(err)
			continue
		}
		op.Gone()
	}
}

// doomedEnd is an end and the operation that it is of.
type doomedEnd struct {
	doomed
	op *vethOp
}

func (k *session) deleteEnds(ctx context.Context, namespace string, ends []doomedEnd, errs map[*vethOp]error) {
	for _, follows := range []bool{true, false} {
		var list []doomed
		var ops []*vethOp
		for _, e := range ends {
			if e.op.Follows == follows {
				list, ops = append(list, e.doomed), append(ops, e.op)
			}
		}
		if len(list) == 0 || namespace == elsewhere {
			continue
		}
		for i, err := range k.deleteLinks(ctx, namespace, list, follows) {
			errs[ops[i]] = errors.Join(errs[ops[i]], err)
		}
	}
}

var _ providers.Preparer[vethAttrs, vethIdentity, *session] = vethPair{}
var _ providers.Checker[vethAttrs, *snapshot] = vethPair{}
var _ providers.Conflicter[vethAttrs] = vethPair{}

// findOwn looks a link up that was read to be ours.
func findOwn(ctx context.Context, conn *rtnl.Conn, d doomed) (*rtnl.Link, error) {
	var l rtnl.Link
	ref := rtnl.LinkRef{Index: d.id.Index, Name: d.name}
	if err := conn.Do(ctx, rtnl.GetLink(ref, &l)); err != nil {
		return nil, err
	}
	if !d.isOurs(&l) {
		return nil, foreignLink(d.namespace, &l, "name", false)
	}
	return &l, nil
}
