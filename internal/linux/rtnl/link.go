package rtnl

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Link is a network interface as the kernel describes it.
type Link struct {
	Index    int
	Name     string
	AltNames []string
	Alias    string
	Kind     string // "veth", "bridge"; empty for a physical interface and for lo
	Type     uint16 // ARPHRD_ETHER, ARPHRD_LOOPBACK (linux/if_arp.h)
	Flags    uint32 // IFF_UP and so on
	MTU      int
	MAC      net.HardwareAddr // nil where the link has none
	Master   int              // index of the bridge it is a port of, 0 for none
	Lower    int              // index of the veth peer or lower device, 0 for none
	LowerNS  int              // id of the namespace of Lower as this one numbers it, -1 for this one
	Bridge   BridgeOptions    // of a bridge
	Promote  bool             // addresses: a secondary takes over when its primary goes
}

// Up reports whether the link was set up; not whether a cable is plugged in.
func (l *Link) Up() bool { return l.Flags&unix.IFF_UP != 0 }

// IsLoopback reports whether the link is lo.
func (l *Link) IsLoopback() bool { return l.Flags&unix.IFF_LOOPBACK != 0 }

// BridgeOptions are a bridge's settings. Nil leaves the kernel's, or the present one.
type BridgeOptions struct {
	STP           *bool
	ForwardDelay  *uint32 // hundredths of a second
	VLANFiltering *bool
}

// Not in x/sys/unix (linux/if_link.h, linux/inetdevice.h).
const (
	rtextFilterSkipStats = 1 << 3
	inetConf             = 1  // IFLA_INET_CONF
	confPromote          = 20 // IPV4_DEVCONF_PROMOTE_SECONDARIES
	vethInfoPeer         = 1
	brForwardDelay       = 1
	brSTPState           = 5
	brVLANFiltering      = 7
)

// Links lists the namespace's links.
func (c *Conn) Links(ctx context.Context) ([]Link, error) {
	e := encoder{make([]byte, unix.SizeofIfInfomsg, unix.SizeofIfInfomsg+8)}
	e.attrU32(unix.IFLA_EXT_MASK, rtextFilterSkipStats)
	return dump(ctx, c, dumpQuery[Link]{
		typ: unix.RTM_GETLINK, answer: unix.RTM_NEWLINK, body: e.b, object: "links",
		decode: func(b []byte) (Link, bool, error) {
			var l Link
			err := l.decode(b)
			return l, true, err
		},
	})
}

// GetLink asks for one link and puts it into out.
// ENODEV says that there is none.
func GetLink(ref LinkRef, out *Link) *Request {
	e := encoder{ref.header()}
	e.attrU32(unix.IFLA_EXT_MASK, rtextFilterSkipStats)
	ref.nameAttr(&e)
	return &Request{
		typ: unix.RTM_GETLINK, body: e.b, op: "read link", object: ref.String(),
		reply: func(b []byte) error {
			var l Link
			if err := l.decode(b); err != nil {
				return err
			}
			*out = l
			return nil
		},
	}
}

// decode reads a struct ifinfomsg with its attributes.
func (l *Link) decode(b []byte) error {
	if len(b) < unix.SizeofIfInfomsg {
		return fmt.Errorf("read link of %d bytes: %w", len(b), errShort)
	}
	l.Type = binary.NativeEndian.Uint16(b[2:])
	l.Index = int(int32(binary.NativeEndian.Uint32(b[4:])))
	l.Flags = binary.NativeEndian.Uint32(b[8:])
	l.LowerNS = -1
	if err := walkAttrs(b[unix.SizeofIfInfomsg:], l.decodeAttr); err != nil {
		return fmt.Errorf("read link %d: %w", l.Index, err)
	}
	return nil
}

func (l *Link) decodeAttr(typ uint16, v []byte) error {
	switch typ {
	case unix.IFLA_IFNAME:
		l.Name = getString(v)
	case unix.IFLA_IFALIAS:
		l.Alias = getString(v)
	case unix.IFLA_ADDRESS:
		// A tunnel's is its local IP address: only Ethernet's is a MAC.
		if l.Type == unix.ARPHRD_ETHER {
			l.MAC = bytes.Clone(v)
		}
	case unix.IFLA_MTU:
		return setInt(&l.MTU, v)
	case unix.IFLA_MASTER:
		return setInt(&l.Master, v)
	case unix.IFLA_LINK:
		return setInt(&l.Lower, v)
	case unix.IFLA_LINK_NETNSID:
		return setInt(&l.LowerNS, v)
	case unix.IFLA_PROP_LIST:
		return walkAttrs(v, func(typ uint16, v []byte) error {
			if typ == unix.IFLA_ALT_IFNAME {
				l.AltNames = append(l.AltNames, getString(v))
			}
			return nil
		})
	case unix.IFLA_LINKINFO:
		return l.decodeInfo(v)
	case unix.IFLA_AF_SPEC:
		return walkAttrs(v, func(family uint16, v []byte) error {
			if family == unix.AF_INET {
				return l.decodeInet(v)
			}
			return nil
		})
	}
	return nil
}

func setInt(to *int, v []byte) error {
	n, err := getU32(v)
	*to = int(int32(n))
	return err
}

func (l *Link) decodeInfo(b []byte) error {
	var data []byte
	err := walkAttrs(b, func(typ uint16, v []byte) error {
		switch typ {
		case unix.IFLA_INFO_KIND:
			l.Kind = internKind(v)
		case unix.IFLA_INFO_DATA:
			data = v
		}
		return nil
	})
	if err != nil || l.Kind != "bridge" {
		return err
	}
	return walkAttrs(data, l.Bridge.decodeAttr)
}

// internKind spares an allocation for each of a thousand links.
func internKind(v []byte) string {
	switch k := bytes.TrimSuffix(v, []byte{0}); string(k) {
	case "veth":
		return "veth"
	case "bridge":
		return "bridge"
	default:
		return string(k)
	}
}

func (o *BridgeOptions) decodeAttr(typ uint16, v []byte) error {
	switch typ {
	case brForwardDelay:
		n, err := getU32(v)
		o.ForwardDelay = &n
		return err
	case brSTPState:
		n, err := getU32(v)
		on := n != 0
		o.STP = &on
		return err
	case brVLANFiltering:
		on := len(v) > 0 && v[0] != 0
		o.VLANFiltering = &on
	}
	return nil
}

func (l *Link) decodeInet(b []byte) error {
	return walkAttrs(b, func(typ uint16, v []byte) error {
		if at := (confPromote - 1) * 4; typ == inetConf && len(v) >= at+4 {
			l.Promote = binary.NativeEndian.Uint32(v[at:]) != 0
		}
		return nil
	})
}
