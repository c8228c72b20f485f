package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

var (
	// ErrChanged says that somebody changed the ruleset since it was listed.
	ErrChanged = errors.New("the ruleset was changed meanwhile")
	// ErrUnsettled says that the ruleset changed under the reader every time it was read.
	ErrUnsettled = errors.New("the ruleset kept changing while it was read")

	errShort = errors.New("message is cut short")
)

// Error is the kernel's refusal of one request.
type Error struct {
	Op      string // "add rule"
	Object  string // "inet diyform_0a1b2c3d postrouting", may be empty
	Errno   syscall.Errno
	Message string // the kernel's own words (extended acknowledgement), may be empty
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Object != "" {
		b.WriteString(" " + e.Object)
	}
	b.WriteString(": " + e.Errno.Error())
	if e.Message != "" {
		fmt.Fprintf(&b, " (the kernel says: %s)", strings.TrimSuffix(e.Message, "."))
	}
	if hint := hints[e.Errno]; hint != "" {
		b.WriteString("; " + hint)
	}
	return b.String()
}

// Unwrap gives the errno.
func (e *Error) Unwrap() error { return e.Errno }

const missingKernel = "the kernel may lack nf_tables or its NAT (CONFIG_NF_TABLES_INET, CONFIG_NFT_NAT, CONFIG_NFT_MASQ), " +
	"which is there since Linux 5.2"

var hints = map[syscall.Errno]string{
	unix.EPERM: "this needs CAP_NET_ADMIN in the user namespace that owns the network namespace: " +
		"run as root, or in a user and network namespace of your own (unshare -rn)",
	unix.EOPNOTSUPP:      missingKernel,
	unix.EAFNOSUPPORT:    missingKernel,
	unix.EPROTONOSUPPORT: missingKernel,
}

// Attributes of an extended acknowledgement (linux/netlink.h).
const (
	nlmsgerrAttrMsg = 1
	nlmFlagCapped   = 0x100
	nlmFlagAckTLVs  = 0x200
)

// parseAck reads a message of type NLMSG_ERROR, or NLMSG_DONE, which has no copy of the
// request's header between the code and the attributes.
func parseAck(m syscall.NetlinkMessage) (syscall.Errno, string, error) {
	if len(m.Data) < 4 {
		return 0, "", fmt.Errorf("read acknowledgement of %d bytes: %w", len(m.Data), errShort)
	}
	code := int32(binary.NativeEndian.Uint32(m.Data))
	if code > 0 || code < -4095 {
		return 0, "", fmt.Errorf("read acknowledgement: %d is no error number", code)
	}
	errno := syscall.Errno(-code)
	rest := m.Data[4:]
	if m.Header.Type == unix.NLMSG_ERROR {
		rest = rest[min(unix.SizeofNlMsghdr, len(rest)):]
	}
	if m.Header.Flags&nlmFlagAckTLVs == 0 || m.Header.Flags&nlmFlagCapped == 0 && m.Header.Type == unix.NLMSG_ERROR {
		return errno, "", nil
	}
	var text string
	err := walk(rest, func(typ uint16, v []byte) error {
		if typ == nlmsgerrAttrMsg {
			text = cString(v)
		}
		return nil
	})
	return errno, text, err
}
