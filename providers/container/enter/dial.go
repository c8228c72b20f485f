package enter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/diyform/diyform/internal/linux/connect"
	"github.com/diyform/diyform/internal/linux/pidfd"
)

// Dial connects to an address in the network namespace of a container, whose first process is
// target. The network is "tcp", "tcp4" or "tcp6", the address one with a port, such as
// "127.0.0.1:80" or "localhost:80": names are not looked up. pidfd.ErrGone says that the
// container does not run.
func Dial(ctx context.Context, target *pidfd.Process, network, address string) (net.Conn, error) {
	to, err := parseAddress(network, address)
	if err != nil {
		return nil, fmt.Errorf("connect in container: %w", err)
	}
	family := syscall.AF_INET
	if to.Addr().Is6() {
		family = syscall.AF_INET6
	}
	socket, err := openSocket(ctx, target, family, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("connect in container: %w", err)
	}
	conn, err := connect.Conn(ctx, socket, to, 0)
	if err != nil {
		return nil, fmt.Errorf("connect in container: %w", err)
	}
	return conn, nil
}

func parseAddress(network, address string) (netip.AddrPort, error) {
	if host, port, err := net.SplitHostPort(address); err == nil && host == "localhost" {
		address = net.JoinHostPort(map[bool]string{true: "::1", false: "127.0.0.1"}[network == "tcp6"], port)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if to.Addr().Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("address %s: an address with a zone cannot be connected to", address)
	}
	switch {
	case network == "tcp", network == "tcp4" && to.Addr().Is4(), network == "tcp6" && to.Addr().Is6():
		return to, nil
	case !strings.HasPrefix(network, "tcp"):
		return netip.AddrPort{}, fmt.Errorf("network %q: only tcp can be connected to", network)
	}
	return netip.AddrPort{}, errors.New("address " + address + " is not one of " + network)
}
