package rtnl

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Request is one message to the kernel. A Request is sent once.
type Request struct {
	typ    uint16
	flags  uint16
	body   []byte
	op     string
	object string
	reply  func(body []byte) error // for requests that are answered with an object

	seq  uint32
	done bool
	err  error
}

// Err gives the request's own error once Do has returned: nil when the kernel did it.
func (r *Request) Err() error { return r.err }

// changes reports whether the request asks for more than information.
func (r *Request) changes() bool {
	return r.typ != unix.RTM_GETLINK && r.typ != unix.RTM_GETNSID && r.typ != unix.RTM_GETROUTE
}

// appendTo writes the request's header and body.
func (r *Request) appendTo(b []byte, extraFlags uint16) []byte {
	e := encoder{b}
	e.u32(uint32(unix.SizeofNlMsghdr + len(r.body)))
	e.u16(r.typ)
	e.u16(r.flags | extraFlags | unix.NLM_F_REQUEST)
	e.u32(r.seq)
	e.u32(0)
	e.b = append(e.b, r.body...)
	e.pad()
	return e.b
}

// message is one netlink message as the kernel sent it. Its body aliases the receive
// buffer.
type message struct {
	typ   uint16
	flags uint16
	seq   uint32
	body  []byte
}

// walkMessages calls each for every message of one datagram.
func walkMessages(b []byte, each func(message) error) error {
	for len(b) >= unix.SizeofNlMsghdr {
		n := int(binary.NativeEndian.Uint32(b))
		if n < unix.SizeofNlMsghdr || n > len(b) {
			return fmt.Errorf("read message of %d bytes with %d left: %w", n, len(b), errShort)
		}
		m := message{
			typ:   binary.NativeEndian.Uint16(b[4:]),
			flags: binary.NativeEndian.Uint16(b[6:]),
			seq:   binary.NativeEndian.Uint32(b[8:]),
			body:  b[unix.SizeofNlMsghdr:n],
		}
		if err := each(m); err != nil {
			return err
		}
		b = b[min(align4(n), len(b)):]
	}
	if len(b) > 0 {
		return fmt.Errorf("read message header with %d bytes left: %w", len(b), errShort)
	}
	return nil
}
