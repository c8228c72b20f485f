package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
)

func (b bridge) Apply(ctx context.Context, k *session, action providers.Action, ops []*bridgeOp) {
	if action == providers.Delete {
		b.delete(ctx, k, ops)
		return
	}
	for _, op := range ops {
		b.make(ctx, k, op)
	}
}

// make creates the bridge where it is not there, brings it into its wanted state, gives back
// what it took over before, and takes over its uplink.
func (bridge) make(ctx context.Context, k *session, op *bridgeOp) {
	id := op.Intent
	conn, err := k.route(op.Planned.Namespace)
	if err != nil {
		op.Fail(namespaceError(op.Planned.Namespace, err))
		return
	}
	l, err := findOrCreateBridge(ctx, k, conn, op)
	if err != nil {
		op.Fail(err)
		return
	}
	id.Index = l.Index
	attrs := op.Planned
	attrs.Index = l.Index
	err = settleBridge(ctx, k, conn, l, op, &id)
	if err != nil {
		attrs.Uplink = nil
		op.FailPartly(attrs, id, err)
		return
	}
	attrs.MACAddress = cmp.Or(attrs.MACAddress, macOf(id.Uplink), id.MAC)
	if attrs.Uplink != nil {
		attrs.Uplink = &bridgeUplink{Interface: attrs.Uplink.Interface, Addresses: id.Uplink.addressList()}
	}
	op.Done(attrs, id)
}

// findOrCreateBridge gives our bridge as it is. Its derived MAC address is its mark until it
// has its alias.
func findOrCreateBridge(ctx context.Context, k *session, conn *rtnl.Conn, op *bridgeOp) (*rtnl.Link, error) {
	mark := k.env.Mark(op.Address)
	if op.Prior != nil {
		l, err := findOwn(ctx, conn, doomed{
			namespace: op.Planned.Namespace, name: op.Prior.Attrs.Name, id: op.Prior.Identity.linkIdentity, marks: k.marksOf(op.Address, op.Prior.KnownAs),
		})
		if !errors.Is(err, unix.ENODEV) {
			return l, err
		}
	}
	v := &op.Planned
	err := conn.Do(ctx, rtnl.CreateBridge(
		rtnl.LinkSpec{Name: v.Name, MAC: hardware(op.Intent.MAC)}, rtnl.BridgeOptions{}))
	if errors.Is(err, unix.EEXIST) {
		return nil, takenName(v.Namespace, v.Name, err)
	}
	if err != nil {
		return nil, refused{end: v.end()}.explain(err)
	}
	var l rtnl.Link
	ref := rtnl.ByName(v.Name)
	return &l, conn.Do(ctx, rtnl.SetLink(ref, rtnl.LinkChange{Alias: &mark}), rtnl.GetLink(ref, &l))
}

// settleBridge brings a bridge that is there into its wanted state. id follows what is owed.
func settleBridge(ctx context.Context, k *session, conn *rtnl.Conn, l *rtnl.Link, op *bridgeOp, id *bridgeIdentity) error {
	have, err := conn.AddressesOn(ctx, l.Index)
	if err != nil {
		return err
	}
	e := op.Planned.end()
	e.MAC = cmp.Or(e.MAC, macOf(id.Uplink), id.MAC)
	options := op.Planned.options()
	w := &wanted{
		end: e, mark: k.env.Mark(op.Address), bridge: &options,
		altName: altName(e.Name, k.env.ObjectName(op.Address)),
		keep:    append(id.Uplink.onBridge(l.Index, e.Name), id.Returning.onBridge(l.Index, e.Name)...),
	}
	if err := k.makeRoomForIPv6(ctx, conn, l, w); err != nil {
		return err
	}
	if err := configure(ctx, conn, l, have, w); err != nil {
		return err
	}
	var moved []netip.Addr
	if id.Returning != nil {
		if err := id.Returning.giveBack(ctx, conn, l.Index); err != nil {
			return fmt.Errorf("give %s back its addresses and routes: %w", id.Returning.Interface, err)
		}
		moved = id.Returning.toAwait()
		id.Returning = nil
	}
	if id.Uplink != nil {
		if err := takeOver(ctx, conn, l, w, id); err != nil {
			return err
		}
	}
	return k.awaitUsable(ctx, e.Namespace, slices.Concat(e.toAwait(), moved, id.Uplink.toAwait()))
}

