package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/rtnl"
)

// probePause is how long a probe waits between attempts to reach what does not answer yet:
// addresses, neighbours and programs need a moment after they were made.
const probePause = 200 * time.Millisecond

// target is a machine that a probe sends to.
type target struct {
	address netip.Addr // without zone
	zone    int        // index of the link that a link-local address is on, else 0
}

// resolve gives the address of a name, by the host's resolver whatever the namespace, or
// reads an address. A zone is the name of a link in the namespace.
func (k *session) resolve(ctx context.Context, namespace, host, attribute string) (target, error) {
	a, err := netip.ParseAddr(host)
	if err != nil {
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil || len(found) == 0 {
			return target{}, unknownHost(host, attribute, err)
		}
		return target{address: found[0].Unmap()}, nil
	}
	out := target{address: a.WithZone("").Unmap()}
	if a.Zone() == "" {
		return out, nil
	}
	if out.zone, err = strconv.Atoi(a.Zone()); err == nil {
		return out, nil
	}
	conn, err := k.route(namespace)
	if err != nil {
		return target{}, namespaceError(namespace, err)
	}
	var link rtnl.Link
	if err := conn.Do(ctx, rtnl.GetLink(rtnl.ByName(a.Zone()), &link)); err != nil {
		return target{}, missingLink(namespace, a.Zone(), attribute)
	}
	out.zone = link.Index
	return out, nil
}

func unknownHost(host, attribute string, err error) error {
	return &diag.Problem{
		Summary:   "The name has no address",
		Detail:    fmt.Sprintf("%q is no IP address, and the host's resolver knows no address of that name (%v).", host, err),
		Attribute: attribute, Err: err,
	}
}

// milliseconds gives a duration as a user reads it, to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// pause waits for d, or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
