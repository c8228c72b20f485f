package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

type namespaceAttrs struct {
	Name  string `diy:"name,optional,computed,replace" format:"namespace" doc:"Name, as ip netns shows it. Left out, it is made from the resource's."`
	Path  string `diy:"path,computed" doc:"File that stands for the namespace."`
	Inode int    `diy:"inode,computed,volatile" doc:"Number by which the kernel knows the namespace."`
}

// namespaceIdentity is the namespace's number. Its mark is the alias of its lo.
type namespaceIdentity struct {
	ID    netns.ID `json:"id"`
	Alias string   `json:"alias,omitempty"` // that lo had when the namespace was imported
	// File is what the file at its name says, below the namespace, where that is not the mark of
	// the resource's address: it was moved, or imported.
	File *string `json:"file,omitempty"`
}

type networkNamespace struct{}

type namespaceOp = providers.Op[namespaceAttrs, namespaceIdentity]

func defineNetworkNamespace() providers.Def[*snapshot, *session] {
	return providers.Define("network_namespace",
		"A network namespace: interfaces, addresses, routes and firewall rules of its own. It is found by its name in "+netns.Dir+
			", by ip netns too, and its loopback interface is up.",
		networkNamespace{})
}

// Read knows the namespace by the mark on its lo and, where it is on record, by its number: a
// mark alone can be copied, and the kernel gives a number anew. A file of ours that no namespace is mounted on, which a crash left, reads as a
// namespace without path.
func (networkNamespace) Read(s *snapshot, r *providers.Recorded[namespaceAttrs, namespaceIdentity]) (*providers.Recorded[namespaceAttrs, namespaceIdentity], error) {
	ours := s.session.marksOf(r.Address, r.KnownAs)
	if left := s.namespaces[r.Attrs.Name]; left != nil && errors.Is(left.err, netns.ErrNotNamespace) && r.Identity.left(left.mark, ours) {
		out := *r
		out.Attrs = namespaceAttrs{Name: r.Attrs.Name}
		out.Identity = namespaceIdentity{File: r.Identity.File}
		return &out, nil
	}
	ns, err := s.namespace(r.Attrs.Name)
	if ns == nil || err != nil {
		return nil, err
	}
	known := r.Identity.ID != (netns.ID{})
	if known && ns.id != r.Identity.ID {
		return nil, nil
	}
	if lo := ns.link("lo"); lo == nil || !ours.has(lo.Alias) && !(known && r.Unfinished && s.session.isBetween(lo.Alias, r.Identity.Alias)) {
		return nil, nil
	}
	out := *r
	out.Attrs = namespaceSettled(r.Attrs.Name, ns.id)
	out.Identity.ID = ns.id
	return &out, nil
}

// left reports whether a file that no namespace is mounted on is that of the recorded one.
func (id namespaceIdentity) left(says string, ours marks) bool {
	if id.File == nil {
		return ours.has(says)
	}
	return says == *id.File || says != "" && ours.sameState(says)
}

// isBetween reports whether a namespace that was being marked anew may have the alias: the one
// that it was imported with, or any of this state's.
func (k *session) isBetween(alias, imported string) bool {
	return alias == imported || strings.HasPrefix(alias, k.env.MarkPrefix())
}

func namespaceSettled(name string, id netns.ID) namespaceAttrs {
	path, _ := netns.Path(name) // the schema has checked it
	return namespaceAttrs{Name: name, Path: path, Inode: int(id.Ino)}
}

// Derive gives the name and the path that follows from it.
func (networkNamespace) Derive(d *providers.Derivation) {
	if d.Config.GetAttr("name").IsNull() {
		d.Set("name", cty.StringVal(d.Env.ObjectName(d.Address)))
	}
	name := d.Get("name")
	if !name.IsKnown() {
		d.Set("path", cty.UnknownVal(cty.String))
		return
	}
	if path, err := netns.Path(name.AsString()); err == nil {
		d.Set("path", cty.StringVal(path))
	}
}

func (networkNamespace) Places(v *namespaceAttrs, unknown schema.Unknown) providers.Places {
	if unknown.Has("name") {
		return providers.Places{}
	}
	return providers.Places{Holds: []providers.Place{providers.NetworkNamespace(v.Name)}}
}

func (networkNamespace) Check(s *snapshot, p *providers.Proposed[namespaceAttrs]) error {
	v := s.namespaces[p.Attrs.Name]
	if p.Unknown.Has("name") || p.Vacated[providers.NetworkNamespace(p.Attrs.Name)] ||
		v == nil || errors.Is(v.err, fs.ErrNotExist) {
		return nil
	}
	if v.err != nil && !noNamespace(v.err) {
		return v.err
	}
	err := foreignNamespace(p.Attrs.Name, v.err)
	if lo := v.link("lo"); v.err != nil || lo == nil || s.session.refuseForeign(lo.Alias, "") != nil {
		return err
	}
	return withImport(err, p.Address, p.Attrs.Name)
}

