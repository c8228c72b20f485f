package rtnl

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Attributes of RTM_GETNSID (linux/net_namespace.h).
const (
	netnsaNSID = 1
	netnsaFD   = 3
)

// GetNSID asks by which number the socket's namespace knows an open one (a file descriptor), as
// in Link.LowerNS, and puts that into out: -1 where it knows it by none.
func GetNSID(fd int, out *int) *Request {
	e := encoder{make([]byte, 4, 16)} // struct rtgenmsg, padded
	e.attrU32(netnsaFD, uint32(fd))
	return &Request{
		typ: unix.RTM_GETNSID, body: e.b, op: "look up number of network namespace", object: fmt.Sprintf("#%d", fd),
		reply: func(b []byte) error {
			if len(b) < 4 {
				return errShort
			}
			*out = -1
			return walkAttrs(b[4:], func(typ uint16, v []byte) error {
				if typ == netnsaNSID && len(v) >= 4 {
					*out = int(int32(binary.NativeEndian.Uint32(v)))
				}
				return nil
			})
		},
	}
}
