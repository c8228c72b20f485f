package rtnl

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// LinkRef names a link by its index or, where that is 0, by its name or altname. With an
// index the name is for errors only.
type LinkRef struct {
	Index int
	Name  string
}

// Ref names the link, whatever its name becomes.
func (l *Link) Ref() LinkRef { return LinkRef{Index: l.Index, Name: l.Name} }

// ByIndex names a link by its index.
func ByIndex(index int) LinkRef { return LinkRef{Index: index} }

// ByName names a link by its name.
func ByName(name string) LinkRef { return LinkRef{Name: name} }

func (r LinkRef) String() string {
	if r.Name != "" {
		return r.Name
	}
	return "#" + strconv.Itoa(r.Index)
}

func (r LinkRef) header() []byte { return linkHeader(r.Index, 0, 0) }

func (r LinkRef) nameAttr(e *encoder) {
	switch {
	case r.Index != 0:
	case len(r.Name) < unix.IFNAMSIZ:
		e.attrString(unix.IFLA_IFNAME, r.Name)
	default:
		e.attrString(unix.IFLA_ALT_IFNAME, r.Name)
	}
}

// linkHeader is struct ifinfomsg.
func linkHeader(index int, flags, change uint32) []byte {
	e := encoder{make([]byte, 0, 256)}
	e.u32(unix.AF_UNSPEC)
	e.u32(uint32(index))
	e.u32(flags)
	e.u32(change)
	return e.b
}

// LinkSpec is a link to be made. Zero values leave the kernel's own choice.
type LinkSpec struct {
	Name   string
	NetNS  int // open namespace (file descriptor) to make it in; 0: the socket's
	Up     bool
	MAC    net.HardwareAddr
	MTU    int
	Master int // index of a bridge in the link's own namespace
}

func (s *LinkSpec) flags() uint32 {
	if s.Up {
		return unix.IFF_UP
	}
	return 0
}

func (s *LinkSpec) encode(e *encoder) {
	e.attrString(unix.IFLA_IFNAME, s.Name)
	if s.NetNS != 0 {
		e.attrU32(unix.IFLA_NET_NS_FD, uint32(s.NetNS))
	}
	if s.MAC != nil {
		e.attr(unix.IFLA_ADDRESS, s.MAC)
	}
	if s.MTU != 0 {
		e.attrU32(unix.IFLA_MTU, uint32(s.MTU))
	}
	if s.Master != 0 {
		e.attrU32(unix.IFLA_MASTER, uint32(s.Master))
	}
}

// create starts a request for a link of a kind; the caller adds what the kind needs.
func create(s *LinkSpec, kind string, data func(*encoder)) *Request {
	e := encoder{linkHeader(0, s.flags(), s.flags())}
	s.encode(&e)
	info := e.begin(unix.IFLA_LINKINFO)
	e.attrString(unix.IFLA_INFO_KIND, kind)
	if data != nil {
		at := e.begin(unix.IFLA_INFO_DATA)
		data(&e)
		e.end(at)
	}
	e.end(info)
	return &Request{
		typ: unix.RTM_NEWLINK, flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL,
		body: e.b, op: "create " + kind, object: s.Name,
	}
}

// CreateLink makes a link of a kind that needs no settings of its own: "dummy".
// EEXIST says that the name is taken.
func CreateLink(kind string, s LinkSpec) *Request { return create(&s, kind, nil) }

// PeerSpec is the second end of a veth pair. It can neither be up nor a bridge's port from
// the start: the kernel would open it before it knows its peer (veth_open gives ENOTCONN),
// and enslaves only the first end. A SetLink in its namespace is to follow.
type PeerSpec struct {
	Name  string
	Index int // 0: the kernel's choice
	NetNS int // open namespace (file descriptor) to make it in; 0: the socket's
	MAC   net.HardwareAddr
	MTU   int
}

// CreateVeth makes both ends of a veth pair, each in its namespace, in one step. EEXIST
// says that one of the names is taken; then neither end was made.
func CreateVeth(s LinkSpec, p PeerSpec) *Request {
	peer := LinkSpec{Name: p.Name, NetNS: p.NetNS, MAC: p.MAC, MTU: p.MTU}
	return create(&s, "veth", func(e *encoder) {
		at := e.begin(vethInfoPeer)
		e.b = append(e.b, linkHeader(p.Index, 0, 0)...)
		peer.encode(e)
		e.end(at)
	})
}

// CreateBridge makes a bridge.
func CreateBridge(s LinkSpec, o BridgeOptions) *Request {
	return create(&s, "bridge", o.encode)
}

