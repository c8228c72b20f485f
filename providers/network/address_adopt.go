package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

type recordedAddress = providers.Recorded[addressAttrs, addressIdentity]

func (address) ImportForm() string {
	return "INTERFACE/ADDRESS/LENGTH, as eth0/10.0.0.1/24, with NAMESPACE/ before it where that is not the host's"
}

func (address) Locate(id string) (v addressAttrs, err error) {
	parts := strings.Split(id, "/")
	if len(parts) != 3 && len(parts) != 4 {
		return v, errors.New("an interface, an address and its prefix length have slashes between them")
	}
	n := len(parts)
	v.Interface, v.Address = parts[n-3], parts[n-2]+"/"+parts[n-1]
	if n == 4 {
		v.Namespace = parts[0]
		err = schema.CheckFormat("namespace", v.Namespace)
	}
	prefix, parseErr := netip.ParsePrefix(v.Address)
	if err = errors.Join(err, schema.CheckFormat("interface", v.Interface)); err == nil && parseErr != nil {
		err = schema.CheckFormat("address", v.Address)
	}
	v.Address = prefix.String()
	return v, err
}

func (address) ImportPlaces(*addressAttrs) []providers.Place { return []providers.Place{namesPlace} }

func (address) Import(s *snapshot, r *recordedAddress) (*recordedAddress, error) {
	ns, err := s.importNamespace(r.Attrs.Namespace)
	if err != nil {
		return nil, err
	}
	l := ns.link(r.Attrs.Interface)
	if l == nil {
		return nil, missingImport(r.Attrs.Interface, r.Attrs.Namespace, ns)
	}
	if owner, ours := strings.CutPrefix(l.Alias, s.session.env.MarkPrefix()); ours {
		return nil, ownInterface(l.Name, owner)
	}
	got, err := ns.importAddress(l, r.Attrs.Address)
	if err != nil {
		return nil, err
	}
	out := *r
	out.Attrs.Peer = ipString(got.Peer)
	out.Identity = addressIdentity{Index: l.Index}
	return &out, nil
}

func missingImport(name, namespace string, ns *view) error {
	var known []string
	for i := range ns.links {
		known = append(known, ns.links[i].Name)
	}
	return &diag.Problem{
		Summary: "There is no such interface",
		Detail:  fmt.Sprintf("There is no interface %q %s.%s", name, where(namespace), diag.Suggest(name, known)),
	}
}

// importAddress finds an address that somebody gave to the link to keep.
func (v *view) importAddress(l *rtnl.Link, address string) (*rtnl.Address, error) {
	var have []string
	for i := range v.addresses[l.Index] {
		a := &v.addresses[l.Index][i]
		if a.Prefix.String() != address {
			have = append(have, a.Prefix.String())
			continue
		}
		if !a.Lasting() || a.KernelMade() {
			return nil, &diag.Problem{
				Summary: "Somebody else looks after the address",
				Detail: fmt.Sprintf("The address %s of %q comes from the kernel, a DHCP client or a router, which renews it or takes it away. "+
					"Nothing would be won by managing it here as well.", address, l.Name),
			}
		}
		return a, nil
	}
	hint := " It has none."
	if len(have) > 0 {
		hint = fmt.Sprintf(" It has %s.", strings.Join(have, ", "))
	}
	return nil, &diag.Problem{
		Summary: "There is no such address",
		Detail:  fmt.Sprintf("The interface %q has no address %s.%s", l.Name, address, hint),
	}
}

// mark gives an address that is there our protocol number, or another one. It reports false
// where there is none.
func (v *addressAttrs) mark(ctx context.Context, conn *rtnl.Conn, index int, protocol uint8) (bool, error) {
	have, err := conn.AddressesOn(ctx, index)
	if errors.Is(err, unix.ENODEV) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(have, sameAddress(v.spec(index)))
	if i < 0 {
		return false, nil
	}
	if have[i].Protocol == protocol {
		return true, nil
	}
	have[i].Index, have[i].Protocol = index, protocol
	return true, conn.Do(ctx, rtnl.ReplaceAddress(have[i]))
}

// markAll marks those addresses of updates that are there, and gives the operations of the others.
func (address) markAll(ctx context.Context, k *session, conn *rtnl.Conn, ops []*addressOp) []*addressOp {
	var missing []*addressOp
	for _, op := range ops {
		there, err := op.Planned.mark(ctx, conn, op.Intent.Index, AddressProtocol)
		switch {
		case err != nil:
			op.Fail(err)
		case !there:
			missing = append(missing, op)
		default:
			var l rtnl.Link
			if err := conn.Do(ctx, rtnl.GetLink(rtnl.ByIndex(op.Intent.Index), &l)); err != nil {
				op.Fail(err)
				continue
			}
			settleAddress(ctx, k, op, l.Up())
		}
	}
	return missing
}

func (address) Release(ctx context.Context, k *session, ops []*addressOp) {
	for _, op := range ops {
		conn, err := k.route(op.Prior.Attrs.Namespace)
		if noNamespace(err) {
			op.Gone()
			continue
		}
		if err == nil {
			_, err = op.Prior.Attrs.mark(ctx, conn, op.Prior.Identity.Index, 0)
		}
		settleRelease(op, err)
	}
}

var _ providers.Importer[addressAttrs, addressIdentity, *snapshot] = address{}
var _ providers.Releaser[addressAttrs, addressIdentity, *session] = address{}
