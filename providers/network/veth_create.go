package network

import (
	"context"
	"errors"
	"net"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/rtnl"
)

// newPair is a pair that is being made.
type newPair struct {
	op          *vethOp
	id          vethIdentity
	near, peer  wanted
	peerConn    *rtnl.Conn
	link, other rtnl.Link // as the kernel made them
	request     *rtnl.Request
	err         error
}

// create makes many pairs step by step, not pair by pair: first all links, then their marks,
// then their addresses, and only then they go up. A pair that is up talks (IPv6 neighbour and
// multicast discovery), which a bridge floods to all of its ports while the remaining pairs
// wait for the same lock of the kernel.
//
// The marks go in a second message because the kernel ignores an alias in the creating one,
// and would carry out the rest of a message after a creation that failed.
func (vethPair) create(ctx context.Context, k *session, ops []*vethOp) {
	namespace := ops[0].Planned.Namespace
	conn, err := k.route(namespace)
	if err != nil {
		failAll(ops, namespaceError(namespace, err))
		return
	}
	pairs := k.newPairs(ctx, conn, ops)
	reqs := make([]*rtnl.Request, len(pairs))
	for i, p := range pairs {
		reqs[i] = p.request
	}
	_ = conn.Do(ctx, reqs...) // each request has its own error
	pairs = made(pairs)
	pairs = markPairs(ctx, conn, pairs)
	for _, p := range pairs {
		p.err = p.finish(ctx, conn)
	}
	for _, p := range pairs {
		p.settle(ctx, k)
	}
}

// newPairs works out what to ask for, and fails the operations that lack a namespace or a
// bridge.
func (k *session) newPairs(ctx context.Context, conn *rtnl.Conn, ops []*vethOp) []*newPair {
	bridges := map[string]int{}
	var pairs []*newPair
	for _, op := range ops {
		p, err := k.newPair(ctx, conn, op, bridges)
		if err != nil {
			op.Fail(err)
			continue
		}
		pairs = append(pairs, p)
	}
	return pairs
}

func (k *session) newPair(ctx context.Context, conn *rtnl.Conn, op *vethOp, bridges map[string]int) (*newPair, error) {
	v, mark, base := &op.Planned, k.env.Mark(op.Address), k.env.ObjectName(op.Address)
	p := &newPair{op: op, id: op.Intent}
	ns, err := k.namespace(v.Peer.Namespace)
	if err == nil {
		p.peerConn, err = ns.Route()
	}
	if err != nil {
		return nil, atAttribute(namespaceError(v.Peer.Namespace, err), "peer.")
	}
	p.near = wanted{end: v.near(), mark: mark, altName: altName(v.Name, base)}
	p.peer = wanted{end: v.Peer.end(), mark: peerMark(mark), altName: altName(v.Peer.Name, base+"-peer"), prefix: "peer."}
	index, known := bridges[v.Bridge]
	if !known {
		if index, err = indexOf(ctx, conn, v.Namespace, v.Bridge, "bridge"); err != nil {
			return nil, err
		}
		bridges[v.Bridge] = index
	}
	p.near.master = index
	if p.peer.master, err = indexOf(ctx, p.peerConn, v.Peer.Namespace, v.Peer.Bridge, "peer.bridge"); err != nil {
		return nil, err
	}
	p.request = rtnl.CreateVeth(
		rtnl.LinkSpec{Name: v.Name, MAC: hardware(p.id.Near.MAC), MTU: v.MTU, Master: index, Up: v.Up},
		rtnl.PeerSpec{Name: v.Peer.Name, MAC: hardware(p.id.Peer.MAC), MTU: v.Peer.MTU, NetNS: ns.FD()})
	return p, nil
}

// made fails the operations whose pair the kernel refused, and gives the others.
func made(pairs []*newPair) []*newPair {
	var out []*newPair
	for _, p := range pairs {
		switch err := p.request.Err(); {
		case err == nil:
			out = append(out, p)
		case errors.Is(err, unix.EEXIST):
			p.op.Fail(takenName(p.near.Namespace, p.near.Name+" or "+p.peer.Name, err))
		default:
			p.op.Fail(p.near.explain(err, &p.link))
		}
	}
	return out
}

// markPairs gives the pairs their marks and learns their indexes.
func markPairs(ctx context.Context, conn *rtnl.Conn, pairs []*newPair) []*newPair {
	var reqs []*rtnl.Request
	for _, p := range pairs {
		reqs = append(reqs, markRequests(&p.near, p.id.Near.MAC, &p.link)...)
	}
	_ = conn.Do(ctx, reqs...) // each request has its own error
	var out []*newPair
	for i, p := range pairs {
		err := p.near.explain(errors.Join(reqs[2*i].Err(), reqs[2*i+1].Err()), &p.link)
		if err == nil {
			err = p.peer.explain(p.peerConn.Do(ctx, markRequests(&p.peer, p.id.Peer.MAC, &p.other)...), &p.other)
		}
		p.id.Near.Index, p.id.Peer.Index = p.link.Index, p.other.Index
		if err != nil {
			p.op.FailPartly(p.op.Planned, p.id, err)
			continue
		}
		out = append(out, p)
	}
	return out
}

// markRequests marks a link that was created with a derived MAC address, and reads it. A MAC
// address of the user's own comes in the same message, in which the kernel is not interrupted:
// until then the derived one is the mark.
func markRequests(w *wanted, derived string, out *rtnl.Link) []*rtnl.Request {
	ref := rtnl.ByName(w.Name)
	change := rtnl.LinkChange{Alias: &w.mark}
	if w.MAC != derived {
		change.MAC, _ = net.ParseMAC(w.MAC) // the schema has checked it
	}
	return []*rtnl.Request{rtnl.SetLink(ref, change), rtnl.GetLink(ref, out)}
}

// finish gives both ends what they still lack: one message each, none for an end that lacks
// nothing.
func (p *newPair) finish(ctx context.Context, conn *rtnl.Conn) error {
	if err := configure(ctx, conn, &p.link, nil, &p.near); err != nil {
		return err
	}
	return configure(ctx, p.peerConn, &p.other, nil, &p.peer)
}

func (p *newPair) settle(ctx context.Context, k *session) {
	v := p.op.Planned
	v.Index, v.Peer.Index = p.link.Index, p.other.Index
	if p.err == nil {
		p.err = errors.Join(
			k.awaitUsable(ctx, v.Namespace, p.near.toAwait()),
			k.awaitUsable(ctx, v.Peer.Namespace, p.peer.toAwait()))
	}
	if p.err != nil {
		p.op.FailPartly(v, p.id, p.err)
		return
	}
	p.op.Done(v, p.id)
}
