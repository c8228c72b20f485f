// Package notice hears that something has changed in a network namespace, and not what: for
// those who read anew whenever it has. What has changed is told by rtnl.Events.
package notice

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/netns"
)

// Not in x/sys/unix (linux/netfilter/nfnetlink.h).
const nftablesGroup = 7 // NFNLGRP_NFTABLES

// sources are the multicast groups of each netlink protocol that tell of changes. The netconf
// groups tell of sysctls: forwarding, rp_filter, proxy_arp.
var sources = map[int][]int{
	unix.NETLINK_ROUTE: {
		unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
		unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE, unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV6_NETCONF,
	},
	unix.NETLINK_NETFILTER: {nftablesGroup},
}

// Listener hears of the changes in one network namespace, which it keeps from going as long as
// it is open.
type Listener struct {
	files  []*os.File
	cancel context.CancelFunc
	ended  sync.WaitGroup
}

// Listen calls changed whenever something has changed, from another goroutine, until Close.
// Who may not hear of firewall rules, because the namespace is another user's, hears of the rest.
func Listen(n *netns.Namespace, changed func()) (*Listener, error) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Listener{cancel: cancel}
	for protocol, groups := range sources {
		file, err := subscribe(n, protocol, groups)
		if errors.Is(err, unix.EPERM) && protocol == unix.NETLINK_NETFILTER {
			continue
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen in %s: %w", n, err), l.Close())
		}
		l.files = append(l.files, file)
		l.ended.Go(func() { hear(ctx, file, changed) })
	}
	return l, nil
}

func subscribe(n *netns.Namespace, protocol int, groups []int) (*os.File, error) {
	fd, err := n.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "netlink")
	// A socket without an address hears nothing: see rtnl.
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	for _, group := range groups {
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group)
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// hear reads what comes, of which the beginning is enough.
func hear(ctx context.Context, file *os.File, changed func()) {
	stop := context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, 1)
	for ctx.Err() == nil {
		// ENOBUFS: more has changed than the socket could hold.
		if _, err := file.Read(buf); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		changed()
	}
}

// Close ends it. changed is not called any more when Close has returned.
func (l *Listener) Close() error {
	l.cancel()
	l.ended.Wait()
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
