package enter

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/pidfd"
)

// Route makes a rtnetlink socket in the network namespace of a container, whose first process
// is target, for rtnl.ConnOf or rtnl.EventsOf. pidfd.ErrGone says that it does not run.
func Route(ctx context.Context, target *pidfd.Process) (*os.File, error) {
	socket, err := openSocket(ctx, target, syscall.AF_NETLINK, syscall.SOCK_RAW, syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink socket in container: %w", err)
	}
	return socket, nil
}

// openSocket makes a socket in a container's network namespace. An ordinary user may enter that
// only together with the user namespace that owns it, which no thread of a Go program can. So a
// child does, and sends the socket.
func openSocket(ctx context.Context, target *pidfd.Process, family, kind, protocol int) (*os.File, error) {
	if !target.Alive() {
		return nil, pidfd.ErrGone
	}
	program, err := fork.New()
	if err != nil {
		return nil, err
	}
	defer program.Close()
	ns, err := Different(target.PID)
	if err != nil {
		return nil, err
	}
	fd := program.Keep(target.File())
	program.ResetSignals()
	program.Undumpable()
	if ns &= fork.User | fork.Network; ns != 0 {
		program.Enter(fd, ns)
	}
	program.SendFile(program.Socket(family, kind|syscall.SOCK_NONBLOCK, protocol))
	program.Ready()
	child, err := program.Start(0)
	if err != nil {
		return nil, err
	}
	defer child.Close()
	socketErr := child.Ready(ctx)
	if err := reapFirst(child); err != nil {
		return nil, err
	}
	if socketErr != nil {
		if isEnding(target) {
			socketErr = pidfd.ErrGone
		}
		return nil, socketErr
	}
	return child.ReceiveFile("socket")
}
