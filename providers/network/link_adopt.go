package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
)

// imported gives the identity of a link that somebody else made.
func imported(l *rtnl.Link) linkIdentity {
	return linkIdentity{Index: l.Index, MAC: l.MAC.String(), Alias: l.Alias}
}

const interfaceForm = "NAME, or NAMESPACE/NAME for an interface that is not in the host's network namespace"

func (bridge) ImportForm() string { return interfaceForm }

func (bridge) Locate(id string) (v bridgeAttrs, err error) {
	v.Namespace, v.Name, err = splitInterface(id)
	return v, err
}

func (bridge) ImportPlaces(*bridgeAttrs) []providers.Place { return []providers.Place{namesPlace} }

func (bridge) Import(s *snapshot, r *providers.Recorded[bridgeAttrs, bridgeIdentity]) (*providers.Recorded[bridgeAttrs, bridgeIdentity], error) {
	ns, l, err := s.importLink(r.Attrs.Namespace, r.Attrs.Name, "bridge", "bridge")
	if err != nil {
		return nil, err
	}
	out := *r
	if own := ns.ownMTU(l); own != 0 {
		r.Attrs.MTU = own
	}
	out.Attrs.observe(ns, l, &r.Attrs, nil)
	out.Identity.linkIdentity = imported(l)
	return &out, nil
}

// ownMTU gives the MTU of a bridge that does not follow its ports, else 0.
func (v *view) ownMTU(l *rtnl.Link) int {
	least := 0
	for i := range v.links {
		if port := &v.links[i]; port.Master == l.Index && (least == 0 || port.MTU < least) {
			least = port.MTU
		}
	}
	if l.MTU == cmp.Or(least, defaultMTU) {
		return 0
	}
	return l.MTU
}

func (bridge) Release(ctx context.Context, k *session, ops []*bridgeOp) {
	for _, op := range ops {
		v, id := &op.Prior.Attrs, op.Prior.Identity
		if id.Uplink != nil {
			op.Fail(&diag.Problem{
				Summary: "The bridge has taken over an interface", Attribute: "uplink",
				Detail: fmt.Sprintf("The bridge %q carries the addresses and routes of %s, and only its record can give them back. "+
					"Remove the uplink block and apply that first, or destroy the bridge.", v.Name, id.Uplink.Interface),
			})
			continue
		}
		err := k.releaseLink(ctx, doomed{v.Namespace, v.Name, id.linkIdentity, k.marksOf(op.Address, op.Prior.KnownAs)})
		settleRelease(op, err)
	}
}

func settleRelease[T, I any](op *providers.Op[T, I], err error) {
	if err != nil {
		op.Fail(err)
		return
	}
	op.Gone()
}

// releaseLink gives a link the alias back that it had before it was ours. One that is gone is
// nobody's already.
func (k *session) releaseLink(ctx context.Context, d doomed) error {
	conn, err := k.route(d.namespace)
	if noNamespace(err) {
		return nil
	}
	if err != nil {
		return err
	}
	l, err := findOwn(ctx, conn, d)
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return err
	}
	return conn.Do(ctx, rtnl.SetLink(l.Ref(), rtnl.LinkChange{Alias: &d.id.Alias}))
}

func (vethPair) ImportForm() string { return interfaceForm + "; the other end is found by it" }

func (vethPair) Locate(id string) (v vethAttrs, err error) {
	v.Namespace, v.Name, err = splitInterface(id)
	return v, err
}

func (vethPair) ImportPlaces(v *vethAttrs) []providers.Place {
	return []providers.Place{peersPlace(v.Namespace)}
}

func (vethPair) Import(s *snapshot, r *providers.Recorded[vethAttrs, vethIdentity]) (*providers.Recorded[vethAttrs, vethIdentity], error) {
	ns, l, err := s.importLink(r.Attrs.Namespace, r.Attrs.Name, "veth", "veth_pair")
	if err != nil {
		return nil, err
	}
	other, peer := s.peerOf(ns, l)
	if peer == nil {
		return nil, &diag.Problem{
			Summary: "The other end cannot be reached",
			Detail: fmt.Sprintf("The other end of %q is in a network namespace that has no name, such as a container's of another program, "+
				"so it could not be managed. Give the namespace a name first: ip netns attach NAME PID.", l.Name),
		}
	}
	if err := s.session.refuseForeign(peer.Alias, fmt.Sprintf("The interface %q, which is the other end,", peer.Name)); err != nil {
		return nil, err
	}
	out := *r
	near, far := ns.end(l), other.end(peer)
	out.Attrs.setNear(near)
	out.Attrs.Namespace = near.Namespace
	out.Attrs.Peer.setEnd(far)
	out.Attrs.Peer.Namespace = far.Namespace
	out.Identity = vethIdentity{Near: imported(l), Peer: imported(peer)}
	return &out, nil
}

// peerOf gives the other end of a pair, and the namespace that it is in.
func (s *snapshot) peerOf(ns *view, l *rtnl.Link) (*view, *rtnl.Link) {
	other := ns
	if l.LowerNS >= 0 {
		name, known := ns.numbers[l.LowerNS]
		if !known {
			return nil, nil
		}
		other = s.namespaces[name]
	}
	peer := other.byIndex[l.Lower]
	if peer == nil || peer.Kind != "veth" || peer.Lower != l.Index {
		return nil, nil
	}
	return other, peer
}

func (vethPair) Release(ctx context.Context, k *session, ops []*vethOp) {
	for _, op := range ops {
		v, id, ours := &op.Prior.Attrs, op.Prior.Identity, k.marksOf(op.Address, op.Prior.KnownAs)
		settleRelease(op, errors.Join(
			k.releaseLink(ctx, doomed{v.Peer.Namespace, v.Peer.Name, id.Peer, ours.peers()}),
			k.releaseLink(ctx, doomed{v.Namespace, v.Name, id.Near, ours}),
		))
	}
}

var _ providers.Importer[bridgeAttrs, bridgeIdentity, *snapshot] = bridge{}
var _ providers.Releaser[bridgeAttrs, bridgeIdentity, *session] = bridge{}
var _ providers.Importer[vethAttrs, vethIdentity, *snapshot] = vethPair{}
var _ providers.ImportPlacer[vethAttrs] = vethPair{}
var _ providers.Releaser[vethAttrs, vethIdentity, *session] = vethPair{}
