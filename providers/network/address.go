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
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

// AddressProtocol marks the addresses that diyform gives to interfaces of others, from Linux
// 5.18: `ip -d address show proto 100`.
const AddressProtocol = RouteProtocol

type addressAttrs struct {
	Namespace string `diy:"namespace,replace" format:"namespace" doc:"Network namespace of the interface. Left out, it is the host's."`
	Interface string `diy:"interface,required,replace" format:"interface" doc:"Interface that gets the address: one that diyform did not make. Those that it makes have an argument addresses."`
	Address   string `diy:"address,required,replace" format:"address" doc:"The address with its prefix length. An IPv6 one can be used at once, without duplicate detection."`
	Peer      string `diy:"peer,replace" format:"ip" doc:"Address of the other end of a point-to-point link; the prefix length is then its."`
}

// addressIdentity is the interface that has the address.
type addressIdentity struct {
	Index int `json:"index"`
}

type address struct{}

type addressOp = providers.Op[addressAttrs, addressIdentity]

func defineAddress() providers.Def[*snapshot, *session] {
	return providers.Define("address", "An IP address of an interface that exists already, such as a physical one.", address{})
}

func (v *addressAttrs) spec(index int) rtnl.Address {
	a := parseAddress(index, v.Address)
	a.Peer, _ = netip.ParseAddr(v.Peer) // the schema has checked it
	a.Protocol = AddressProtocol
	return a
}

// Read gives the address if the recorded interface has it. After a crash between intent and
// outcome only the protocol number tells that it is ours.
func (address) Read(s *snapshot, r *providers.Recorded[addressAttrs, addressIdentity]) (*providers.Recorded[addressAttrs, addressIdentity], error) {
	ns, err := s.namespace(r.Attrs.Namespace)
	if ns == nil || err != nil {
		return nil, err
	}
	l := ns.byIndex[r.Identity.Index]
	if l == nil || l.Name != r.Attrs.Interface && !slices.Contains(l.AltNames, r.Attrs.Interface) {
		return nil, nil
	}
	got := ns.addressOn(l, r.Attrs.spec(l.Index))
	if got == nil || r.Unfinished && ns.marksAddresses() && got.Protocol != AddressProtocol {
		return nil, nil
	}
	out := *r
	return &out, nil
}

func (v *view) addressOn(l *rtnl.Link, want rtnl.Address) *rtnl.Address {
	list := v.addresses[l.Index]
	i := slices.IndexFunc(list, sameAddress(want))
	if i < 0 {
		return nil
	}
	return &list[i]
}

// marksAddresses reports whether the kernel keeps the protocol numbers of addresses: it then
// gives lo's its own.
func (v *view) marksAddresses() bool {
	for _, list := range v.addresses {
		if slices.ContainsFunc(list, func(a rtnl.Address) bool { return a.Protocol != 0 }) {
			return true
		}
	}
	return false
}

func (address) Validate(v *addressAttrs, unknown schema.Unknown) error {
	prefix, err1 := netip.ParsePrefix(v.Address)
	peer, err2 := netip.ParseAddr(v.Peer)
	if err1 != nil || err2 != nil || prefix.Addr().Is4() == peer.Is4() {
		return nil
	}
	return &diag.Problem{
		Summary: "Arguments that contradict each other", Attribute: "peer",
		Detail: fmt.Sprintf("The address %s and its peer %s must be of one IP version.", v.Address, v.Peer),
	}
}

// Conflicts finds that the interface has its addresses from another resource.
func (address) Conflicts(v *addressAttrs, unknown schema.Unknown, others providers.Others) error {
	if unknown.Has("namespace") || unknown.Has("interface") {
		return nil
	}
	if o := others.Holder(providers.Link(v.Namespace, v.Interface)); o != nil {
		return ownInterface(v.Interface, o.Address.String())
	}
	return isUplink(others, v.Namespace, v.Interface, "address")
}

func (address) Places(v *addressAttrs, unknown schema.Unknown) providers.Places {
	if unknown.Has("namespace") || unknown.Has("interface") {
		return providers.Places{}
	}
	out := providers.Places{Within: []providers.Place{
		providers.NetworkNamespace(v.Namespace), providers.Link(v.Namespace, v.Interface),
	}}
	if !unknown.Has("address") && !unknown.Has("peer") {
		prefix, _ := netip.ParsePrefix(v.Address) // the schema has checked it
		name := strings.TrimSpace(v.Interface + " " + v.Address + " " + v.Peer)
		if prefix.Addr().Is6() { // which the kernel has once, whatever its prefix length
			name = v.Interface + " " + prefix.Addr().String()
		}
		out.Holds = []providers.Place{{Kind: "address", Namespace: v.Namespace, Name: name}}
		if peer, err := netip.ParseAddr(v.Peer); err == nil {
			prefix = netip.PrefixFrom(peer, prefix.Bits())
		}
		out.Networks = []providers.Network{{Namespace: v.Namespace, Prefix: prefix.Masked()}}
	}
	return out
}

func (address) Batch(v *addressAttrs) string { return v.Namespace }