// makeRoomForIPv6 sees to it that a bridge which follows the MTU of its ports has one that
// IPv6 can be used with. A port of ours that is smaller by hand gets its own MTU again after
// its bridge, which cannot have its addresses before.
func (k *session) makeRoomForIPv6(ctx context.Context, conn *rtnl.Conn, l *rtnl.Link, w *wanted) error {
	address := firstIPv6(w.Addresses)
	if w.MTU != 0 || l.MTU >= minIPv6MTU || address == "" {
		return nil
	}
	links, err := conn.Links(ctx)
	if err != nil {
		return err
	}
	var reqs []*rtnl.Request
	for i := range links {
		port := &links[i]
		if port.Master != l.Index || port.MTU >= minIPv6MTU {
			continue
		}
		if !strings.HasPrefix(port.Alias, k.env.MarkPrefix()) {
			return smallPort(port.Name, port.MTU, l.Name, "", address, "addresses")
		}
		reqs = append(reqs, rtnl.SetLink(port.Ref(), rtnl.LinkChange{MTU: minIPv6MTU}))
	}
	if len(reqs) == 0 { // it was set, and follows nobody
		reqs = append(reqs, rtnl.SetLink(l.Ref(), rtnl.LinkChange{MTU: defaultMTU}))
	}
	return conn.Do(ctx, reqs...)
}

// defaultMTU is ETH_DATA_LEN of linux/if_ether.h.
const defaultMTU = 1500

// takeOver takes the uplink over, or leaves everything as it was.
func takeOver(ctx context.Context, conn *rtnl.Conn, l *rtnl.Link, w *wanted, id *bridgeIdentity) error {
	err := id.Uplink.take(ctx, conn, l.Index, w.Name)
	if err == nil {
		return nil
	}
	err = w.explain(fmt.Errorf("take over %s: %w", id.Uplink.Interface, err), l)
	if undo := id.Uplink.giveBack(ctx, conn, l.Index); undo != nil {
		return errors.Join(err, fmt.Errorf("undo: %w", undo)) // the record stays: the next run tries again
	}
	id.Uplink = nil
	return err
}

func macOf(t *takeover) string {
	if t == nil {
		return ""
	}
	return t.MAC
}

// delete gives back what was taken over and deletes the bridges.
func (bridge) delete(ctx context.Context, k *session, ops []*bridgeOp) {
	for _, op := range ops {
		if err := k.deleteBridge(ctx, op); err != nil {
			op.Fail(err)
			continue
		}
		op.Gone()
	}
}

func (k *session) deleteBridge(ctx context.Context, op *bridgeOp) error {
	v, id := &op.Prior.Attrs, op.Prior.Identity
	if !op.Follows {
		if err := k.returnAll(ctx, v.Namespace, id); err != nil {
			return err
		}
	}
	d := doomed{v.Namespace, v.Name, id.linkIdentity, k.marksOf(op.Address, op.Prior.KnownAs)}
	return errors.Join(k.deleteLinks(ctx, v.Namespace, []doomed{d}, op.Follows)...)
}

// returnAll gives back what the bridge owes. An interface that is gone needs nothing.
func (k *session) returnAll(ctx context.Context, namespace string, id bridgeIdentity) error {
	if id.Uplink == nil && id.Returning == nil {
		return nil
	}
	conn, err := k.route(namespace)
	if noNamespace(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, t := range []*takeover{id.Returning, id.Uplink} {
		if t == nil {
			continue
		}
		if err := t.giveBack(ctx, conn, id.Index); err != nil {
			return fmt.Errorf("give %s back its addresses and routes: %w", t.Interface, err)
		}
		if err := k.awaitUsable(ctx, namespace, t.toAwait()); err != nil {
			return err
		}
	}
	return nil
}