func (o BridgeOptions) encode(e *encoder) {
	if o.ForwardDelay != nil {
		e.attrU32(brForwardDelay, *o.ForwardDelay)
	}
	if o.STP != nil {
		e.attrU32(brSTPState, boolean(*o.STP))
	}
	if o.VLANFiltering != nil {
		e.attrU8(brVLANFiltering, uint8(boolean(*o.VLANFiltering)))
	}
}

func boolean(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// LinkChange is what SetLink changes. Nil and zero leave things as they are.
type LinkChange struct {
	Alias  *string // "" removes it; at most 255 bytes
	MTU    int
	MAC    net.HardwareAddr
	Up     *bool
	Master *int // 0 takes it out of its bridge
	NetNS  int  // open namespace (file descriptor) to move it to
	Bridge *BridgeOptions
}

// SetLink changes a link. The kernel applies the parts one after the other and keeps
// those before one that fails; ENODEV says that there is no such link.
func SetLink(ref LinkRef, ch LinkChange) *Request {
	flags, change := uint32(0), uint32(0)
	if ch.Up != nil {
		flags, change = boolean(*ch.Up)*unix.IFF_UP, unix.IFF_UP
	}
	e := encoder{linkHeader(ref.Index, flags, change)}
	ref.nameAttr(&e)
	if ch.Alias != nil {
		e.attr(unix.IFLA_IFALIAS, []byte(*ch.Alias))
	}
	if ch.NetNS != 0 {
		e.attrU32(unix.IFLA_NET_NS_FD, uint32(ch.NetNS))
	}
	if ch.MAC != nil {
		e.attr(unix.IFLA_ADDRESS, ch.MAC)
	}
	if ch.MTU != 0 {
		e.attrU32(unix.IFLA_MTU, uint32(ch.MTU))
	}
	if ch.Master != nil {
		e.attrU32(unix.IFLA_MASTER, uint32(*ch.Master))
	}
	if ch.Bridge != nil {
		info := e.begin(unix.IFLA_LINKINFO)
		e.attrString(unix.IFLA_INFO_KIND, "bridge")
		at := e.begin(unix.IFLA_INFO_DATA)
		ch.Bridge.encode(&e)
		e.end(at)
		e.end(info)
	}
	return &Request{typ: unix.RTM_NEWLINK, body: e.b, op: ch.op(), object: ref.String()}
}

// op says for errors what is changed.
func (ch *LinkChange) op() string {
	var parts []string
	for _, part := range []struct {
		name    string
		changed bool
	}{
		{"namespace", ch.NetNS != 0}, {"MAC address", ch.MAC != nil}, {"MTU", ch.MTU != 0}, {"alias", ch.Alias != nil},
		{"bridge", ch.Master != nil}, {"state", ch.Up != nil}, {"bridge options", ch.Bridge != nil},
	} {
		if part.changed {
			parts = append(parts, part.name)
		}
	}
	if len(parts) == 0 {
		return "change link"
	}
	return "set " + strings.Join(parts, ", ") + " of link"
}

// RenameLink gives the link of an index another name. EBUSY says that the kernel, older than
// 6.2, does that only while the link is down; EEXIST that the name is taken.
func RenameLink(index int, name string) *Request {
	e := encoder{linkHeader(index, 0, 0)}
	e.attrString(unix.IFLA_IFNAME, name)
	return &Request{typ: unix.RTM_NEWLINK, body: e.b, op: "rename link to", object: name}
}

// AddAltName gives a link a further name, of at most 127 bytes. EEXIST says that a link of
// the namespace has it.
func AddAltName(ref LinkRef, name string) *Request {
	e := encoder{ref.header()}
	ref.nameAttr(&e)
	at := e.begin(unix.IFLA_PROP_LIST | unix.NLA_F_NESTED)
	e.attrString(unix.IFLA_ALT_IFNAME, name)
	e.end(at)
	return &Request{
		typ: unix.RTM_NEWLINKPROP, flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL | unix.NLM_F_APPEND,
		body: e.b, op: "name link", object: name,
	}
}

// DeleteLink deletes a link, and with one end of a veth pair the other. ENODEV says that
// there is none.
func DeleteLink(ref LinkRef) *Request {
	e := encoder{ref.header()}
	ref.nameAttr(&e)
	return &Request{typ: unix.RTM_DELLINK, body: e.b, op: "delete link", object: ref.String()}
}

// CheckName says whether the kernel takes name for a link (dev_valid_name).
func CheckName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("interface name %q is not allowed", name)
	case len(name) >= unix.IFNAMSIZ:
		return fmt.Errorf("interface name %q has %d bytes, of which the kernel allows %d", name, len(name), unix.IFNAMSIZ-1)
	}
	for _, c := range []byte(name) {
		if c == '/' || c == ':' || c == ' ' || c >= '\t' && c <= '\r' {
			return fmt.Errorf("interface name %q has the character %q, which the kernel does not allow", name, c)
		}
	}
	return nil
}
