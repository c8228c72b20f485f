package network

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

type recordedNamespace = providers.Recorded[namespaceAttrs, namespaceIdentity]

func (networkNamespace) ImportForm() string { return "NAME, as ip netns lists it" }

func (networkNamespace) Locate(id string) (namespaceAttrs, error) {
	if name, found := strings.CutPrefix(id, "/run/netns/"); found {
		id = name
	}
	return namespaceAttrs{Name: id}, schema.CheckFormat("namespace", id)
}

func (networkNamespace) ImportPlaces(*namespaceAttrs) []providers.Place {
	return []providers.Place{namesPlace}
}

func (networkNamespace) Import(s *snapshot, r *recordedNamespace) (*recordedNamespace, error) {
	ns, err := s.importNamespace(r.Attrs.Name)
	if err != nil {
		return nil, err
	}
	lo := ns.link("lo")
	if lo == nil {
		return nil, errors.New("the network namespace has no loopback interface, to which its mark would go")
	}
	if err := s.session.refuseForeign(lo.Alias, fmt.Sprintf("The network namespace %q", ns.name)); err != nil {
		return nil, err
	}
	out := *r
	out.Attrs = namespaceSettled(ns.name, ns.id)
	out.Identity = namespaceIdentity{ID: ns.id, Alias: lo.Alias}
	says := "" // the file of ip netns add is empty
	if strings.HasPrefix(lo.Alias, s.session.env.MarkPrefix()) {
		out.Identity.Alias, says = "", lo.Alias
	}
	out.Identity.File = &says
	return &out, nil
}

// Release gives lo the alias back that it had before.
func (networkNamespace) Release(ctx context.Context, k *session, ops []*namespaceOp) {
	for _, op := range ops {
		settleRelease(op, k.releaseNamespace(ctx, op))
	}
}

func (k *session) releaseNamespace(ctx context.Context, op *namespaceOp) error {
	mine, err := k.ownsNamespace(ctx, op)
	if !mine || err != nil {
		return err
	}
	conn, err := k.route(op.Prior.Attrs.Name)
	if err != nil {
		return err
	}
	return conn.Do(ctx, rtnl.SetLink(rtnl.ByName("lo"), rtnl.LinkChange{Alias: &op.Prior.Identity.Alias}))
}

var _ providers.Importer[namespaceAttrs, namespaceIdentity, *snapshot] = networkNamespace{}
var _ providers.Releaser[namespaceAttrs, namespaceIdentity, *session] = networkNamespace{}
