package network

import (
	"context"
	"net/netip"
	"time"
)

// usableTimeout is how long an IPv6 address may take until packets to it are received: far
// more than the kernel's worker needs on a busy machine.
const usableTimeout = 10 * time.Second

// awaitUsable waits until the IPv6 addresses of a link can be used, so that what comes after
// in the plan can rely on them.
func (k *session) awaitUsable(ctx context.Context, namespace string, addresses []netip.Addr) error {
	if len(addresses) == 0 {
		return nil
	}
	ns, err := k.namespace(namespace)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, usableTimeout)
	defer cancel()
	return ns.AwaitLocal(ctx, addresses)
}

// toAwait gives the IPv6 addresses of a link that is up.
func (e *end) toAwait() []netip.Addr {
	if !e.Up {
		return nil
	}
	var out []netip.Addr
	for _, s := range e.Addresses {
		if p, err := netip.ParsePrefix(s); err == nil && isAwaited(p.Addr()) {
			out = append(out, p.Addr())
		}
	}
	return out
}

// toAwait gives the IPv6 addresses that were moved and have not ended meanwhile.
func (t *takeover) toAwait() []netip.Addr {
	if t == nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range t.Addresses {
		if a.Lasting() && isAwaited(a.Prefix.Addr()) {
			out = append(out, a.Prefix.Addr())
		}
	}
	return out
}

// isAwaited leaves out link-local addresses: without a link they have no route.
func isAwaited(a netip.Addr) bool { return a.Is6() && !a.IsLinkLocalUnicast() }
