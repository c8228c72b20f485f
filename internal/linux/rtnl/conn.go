package rtnl

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/failpoint"
)

const (
	// receiveBuffer is asked for, and had with CAP_NET_ADMIN; else net.core.rmem_max binds.
	receiveBuffer = 4 << 20

	// One sendmsg carries at most this much, so that the answers to it fit into a receive
	// buffer of the default size: the kernel answers all before sendmsg returns.
	maxBatchRequests = 64
	maxBatchBytes    = 64 << 10

	// datagramSize is the largest the kernel sends: a dump fills at most 32 KiB, a single
	// message at most 64 KiB.
	datagramSize = 64 << 10
)

var datagrams = sync.Pool{New: func() any { return new([datagramSize]byte) }}

// Conn is a rtnetlink socket. It belongs to the network namespace it was made in, from
// whichever thread it is used. Safe for concurrent use: calls take turns.
//
// No call of Conn waits: the kernel answers a request before sendmsg returns, and goes on
// with a dump in recvmsg.
type Conn struct {
	mu  sync.Mutex
	fd  int
	seq uint32
	out []byte
}

// Open makes a socket in the network namespace of the calling thread.
func Open() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink socket: %w", err)
	}
	return New(fd)
}

// New takes over fd, an AF_NETLINK socket of protocol NETLINK_ROUTE, and closes it on
// error.
func New(fd int) (*Conn, error) {
	if err := setUp(fd); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &Conn{fd: fd}, nil
}

// setUp asks for strict checking (an attribute or filter that the kernel does not know is
// an error, not ignored), for the kernel's words on errors, and for acknowledgements
// without a copy of the request.
func setUp(fd int) error {
	for _, opt := range []int{unix.NETLINK_GET_STRICT_CHK, unix.NETLINK_EXT_ACK, unix.NETLINK_CAP_ACK} {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, opt, 1); err != nil {
			return fmt.Errorf("set netlink option %d (Linux 4.20 or newer is needed): %w", opt, err)
		}
	}
	return setReceiveBuffer(fd)
}

func setReceiveBuffer(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer)
	if errors.Is(err, unix.EPERM) {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	if err != nil {
		return fmt.Errorf("set netlink receive buffer: %w", err)
	}
	return nil
}

// Close closes the socket. Later calls fail with EBADF.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return nil
	}
	err := unix.Close(c.fd)
	c.fd = -1
	if err != nil {
		return fmt.Errorf("close rtnetlink socket: %w", err)
	}
	return nil
}

// Do sends the requests in order, as many as fit in each sendmsg. A request that fails
// does not stop the later ones; see the package comment for what that means. Each
// request's own error is its Err, an *Error where the kernel refused it; Do returns them
// joined.
//
// The context is looked at before each sendmsg: requests after its end are not sent and
// have its error.
func (c *Conn) Do(ctx context.Context, reqs ...*Request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for rest := reqs; len(rest) > 0; {
		batch := rest[:batchLength(rest)]
		rest = rest[len(batch):]
		err := ctx.Err()
		if err == nil {
			err = c.exchange(batch)
		}
		if err != nil {
			failUndone(batch, err)
		}
	}
	var errs []error
	for _, r := range reqs {
		if r.err != nil {
			errs = append(errs, r.err)
		}
	}
	return errors.Join(errs...)
}

func batchLength(reqs []*Request) int {
	size := 0
	for i, r := range reqs {
		size += align4(unix.SizeofNlMsghdr + len(r.body))
		if i > 0 && (i >= maxBatchRequests || size > maxBatchBytes) {
			return i
		}
	}
	return len(reqs)
}

func failUndone(reqs []*Request, err error) {
	for _, r := range reqs {
		if !r.done {
			r.done, r.err = true, fmt.Errorf("%s %q: %w", r.op, r.object, err)
		}
	}
}

// exchange sends one batch and reads until every request is acknowledged.
func (c *Conn) exchange(batch []*Request) error {
	changes := false
	first := c.seq + 1
	c.out = c.out[:0]
	for _, r := range batch {
		c.seq++
		r.seq = c.seq
		c.out = r.appendTo(c.out, unix.NLM_F_ACK)
		changes = changes || r.changes()
	}
	if changes {
		failpoint.Hit("rtnetlink.before")
	}
	if err := c.send(c.out); err != nil {
		return err
	}
	if changes {
		failpoint.Hit("rtnetlink.after")
	}
	for missing := len(batch); missing > 0; {
		err := c.receive(func(m message) error {
			if i := m.seq - first; i < uint32(len(batch)) && batch[i].take(m) {
				missing--
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// take handles one answer and reports whether it completed the request.
func (r *Request) take(m message) bool {
	if r.done {
		return false
	}
	if m.typ != unix.NLMSG_ERROR {
		if r.reply != nil && r.err == nil {
			if err := r.reply(m.body); err != nil {
				r.err = fmt.Errorf("%s %q: %w", r.op, r.object, err)
			}
		}
		return false
	}
	r.done = true
	errno, text, err := parseAck(m)
	switch {
	case err != nil:
		r.err = fmt.Errorf("%s %q: %w", r.op, r.object, err)
	case errno != 0:
		r.err = &Error{Op: r.op, Object: r.object, Errno: errno, Message: text}
	}
	return true
}

func (c *Conn) send(b []byte) error {
	for {
		err := unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if !errors.Is(err, unix.EINTR) {
			return wrapIf("send to rtnetlink", err)
		}
	}
}

// receive reads one datagram.
func (c *Conn) receive(each func(message) error) error {
	buf := datagrams.Get().(*[datagramSize]byte)
	defer datagrams.Put(buf)
	n, err := receiveDatagram(c.fd, buf[:])
	if errors.Is(err, unix.EAGAIN) {
		return errors.New("receive from rtnetlink: the kernel left a request without an answer, which is a bug of diyform")
	}
	if err != nil {
		return wrapIf("receive from rtnetlink", err)
	}
	return walkMessages(buf[:n], each)
}

// receiveDatagram does not wait: EAGAIN says that there is none.
func receiveDatagram(fd int, buf []byte) (int, error) {
	for {
		n, _, flags, from, err := unix.Recvmsg(fd, buf, nil, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS):
			return 0, ErrLost
		case err != nil:
			return 0, err
		case flags&unix.MSG_TRUNC != 0:
			return 0, fmt.Errorf("datagram is longer than %d bytes: %w", len(buf), syscall.EMSGSIZE)
		}
		// Another process may send to our port; only the kernel's is 0.
		if sa, ok := from.(*unix.SockaddrNetlink); ok && sa.Pid != 0 {
			continue
		}
		return n, nil
	}
}

func wrapIf(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
