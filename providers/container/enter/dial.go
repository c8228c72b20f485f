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
	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/pidfd"
)

// Dial connects to an address in the network namespace of a container, whose first process is
// target. The network is "tcp", "tcp4" or "tcp6", the address one with a port, such as
// "127.0.0.1:80" or "localhost:80": names are not looked up. pidfd.ErrGone says that the
// container does not run.
//
// An ordinary user may enter the namespace only together with the user namespace that owns
// it, which no thread of a Go program can. So a child does, and sends the socket.
func Dial(ctx context.Context, target *pidfd.Process, network, address string) (net.Conn, error) {
	to, err := parseAddress(network, address)
	if err != nil {
		return nil, fmt.Errorf("connect in container: %w", err)
	}
	if !target.Alive() {
		return nil, fmt.Errorf("connect in container: %w", pidfd.ErrGone)
	}
	program, err := fork.New()
	if err != nil {
		return nil, fmt.Errorf("connect in container: %w", err)
	}
	defer program.Close()
	if err := composeSocket(program, target, to); err != nil {
		return nil, fmt.Errorf("connect in container: %w", err)
	}
	child, err := program.Start(0)
	if err != nil {
		return nil, fmt.Errorf("connect in container: %w", err)
	}
	defer child.Close()
	socketErr := child.Ready(ctx)
	if err := reapFirst(child); err != nil {
		return nil, fmt.Errorf("connect in container: %w", err)
	}
	if socketErr != nil {
		if isEnding(target) {
			socketErr = pidfd.ErrGone
		}
		return nil, fmt.Errorf("connect in container: %w", socketErr)
	}
	socket, err := child.ReceiveFile("socket")
	if err != nil {
		return nil, fmt.Errorf("connect in container: %w", err)
	}
	conn, err := connect.Conn(ctx, socket, to, 0)
	if err != nil {
		return nil, fmt.Errorf("connect in container: %w", err)
	}
	return conn, nil
}

// composeSocket makes a socket in the container's network namespace and sends it. The child
// ends with that.
func composeSocket(p *fork.Program, target *pidfd.Process, to netip.AddrPort) error {
	ns, err := Different(target.PID)
	if err != nil {
		return err
	}
	fd := p.Keep(target.File())
	p.ResetSignals()
	p.Undumpable()
	if ns &= fork.User | fork.Network; ns != 0 {
		p.Enter(fd, ns)
	}
	family := syscall.AF_INET
	if to.Addr().Is6() {
		family = syscall.AF_INET6
	}
	p.SendFile(p.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0))
	p.Ready()
	return nil
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
