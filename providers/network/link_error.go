package network

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/rtnl"
)

// refused is what the kernel was asked of a link when it refused.
type refused struct {
	end
	mtu    int  // that the link has, where it is known
	vlan   bool // vlan_filtering was asked for
	prefix string
}

// explain says for people what the kernel refused and why. Problems keep their texts.
func (r refused) explain(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, one := range joined.Unwrap() {
			all = append(all, r.explain(one))
		}
		return errors.Join(all...)
	}
	if _, ok := errors.AsType[*diag.Problem](err); ok || err == nil {
		return atAttribute(err, r.prefix)
	}
	e, ok := errors.AsType[*rtnl.Error](err)
	if !ok {
		return fmt.Errorf("interface %q: %w", r.Name, err)
	}
	attribute, reason := r.reason(e)
	if attribute != "" {
		attribute = r.prefix + attribute
	}
	return &diag.Problem{
		Summary: "The kernel refused a setting of the interface", Attribute: attribute, Err: err,
		Detail: strings.TrimSpace(fmt.Sprintf("Interface %q: %v. %s", r.Name, err, reason)),
	}
}

// reason gives the attribute at fault, or "", and what the kernel's errno means for it.
func (r refused) reason(e *rtnl.Error) (attribute, text string) {
	if kind, ok := strings.CutPrefix(e.Op, "create "); ok && e.Errno == unix.EOPNOTSUPP {
		return "", fmt.Sprintf("This kernel has no interfaces of the kind %s: it was built without CONFIG_%s, or the module cannot be loaded.",
			kind, strings.ToUpper(kind))
	}
	if strings.HasSuffix(e.Op, " address") {
		return "addresses", r.addressReason(e)
	}
	switch e.Errno {
	case unix.EOPNOTSUPP:
		if r.vlan {
			return "vlan_filtering", "This kernel was built without CONFIG_BRIDGE_VLAN_FILTERING. Leave vlan_filtering out, or use another kernel."
		}
		return "bridge", fmt.Sprintf("Is %q a bridge?", r.Bridge)
	case unix.ENODEV:
		return "", "The interface was deleted meanwhile. Plan and apply again."
	case unix.EBUSY:
		return "bridge", "Something else has the interface, such as a macvlan interface or Open vSwitch: it cannot be a bridge's port as well."
	case unix.ELOOP:
		return "bridge", "A bridge cannot be the port of a bridge."
	case unix.EXFULL:
		return "bridge", fmt.Sprintf("The bridge %q has 1023 ports, which is all that the kernel allows.", r.Bridge)
	case unix.EADDRNOTAVAIL:
		return "mac_address", "An interface can have no multicast address and not the one of zeros only."
	case unix.ERANGE:
		return "mtu", "Interfaces of this kind have an MTU of 68 to 65535 bytes; a program that is attached to one (XDP) may allow less."
	case unix.ENOTCONN:
		return "", "Its other end is gone, so it cannot be up. Plan and apply again."
	}
	return "", ""
}

func (r refused) addressReason(e *rtnl.Error) string {
	prefix, err := netip.ParsePrefix(e.Object)
	ipv6 := err == nil && prefix.Addr().Is6()
	switch {
	case e.Errno == unix.ENODEV:
		return "The interface was deleted meanwhile. Plan and apply again."
	case ipv6 && e.Errno == unix.EINVAL && r.mtu != 0 && r.mtu < minIPv6MTU:
		return fmt.Sprintf("Its MTU is %d, and IPv6 needs at least %d bytes.", r.mtu, minIPv6MTU)
	case ipv6 && e.Errno == unix.EACCES:
		return fmt.Sprintf("IPv6 is switched off on it: the sysctl net.ipv6.conf.%s.disable_ipv6 is 1.", strings.ReplaceAll(r.Name, ".", "/"))
	case ipv6 && (e.Errno == unix.EOPNOTSUPP || e.Errno == unix.EAFNOSUPPORT):
		return "This kernel has no IPv6, or was started without it (ipv6.disable=1)."
	case e.Errno == unix.EINVAL || e.Errno == unix.EADDRNOTAVAIL:
		return "It is none that an interface can have: a multicast address, or all zeros."
	}
	return ""
}
