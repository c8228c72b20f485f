package nft

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/failpoint"
)

const (
	// The kernel takes a transaction in one sendmsg, so the buffer bounds its size: some
	// 12,000 rules with CAP_NET_ADMIN in the first user namespace, else 1,000
	// (net.core.wmem_max).
	socketBuffer = 4 << 20

	// datagramSize is the largest the kernel sends: a dump fills at most 32 KiB.
	datagramSize = 64 << 10
)

// Conn is a nfnetlink socket. It belongs to the network namespace it was made in, from
// whichever thread it is used. Not safe for concurrent use.
//
// No call of Conn waits: the kernel answers a request before sendmsg returns, and goes on
// with a dump in recvmsg.
type Conn struct {
	fd  int
	seq uint32
	buf []byte
}

// New takes over fd, an AF_NETLINK socket of protocol NETLINK_NETFILTER, and closes it on
// error.
func New(fd int) (*Conn, error) {
	for _, opt := range []int{unix.NETLINK_EXT_ACK, unix.NETLINK_CAP_ACK} {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, opt, 1); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("set netlink option %d: %w", opt, err)
		}
	}
	if err := setBuffers(fd); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &Conn{fd: fd, buf: make([]byte, datagramSize)}, nil
}

func setBuffers(fd int) error {
	for force, bounded := range map[int]int{
		unix.SO_SNDBUFFORCE: unix.SO_SNDBUF,
		unix.SO_RCVBUFFORCE: unix.SO_RCVBUF,
	} {
		err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, socketBuffer)
		if errors.Is(err, unix.EPERM) {
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, bounded, socketBuffer)
		}
		if err != nil {
			return fmt.Errorf("set nfnetlink buffer: %w", err)
		}
	}
	return nil
}

// Close closes the socket.
func (c *Conn) Close() error {
	if err := unix.Close(c.fd); err != nil {
		return fmt.Errorf("close nfnetlink socket: %w", err)
	}
	return nil
}

// Commit makes all the changes or none, in one transaction. ErrChanged says that the
// ruleset is no longer the one of that generation, so that nothing was done. Where the
// kernel refuses requests, each of those has its own error, an *Error, as its Err; Commit
// returns them joined. No request is a transaction that does nothing.
func (c *Conn) Commit(ctx context.Context, generation uint32, reqs ...*Request) error {
	if len(reqs) == 0 {
		return nil
	}
	if err := encodingErrors(reqs); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit nftables transaction: %w", err)
	}
	begin := c.seq + 1
	b := c.appendBatch(nil, generation, reqs)
	failpoint.Hit("nftables.before")
	if err := c.send(b); err != nil {
		return fmt.Errorf("commit nftables transaction: %w", err)
	}
	failpoint.Hit("nftables.after")
	return c.outcome(begin, reqs)
}

func encodingErrors(reqs []*Request) error {
	var errs []error
	for _, r := range reqs {
		if r.err != nil {
			errs = append(errs, r.err)
		}
	}
	return errors.Join(errs...)
}

// appendBatch frames the requests. Only the last asks for an acknowledgement: the kernel
// tells of errors without being asked, and a thousand acknowledgements may not fit into
// the receive buffer.
func (c *Conn) appendBatch(b []byte, generation uint32, reqs []*Request) []byte {
	frame := Request{typ: unix.NFNL_MSG_BATCH_BEGIN, resource: unix.NFNL_SUBSYS_NFTABLES}
	end := frame
	end.typ = unix.NFNL_MSG_BATCH_END
	frame.attrs, _ = attributes(func(ae *netlink.AttributeEncoder) {
		ae.Uint32(batchGeneration, generation)
	})
	b = frame.appendTo(b, c.next(), 0)
	for i, r := range reqs {
		var flags uint16
		if i == len(reqs)-1 {
			flags = unix.NLM_F_ACK
		}
		b = r.appendTo(b, c.next(), flags)
	}
	return end.appendTo(b, c.next(), 0)
}

func (c *Conn) next() uint32 {
	c.seq++
	return c.seq
}

// outcome reads what the kernel left in the socket: nothing but errors and the last
// request's acknowledgement. begin is the sequence number of the batch's first message.
func (c *Conn) outcome(begin uint32, reqs []*Request) error {
	last := begin + uint32(len(reqs))
	acknowledged := false
	var errs []error
	err := c.drain(func(m syscall.NetlinkMessage) error {
		if m.Header.Type != unix.NLMSG_ERROR || m.Header.Seq < begin || m.Header.Seq > last+1 {
			return nil
		}
		errno, text, err := parseAck(m)
		switch {
		case err != nil:
			return err
		case errno == 0:
			acknowledged = acknowledged || m.Header.Seq == last
		case errno == unix.ERESTART && m.Header.Seq == begin:
			errs = append(errs, ErrChanged)
		case m.Header.Seq == begin || m.Header.Seq > last:
			errs = append(errs, &Error{Op: "commit nftables transaction", Errno: errno, Message: text})
		default:
			r := reqs[m.Header.Seq-begin-1]
			r.err = &Error{Op: r.op, Object: r.object, Errno: errno, Message: text}
			errs = append(errs, r.err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("commit nftables transaction: %w", err)
	}
	if len(errs) == 0 && !acknowledged {
		return errors.New("commit nftables transaction: the kernel did not acknowledge it, which is a bug of diyform")
	}
	return errors.Join(errs...)
}

func (c *Conn) send(b []byte) error {
	for {
		err := unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// drain calls each for every message in the socket, until there is none left.
func (c *Conn) drain(each func(syscall.NetlinkMessage) error) error {
	for {
		msgs, err := c.receive()
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, m := range msgs {
			if err := each(m); err != nil {
				return err
			}
		}
	}
}

// receive reads one datagram of the kernel's. The messages alias c.buf.
func (c *Conn) receive() ([]syscall.NetlinkMessage, error) {
	for {
		n, _, flags, from, err := unix.Recvmsg(c.fd, c.buf, nil, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, err
		case flags&unix.MSG_TRUNC != 0:
			return nil, fmt.Errorf("datagram is longer than %d bytes: %w", len(c.buf), syscall.EMSGSIZE)
		}
		// Another process may send to our port; only the kernel's is 0.
		if sa, ok := from.(*unix.SockaddrNetlink); ok && sa.Pid != 0 {
			continue
		}
		return syscall.ParseNetlinkMessage(c.buf[:n])
	}
}
