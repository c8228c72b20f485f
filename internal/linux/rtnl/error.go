package rtnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrInterrupted says that a dump changed under the reader every time it was read.
var ErrInterrupted = errors.New("the kernel's list kept changing while it was read")

// ErrLost says that messages were dropped because the socket's buffer was full. What was
// to be learnt from them must be read anew.
var ErrLost = errors.New("the kernel dropped messages because the socket's buffer was full")

// Error is the kernel's refusal of one request.
type Error struct {
	Op      string        // "create veth"
	Object  string        // "veth0", may be empty
	Errno   syscall.Errno // what errors.Is compares with
	Message string        // the kernel's own words (extended acknowledgement), may be empty
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Object != "" {
		fmt.Fprintf(&b, " %q", e.Object)
	}
	b.WriteString(": ")
	b.WriteString(e.Errno.Error())
	if e.Message != "" {
		fmt.Fprintf(&b, " (the kernel says: %s)", strings.TrimSuffix(e.Message, "."))
	}
	if e.Errno == unix.EPERM {
		b.WriteString("; " + missingNetAdmin)
	}
	return b.String()
}

// Unwrap gives the errno.
func (e *Error) Unwrap() error { return e.Errno }

const missingNetAdmin = "this needs CAP_NET_ADMIN in the user namespace that owns the network namespace: " +
	"run as root, or in a user and network namespace of your own (unshare -rn)"

// Attributes of an extended acknowledgement (linux/netlink.h).
const (
	nlmsgerrAttrMsg = 1
	nlmFlagCapped   = 0x100
	nlmFlagAckTLVs  = 0x200
)

// parseAck reads the body of NLMSG_ERROR, or of NLMSG_DONE, which has no copy of the
// request's header between the code and the attributes.
func parseAck(m message) (syscall.Errno, string, error) {
	if len(m.body) < 4 {
		return 0, "", fmt.Errorf("read acknowledgement of %d bytes: %w", len(m.body), errShort)
	}
	code := int32(binary.NativeEndian.Uint32(m.body))
	if code > 0 || code < -4095 {
		return 0, "", fmt.Errorf("read acknowledgement: %d is no error number", code)
	}
	tlvs := m.body[4:]
	if m.typ == unix.NLMSG_ERROR {
		skip := unix.SizeofNlMsghdr
		if m.flags&nlmFlagCapped == 0 && len(tlvs) >= 4 {
			skip = align4(int(min(binary.NativeEndian.Uint32(tlvs), 1<<20)))
		}
		tlvs = tlvs[min(skip, len(tlvs)):]
	}
	if m.flags&nlmFlagAckTLVs == 0 {
		tlvs = nil
	}
	var text string
	err := walkAttrs(tlvs, func(typ uint16, v []byte) error {
		if typ == nlmsgerrAttrMsg {
			text = getString(v)
		}
		return nil
	})
	return syscall.Errno(-code), text, err
}
