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
	MAC   string `json:"mac"`             // that it was created with, which is derived from its address
}

// ourLink gives the link that carries the mark, or the one of that name that was created with
// our MAC address a moment before a crash. Any other link is not ours, whatever its name is.
func (v *view) ourLink(name string, id linkIdentity, mark string) *rtnl.Link {
	if l := v.byAlias[mark]; l != nil {
		return l
	}
	if l := v.link(name); l != nil && isUnmarked(l, id) {
		return l
	}
	return nil
}

// isUnmarked reports whether the link is ours and has no mark yet.
func isUnmarked(l *rtnl.Link, id linkIdentity) bool {
	return l.Alias == "" && id.MAC != "" && l.MAC.String() == id.MAC
}

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
// the planned attributes. base is the full name from which a short one is made.
func deriveLink(d *providers.Derivation, prefix, base string) {
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
		d.Set(prefix+"mac_address", cty.StringVal(derivedMAC(d.Env, d.Address, prefix).String()))
	}
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
	ns, err := s.checkNamespace(e.Namespace, schema.Unknown{"namespace": p.unknown.Has(prefix + "namespace")}, p.promised)
	if ns == nil || err != nil {
		return atAttribute(err, prefix)
	}
	if b := e.Bridge; b != "" && ns.link(b) == nil && !p.promised[providers.Link(e.Namespace, b)] {
		return missingLink(e.Namespace, b, prefix+"bridge")
	}
	if p.unknown.Has(prefix+"name") || p.vacated[providers.Link(e.Namespace, e.Name)] {
		return nil
	}
	if l := ns.link(e.Name); l != nil {
		return foreignLink(e.Namespace, l, prefix+"name", nil)
	}
	return nil
}

// checkInput is what a check knows of the rest of the plan.
type checkInput struct {
	unknown           schema.Unknown
	vacated, promised map[providers.Place]bool
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

// foreignLink says that a name is taken by a link that the state does not record.
func foreignLink(namespace string, l *rtnl.Link, attribute string, err error) error {
	where, command := "on this machine", "ip link delete "
	if namespace != "" {
		where, command = fmt.Sprintf("in the network namespace %q", namespace), "ip -n "+namespace+" link delete "
	}
	whose := ""
	if l.Alias != "" {
		whose = fmt.Sprintf(", whose alias is %q", l.Alias)
	}
	return &diag.Problem{
		Summary: "The interface exists already",
		Detail: fmt.Sprintf("There is an interface %q (%s)%s, %s, that this state does not record; diyform does not touch it. "+
			"Choose another name, rename the other interface, or remove it with %s%s if nobody needs it.",
			l.Name, cmp.Or(l.Kind, "of another kind"), whose, where, command, l.Name),
		Attribute: attribute,
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
