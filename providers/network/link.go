package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

// end is what all links have in common, and each of the two ends of a pair: as it is wanted,
// or as it is.
type end struct {
	Namespace string
	Name      string
	Addresses []string
	MTU       int
	MAC       string
	Up        bool
	Bridge    string // name of the bridge that it is a port of, "" for none
	Index     int
}

// linkIdentity is by what a link is known again, beside its mark.
type linkIdentity struct {
	Index int    `json:"index,omitempty"` // 0 until the kernel gave it
	MAC   string `json:"mac"`             // that it was created with, which is derived from its address, or had when it was imported
	Alias string `json:"alias,omitempty"` // that it had when it was imported
}

// ourLink gives the link that is recorded: of the same index with our alias or the MAC address
// that it was created with; else one with both, which came back from elsewhere; and where the
// index is not on record, because of a crash, one with our alias, or of that name with our MAC
// address. Any other link is not ours, whatever its name is, even if it has a copy of our
// alias.
func (v *view) ourLink(name string, id linkIdentity, ours marks) *rtnl.Link {
	if l := v.byIndex[id.Index]; l != nil && (ours.has(l.Alias) || id.made(l)) {
		return l
	}
	// Where no index is on record, the name comes first: a predecessor that is yet to be
	// destroyed has the same mark.
	if l := v.link(name); l != nil && id.Index == 0 && (ours.has(l.Alias) || isUnmarked(l, id)) {
		return l
	}
	for _, mark := range ours {
		for _, l := range v.byAlias[mark] {
			if id.Index == 0 || id.made(l) {
				return l
			}
		}
	}
	if l := v.link(name); l != nil && isUnmarked(l, id) {
		return l
	}
	return nil
}

// made reports whether the link has the MAC address that ours was created with.
func (id linkIdentity) made(l *rtnl.Link) bool { return id.MAC != "" && l.MAC.String() == id.MAC }

// isUnmarked reports whether the link is ours and has no mark yet.
func isUnmarked(l *rtnl.Link, id linkIdentity) bool { return l.Alias == id.Alias && id.made(l) }

// end gives what there is of a link.
func (v *view) end(l *rtnl.Link) end {
	out := end{
		Namespace: v.name, Name: l.Name, MTU: l.MTU, MAC: l.MAC.String(), Up: l.Up(),
		Bridge: v.linkName(l.Master), Index: l.Index,
	}
	for _, a := range configured(v.addresses[l.Index]) {
		out.Addresses = append(out.Addresses, a.Prefix.String())
	}
	return out
}

// configured leaves out the addresses that are not configuration's: the kernel's link-local
// ones, and those that have an end, from a router's announcement or a DHCP client.
func configured(list []rtnl.Address) []rtnl.Address {
	return slices.DeleteFunc(slices.Clone(list), func(a rtnl.Address) bool { return a.KernelMade() || !a.Lasting() })
}

// deriveLink fills in the name and the MAC address of the end that is at prefix ("peer.") in
// the planned attributes. base is the full name from which a short one is made, created the MAC
// address that the link was created with, "" for one that is not there.
func deriveLink(d *providers.Derivation, prefix, base, created string) {
	config := d.Config
	if block, nested := strings.CutSuffix(prefix, "."); nested {
		config = config.GetAttr(block)
	}
	if config.IsNull() || !config.IsKnown() {
		return
	}
	if config.GetAttr("name").IsNull() {
		d.Set(prefix+"name", cty.StringVal(providers.ShortName(base, schema.MaxInterfaceName)))
	}
	if config.GetAttr("mac_address").IsNull() {
		if created == "" {
			created = freeMAC(d, prefix)
		}
		d.Set(prefix+"mac_address", cty.StringVal(created))
	}
}

// freeMAC derives the MAC address of a new link. One that was made at this address before, and
// has another address now, keeps its MAC address: then the next one is taken.
func freeMAC(d *providers.Derivation, prefix string) string {
	for n := 0; ; n++ {
		mac := cty.StringVal(derivedMAC(d.Env, d.Address, nthMAC(prefix, n)).String())
		if n == maxMACs-1 || !d.IsTaken(prefix+"mac_address", mac) {
			return mac.AsString()
		}
	}
}

// maxMACs is how often a resource can be moved away and made again at one address.
const maxMACs = 16

func nthMAC(which string, n int) string {
	if n == 0 {
		return which
	}
	return fmt.Sprintf("%s#%d", which, n)
}

// createdMAC gives the derived MAC address with which a link is created: the planned one if it
// is derived, else the first, until the link has its mark.
func createdMAC(env providers.Env, a addr.Instance, which, planned string) string {
	for n := range maxMACs {
		if mac := derivedMAC(env, a, nthMAC(which, n)).String(); mac == planned {
			return mac
		}
	}
	return derivedMAC(env, a, which).String()
}

// hardware reads a MAC address that was written down before.
func hardware(mac string) net.HardwareAddr {
	out, _ := net.ParseMAC(mac)
	return out
}

func derivedMAC(env providers.Env, a addr.Instance, which string) net.HardwareAddr {
	mac := providers.MAC(env.Lineage, a, which)
	return mac[:]
}

// altName gives the full name of a link whose name had to be cut, else "".
func altName(name, base string) string {
	if name != base && name == providers.ShortName(base, schema.MaxInterfaceName) && len(base) < altNameSize {
		return base
	}
	return ""
}

// altNameSize is ALTIFNAMSIZ of linux/if.h.
const altNameSize = 128

