package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/connect"
	"github.com/diyform/diyform/providers"
)

type tcpData struct {
	Namespace string  `diy:"namespace" format:"namespace" doc:"Network namespace to connect from. Left out, it is the host's."`
	Host      string  `diy:"host,required" doc:"IP address to connect to, or a name, which the host's resolver looks up whatever the namespace."`
	Port      int     `diy:"port,required" min:"1" max:"65535" doc:"TCP port."`
	Timeout   int     `diy:"timeout" default:"5" min:"1" max:"3600" unit:"seconds" doc:"How long to go on trying until the connection comes about."`
	Reachable bool    `diy:"reachable,computed" doc:"Whether it came about. It is closed again at once, and nothing is sent."`
	LatencyMS float64 `diy:"latency_ms,computed" unit:"milliseconds" doc:"How long the attempt took that came about. Null for none."`
	Error     string  `diy:"error,computed" doc:"Why the last attempt failed. Null when the connection came about."`
}

type tcpSource struct{}

func defineTCPData() providers.DataDef[*session] {
	return providers.DefineData("tcp",
		"Whether a TCP port answers, tried from a network namespace until it does or the timeout is over. "+
			"That it does not is no error: reachable is false then.", tcpSource{})
}

func (tcpSource) Read(ctx context.Context, k *session, v *tcpData) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(v.Timeout)*time.Second)
	defer cancel()
	to, err := k.resolve(ctx, v.Namespace, v.Host, "host")
	if err != nil {
		return err
	}
	for {
		start := time.Now()
		err := k.connectTCP(ctx, v.Namespace, to, uint16(v.Port))
		if err == nil {
			v.Reachable, v.LatencyMS, v.Error = true, milliseconds(time.Since(start)), ""
			return nil
		}
		if !isNetworkError(err) {
			return namespaceError(v.Namespace, err)
		}
		switch ended := errors.Is(err, context.DeadlineExceeded); {
		case !ended:
			v.Error = err.Error()
		case v.Error == "":
			v.Error = fmt.Sprintf("no answer within %d seconds", v.Timeout)
		}
		pause(ctx, probePause)
		if ctx.Err() != nil {
			return parentError(ctx)
		}
	}
}

// parentError tells the end of the probe's own time, which is a result, from the end of the
// command, which is an error.
func parentError(ctx context.Context) error {
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return fmt.Errorf("probe: %w", context.Cause(ctx))
	}
	return nil
}

func (k *session) connectTCP(ctx context.Context, namespace string, to target, port uint16) error {
	ns, err := k.namespace(namespace)
	if err != nil {
		return err
	}
	fd, err := ns.Socket(addressFamily(to.address), unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return connect.TCP(ctx, fd, netip.AddrPortFrom(to.address, port), to.zone)
}

func addressFamily(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// isNetworkError reports whether err says that the other side, or the way there, does not
// answer (yet), and not that the probe itself cannot be made.
func isNetworkError(err error) bool {
	for _, errno := range []error{
		unix.ECONNREFUSED, unix.ECONNRESET, unix.ETIMEDOUT, unix.EHOSTUNREACH, unix.EHOSTDOWN, unix.ENETUNREACH,
		unix.ENETDOWN, unix.ENONET, unix.EADDRNOTAVAIL, unix.EPROTO, unix.ENOPROTOOPT,
		unix.EPERM,   // a firewall rule rejects the packet here
		unix.EACCES,  // a route of type prohibit
		unix.EINVAL,  // a route of type blackhole
		unix.ENOBUFS, // the interface's queue is full
		context.DeadlineExceeded,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