func (address) Check(s *snapshot, p *providers.Proposed[addressAttrs]) error {
	ns, err := s.checkNamespace(p.Attrs.Namespace, p.Unknown, p.Vacated, p.Promised)
	if err != nil || p.Unknown.Has("interface") {
		return err
	}
	if ns == nil {
		return nil
	}
	l := ns.link(p.Attrs.Interface)
	switch {
	case l == nil:
		return missingLink(p.Attrs.Namespace, p.Attrs.Interface, "interface")
	case strings.HasPrefix(l.Alias, s.session.env.MarkPrefix()):
		return ownInterface(p.Attrs.Interface, strings.TrimPrefix(l.Alias, s.session.env.MarkPrefix()))
	case p.Unknown.Has("address") || p.Vacated[address{}.Places(&p.Attrs, p.Unknown).Holds[0]]:
		return nil
	case ns.addressOn(l, p.Attrs.spec(l.Index)) != nil:
		return withImport(foreignAddress(&p.Attrs, nil), p.Address, inNamespace(p.Attrs.Namespace, p.Attrs.Interface+"/"+p.Attrs.Address))
	}
	return nil
}

// ownInterface says that two resources would decide about the addresses of one interface.
func ownInterface(name, owner string) error {
	return &diag.Problem{
		Summary: "The interface has its addresses from another resource", Attribute: "interface",
		Detail: fmt.Sprintf("The interface %q is made by %s, whose argument addresses lists all of its addresses. Add this one there, and remove this resource.", name, owner),
	}
}

func foreignAddress(v *addressAttrs, err error) error {
	return &diag.Problem{
		Summary: "The address exists already", Attribute: "address", Err: err,
		Detail: fmt.Sprintf("The interface %q has the address %s, which this state does not record; diyform does not touch it. "+
			"Remove this resource, or the address: ip address delete %s dev %s.", v.Interface, v.Address, v.Address, v.Interface),
	}
}

// Prepare finds the interface, so that it is on record which one gets the address.
func (address) Prepare(ctx context.Context, k *session, op *addressOp) (addressIdentity, error) {
	if op.Prior != nil {
		return op.Prior.Identity, nil
	}
	conn, err := k.route(op.Planned.Namespace)
	if err != nil {
		return addressIdentity{}, namespaceError(op.Planned.Namespace, err)
	}
	index, err := indexOf(ctx, conn, op.Planned.Namespace, op.Planned.Interface, "interface")
	return addressIdentity{Index: index}, err
}

// Apply sends the requests of one namespace together. Nothing of an address can change in
// place: an update only settles what a crash left unfinished.
func (a address) Apply(ctx context.Context, k *session, action providers.Action, ops []*addressOp) {
	if action == providers.Delete {
		a.delete(ctx, k, ops)
		return
	}
	conn, err := k.route(ops[0].Planned.Namespace)
	if err != nil {
		failAll(ops, namespaceError(ops[0].Planned.Namespace, err))
		return
	}
	if action == providers.Update {
		ops = a.markAll(ctx, k, conn, ops)
	}
	reqs := make([]*rtnl.Request, 2*len(ops))
	links := make([]rtnl.Link, len(ops))
	for i, op := range ops {
		reqs[2*i] = rtnl.AddAddress(op.Planned.spec(op.Intent.Index))
		reqs[2*i+1] = rtnl.GetLink(rtnl.ByIndex(op.Intent.Index), &links[i])
	}
	if len(reqs) > 0 {
		_ = conn.Do(ctx, reqs...) // each request has its own error
	}
	for i, op := range ops {
		err := reqs[2*i].Err()
		switch exists := errors.Is(err, unix.EEXIST); {
		case exists && action == providers.Create:
			op.Fail(foreignAddress(&op.Planned, err))
		case err != nil && !exists:
			op.Fail(refused{end: end{Name: op.Planned.Interface}, mtu: links[i].MTU}.explain(err))
		default:
			settleAddress(ctx, k, op, links[i].Up())
		}
	}
}

func settleAddress(ctx context.Context, k *session, op *addressOp, up bool) {
	e := end{Addresses: []string{op.Planned.Address}, Up: up}
	if err := k.awaitUsable(ctx, op.Planned.Namespace, e.toAwait()); err != nil {
		op.FailPartly(op.Planned, op.Intent, err)
		return
	}
	op.Done(op.Planned, op.Intent)
}

// delete takes the addresses away. The routes of others that the kernel drops with them come
// back where another address carries them.
func (address) delete(ctx context.Context, k *session, ops []*addressOp) {
	conn, err := k.route(ops[0].Prior.Attrs.Namespace)
	if err != nil && !noNamespace(err) {
		failAll(ops, err)
		return
	}
	for _, op := range ops {
		if err == nil && !op.Follows {
			if failed := deleteAddress(ctx, conn, op); failed != nil {
				op.Fail(failed)
				continue
			}
		}
		op.Gone()
	}
}

func deleteAddress(ctx context.Context, conn *rtnl.Conn, op *addressOp) error {
	index := op.Prior.Identity.Index
	have, err := conn.AddressesOn(ctx, index)
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return err
	}
	spec := op.Prior.Attrs.spec(index)
	keep := slices.DeleteFunc(have, sameAddress(spec))
	return removeAddresses(ctx, conn, index, []rtnl.Address{spec}, &wanted{keep: keep})
}

var _ providers.Preparer[addressAttrs, addressIdentity, *session] = address{}
var _ providers.Checker[addressAttrs, *snapshot] = address{}
var _ providers.Conflicter[addressAttrs] = address{}