// foreignNamespace says that the name is taken by something that the state does not record.
func foreignNamespace(name string, err error) error {
	return &diag.Problem{
		Summary: "The network namespace exists already",
		Detail: fmt.Sprintf("Something in %s has the name %q that this state does not record; diyform does not touch it. "+
			"Choose another name, or remove it with ip netns delete %s if nobody needs it.", netns.Dir, name, name),
		Attribute: "name",
		Err:       err,
	}
}

// Apply makes or removes many namespaces together: the kernel does both much faster so.
func (n networkNamespace) Apply(ctx context.Context, k *session, action providers.Action, ops []*namespaceOp) {
	if action == providers.Delete {
		n.delete(ctx, k, ops)
		return
	}
	var missing []*namespaceOp
	for _, op := range ops {
		if action == providers.Create || !n.mend(ctx, k, op) {
			missing = append(missing, op)
		}
	}
	specs := make([]netns.Spec, len(missing))
	for i, op := range missing {
		specs[i] = netns.Spec{Name: op.Planned.Name, Mark: k.env.Mark(op.Address)}
	}
	for i, err := range k.set.Create(ctx, specs) {
		settleNamespace(k, missing[i], err)
	}
}

func settleNamespace(k *session, op *namespaceOp, err error) {
	if errors.Is(err, fs.ErrExist) {
		err = foreignNamespace(op.Planned.Name, err)
	}
	if err != nil {
		op.Fail(err)
		return
	}
	ns, err := k.set.Get(op.Planned.Name)
	if err != nil {
		op.Fail(err)
		return
	}
	op.Done(namespaceSettled(op.Planned.Name, ns.ID()), namespaceIdentity{ID: ns.ID()})
}

// mend completes what is there and settles op. It reports false when the namespace is still
// to be made: a crash left only the file, which it removes.
func (networkNamespace) mend(ctx context.Context, k *session, op *namespaceOp) bool {
	name, mark := op.Planned.Name, k.env.Mark(op.Address)
	pin, err := netns.Lookup(name)
	id := op.Prior.Identity
	if err == nil && !pin.Mounted && id.left(pin.Mark, k.marksOf(op.Address, op.Prior.KnownAs)) {
		err = errors.Join(k.set.Delete([]string{name})...)
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && !pin.Mounted {
		return false
	}
	var conn *rtnl.Conn
	if err == nil {
		conn, err = k.route(name)
	}
	if err == nil {
		up := true
		err = conn.Do(ctx, rtnl.SetLink(rtnl.ByName("lo"), rtnl.LinkChange{Alias: &mark, Up: &up}))
	}
	if err != nil {
		op.Fail(err)
		return true
	}
	if id.ID == pin.ID {
		id.keepFile(k, op)
	} else {
		id = namespaceIdentity{ID: pin.ID}
	}
	op.Done(namespaceSettled(name, pin.ID), id)
	return true
}

// keepFile notes what the file below the namespace says, which a new mark on its lo does not
// change.
func (id *namespaceIdentity) keepFile(k *session, op *namespaceOp) {
	if was := k.env.Mark(op.Prior.Marked()); id.File == nil && was != k.env.Mark(op.Address) {
		id.File = &was
	}
}

// delete looks again whose each name is now, and removes ours.
func (networkNamespace) delete(ctx context.Context, k *session, ops []*namespaceOp) {
	var ours []*namespaceOp
	var names []string
	for _, op := range ops {
		mine, err := k.ownsNamespace(ctx, op)
		switch {
		case err != nil:
			op.Fail(err)
		case !mine:
			op.Gone()
		default:
			ours, names = append(ours, op), append(names, op.Prior.Attrs.Name)
		}
	}
	for i, err := range k.set.Delete(names) {
		if err != nil {
			ours[i].Fail(err)
			continue
		}
		ours[i].Gone()
	}
}

// ownsNamespace reports whether the recorded name still stands for what is recorded.
func (k *session) ownsNamespace(ctx context.Context, op *namespaceOp) (bool, error) {
	name, ours := op.Prior.Attrs.Name, k.marksOf(op.Address, op.Prior.KnownAs)
	pin, err := netns.Lookup(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !pin.Mounted:
		return op.Prior.Identity.left(pin.Mark, ours), nil
	case pin.ID == op.Prior.Identity.ID:
		return true, nil
	}
	conn, err := k.route(name)
	if err != nil {
		return false, err
	}
	var lo rtnl.Link
	err = conn.Do(ctx, rtnl.GetLink(rtnl.ByName("lo"), &lo))
	return ours.has(lo.Alias), err
}
