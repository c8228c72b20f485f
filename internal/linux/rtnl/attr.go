package rtnl

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// errShort is for messages that end before their own lengths say so.
var errShort = errors.New("message is cut short")

// Attribute type bits that are flags, not part of the type (linux/netlink.h).
const attrTypeMask = ^uint16(unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)

func align4(n int) int { return (n + 3) &^ 3 }

// encoder appends the fixed header and the attributes of one message.
type encoder struct{ b []byte }

func (e *encoder) u8(v uint8)   { e.b = append(e.b, v) }
func (e *encoder) u16(v uint16) { e.b = binary.NativeEndian.AppendUint16(e.b, v) }
func (e *encoder) u32(v uint32) { e.b = binary.NativeEndian.AppendUint32(e.b, v) }

func (e *encoder) attr(typ uint16, v []byte) {
	e.u16(uint16(unix.SizeofRtAttr + len(v)))
	e.u16(typ)
	e.b = append(e.b, v...)
	e.pad()
}

func (e *encoder) attrString(typ uint16, s string) {
	e.u16(uint16(unix.SizeofRtAttr + len(s) + 1))
	e.u16(typ)
	e.b = append(e.b, s...)
	e.u8(0)
	e.pad()
}

func (e *encoder) attrU8(typ uint16, v uint8) { e.attr(typ, []byte{v}) }

func (e *encoder) attrU32(typ uint16, v uint32) {
	e.u16(unix.SizeofRtAttr + 4)
	e.u16(typ)
	e.u32(v)
}

// begin opens a nested attribute; end closes it with the place that begin gave.
func (e *encoder) begin(typ uint16) int {
	at := len(e.b)
	e.u16(0)
	e.u16(typ)
	return at
}

func (e *encoder) end(at int) {
	binary.NativeEndian.PutUint16(e.b[at:], uint16(len(e.b)-at))
}

func (e *encoder) pad() {
	for len(e.b)%4 != 0 {
		e.b = append(e.b, 0)
	}
}

// walkAttrs calls each for every attribute of b, with the type's flag bits removed. The
// value aliases b.
func walkAttrs(b []byte, each func(typ uint16, v []byte) error) error {
	for len(b) >= unix.SizeofRtAttr {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofRtAttr || n > len(b) {
			return fmt.Errorf("read attribute of %d bytes with %d left: %w", n, len(b), errShort)
		}
		typ := binary.NativeEndian.Uint16(b[2:]) & attrTypeMask
		if err := each(typ, b[unix.SizeofRtAttr:n]); err != nil {
			return err
		}
		b = b[min(align4(n), len(b)):]
	}
	return nil
}

func getU32(v []byte) (uint32, error) {
	if len(v) < 4 {
		return 0, fmt.Errorf("read 32-bit attribute of %d bytes: %w", len(v), errShort)
	}
	return binary.NativeEndian.Uint32(v), nil
}

func getString(v []byte) string {
	for i, c := range v {
		if c == 0 {
			return string(v[:i])
		}
	}
	return string(v)
}