// checkLink tells what is in the way of a new link.
func checkLink(s *snapshot, e *end, prefix string, p checkInput) error {
	ns, err := s.checkNamespace(e.Namespace, schema.Unknown{"namespace": p.unknown.Has(prefix + "namespace")}, p.vacated, p.promised)
	if ns == nil || err != nil {
		return atAttribute(err, prefix)
	}
	if b := e.Bridge; b != "" && !p.promised[providers.Link(e.Namespace, b)] {
		if err := ns.checkBridge(e, prefix); err != nil {
			return err
		}
	}
	if p.unknown.Has(prefix+"name") || p.vacated[providers.Link(e.Namespace, e.Name)] {
		return nil
	}
	if l := ns.link(e.Name); l != nil {
		return s.importable(p, foreignLink(e.Namespace, l, prefix+"name", ns.isDisposable(l)), e, l, prefix)
	}
	return nil
}

// importable adds how the link can become the resource that it is in the way of.
func (s *snapshot) importable(p checkInput, err error, e *end, l *rtnl.Link, prefix string) error {
	if prefix != "" || l.Kind != p.kind || s.session.refuseForeign(l.Alias, "") != nil {
		return err
	}
	return withImport(err, p.address, inNamespace(e.Namespace, l.Name))
}

// withImport adds to an error that an object is there already how it can be managed.
func withImport(err error, a addr.Instance, id string) error {
	p, ok := errors.AsType[*diag.Problem](err)
	if !ok {
		return err
	}
	more := *p
	more.Detail += fmt.Sprintf(" To manage it as it is: diyform import '%s' '%s'.", a, id)
	return &more
}

// inNamespace writes what is in a namespace as an id.
func inNamespace(namespace, id string) string {
	if namespace == "" {
		return id
	}
	return namespace + "/" + id
}

// checkBridge tells why a link cannot become the port of a bridge that somebody else made.
func (v *view) checkBridge(e *end, prefix string) error {
	b := v.link(e.Bridge)
	if b == nil {
		return missingLink(e.Namespace, e.Bridge, prefix+"bridge")
	}
	if address := firstIPv6(v.end(b).Addresses); e.MTU != 0 && e.MTU < minIPv6MTU && address != "" {
		return smallPort(e.Name, e.MTU, b.Name, "", address, prefix+"mtu")
	}
	return nil
}

// isDisposable reports whether a link may be deleted without cutting the machine off: it is
// not physical, and no default route goes by it.
func (v *view) isDisposable(l *rtnl.Link) bool {
	return l.Kind != "" && !slices.ContainsFunc(v.routes, func(r rtnl.Route) bool {
		return r.Destination.Bits() == 0 && r.Uses(l.Index)
	})
}

// checkInput is what a check knows of the rest of the plan.
type checkInput struct {
	unknown           schema.Unknown
	vacated, promised map[providers.Place]bool
	address           addr.Instance
	kind              string // of the links that the resource makes
}

// atAttribute moves a problem with an attribute to that of the nested block.
func atAttribute(err error, prefix string) error {
	if p, ok := errors.AsType[*diag.Problem](err); ok && prefix != "" {
		moved := *p
		moved.Attribute = prefix + p.Attribute
		return &moved
	}
	return err
}

// foreignLink says that a name is taken by a link that the state does not record. One that
// the machine may need is not to be deleted.
func foreignLink(namespace string, l *rtnl.Link, attribute string, disposable bool) error {
	where, command := "on this machine", "ip link delete "
	if namespace != "" {
		where, command = fmt.Sprintf("in the network namespace %q", namespace), "ip -n "+namespace+" link delete "
	}
	whose := ""
	if l.Alias != "" {
		whose = fmt.Sprintf(", whose alias is %q", l.Alias)
	}
	advice := "Choose another name for this resource."
	if disposable {
		advice = fmt.Sprintf("Choose another name, rename the other interface, or remove it with %s%s if nobody needs it.", command, l.Name)
	}
	return &diag.Problem{
		Summary: "The interface exists already",
		Detail: fmt.Sprintf("There is an interface %q (%s)%s, %s, that this state does not record; diyform does not touch it. %s",
			l.Name, cmp.Or(l.Kind, "physical"), whose, where, advice),
		Attribute: attribute,
	}
}

// takenName says the same of a name of which nothing else is known: err is the kernel's.
func takenName(namespace, name string, err error) error {
	where := "on this machine"
	if namespace != "" {
		where = fmt.Sprintf("in the network namespace %q or in its peer's", namespace)
	}
	return &diag.Problem{
		Summary: "The interface exists already",
		Detail: fmt.Sprintf("There is an interface %s %s that this state does not record; diyform does not touch it. "+
			"Choose another name for this resource.", name, where),
		Attribute: "name",
		Err:       err,
	}
}

// parseAddress reads an address that the schema has checked, as it is given to the kernel.
//
// IPv6 addresses are given without duplicate detection: they can be used at once, where the
// kernel would otherwise refuse them as a source for the first second or two.
func parseAddress(index int, s string) rtnl.Address {
	prefix, _ := netip.ParsePrefix(s)
	a := rtnl.Address{Index: index, Prefix: prefix}
	if prefix.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	} else if prefix.Addr().IsLoopback() {
		a.Scope = unix.RT_SCOPE_HOST
	}
	return a
}

// indexOf finds a link by its name: 0 for the name "".
func indexOf(ctx context.Context, conn *rtnl.Conn, namespace, name, attribute string) (int, error) {
	if name == "" {
		return 0, nil
	}
	var l rtnl.Link
	err := conn.Do(ctx, rtnl.GetLink(rtnl.ByName(name), &l))
	if errors.Is(err, unix.ENODEV) {
		return 0, missingLink(namespace, name, attribute)
	}
	return l.Index, err
}
