package firewall

import (
	"context"
	"net/netip"

	"github.com/google/nftables/expr"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

type masqueradeAttrs struct {
	Namespace    string `diy:"namespace,replace" format:"namespace" doc:"Network namespace that forwards the packets. Left out, it is the host's."`
	Source       string `diy:"source" format:"prefix" doc:"Only packets from this network. Its family decides whether the rule is for IPv4 or IPv6; without source and destination it is for both."`
	Destination  string `diy:"destination" format:"prefix" doc:"Only packets to this network."`
	OutInterface string `diy:"out_interface" format:"interface" doc:"Only packets that leave through this interface. It is matched by name and need not exist yet. Left out, any."`
	Status       string `diy:"status,computed" default:"active" doc:"Whether the rule does what it says: \"active\", or what somebody changed around it so that it does not. Applying makes it active again."`
}

type masquerade struct{}

func defineMasquerade() providers.Def[*snapshot, *session] {
	return providers.Define("masquerade",
		"Gives packets that are forwarded out of an interface that interface's own address as their source, "+
			"so that a private network reaches what the interface reaches; answers find their way back. "+
			"For IPv4 and IPv6. Forwarding itself is a sysctl: net.ipv4.ip_forward, net.ipv6.conf.all.forwarding.",
		masquerade{})
}

// Read gives what the rule with the resource's mark says, and whether it is in force. One that
// does not read as a masquerade any more has the recorded criteria.
func (masquerade) Read(s *snapshot, r *providers.Recorded[masqueradeAttrs, identity]) (*providers.Recorded[masqueradeAttrs, identity], error) {
	found, err := s.find(r.Attrs.Namespace, s.session.comments(r.Address, r.KnownAs), postrouting)
	if err != nil || len(found.rules) == 0 && (r.Unfinished || !found.remains) {
		return nil, err
	}
	out := *r
	out.Unfinished = false
	out.Attrs.Status = found.status
	out.Identity = identity{Table: s.session.table().Name, Comment: s.session.comment(r.Marked())}
	for _, rule := range found.rules {
		out.Identity.Handles = append(out.Identity.Handles, rule.Handle)
	}
	if len(found.rules) != 1 {
		return &out, nil
	}
	m, rest := parseMatch(found.rules[0].Exprs)
	if found.rules[0].Opaque || !isMasquerade(rest) {
		if out.Attrs.Status == statusActive {
			out.Attrs.Status = statusChanged
		}
		return &out, nil
	}
	out.Attrs.Source, out.Attrs.Destination = prefixString(m.source), prefixString(m.destination)
	out.Attrs.OutInterface = m.outInterface
	return &out, nil
}

func isMasquerade(exprs []expr.Any) bool {
	if len(exprs) != 1 {
		return false
	}
	m, ok := exprs[0].(*expr.Masq)
	return ok && *m == expr.Masq{}
}

func prefixString(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

func (masquerade) Validate(v *masqueradeAttrs, _ schema.Unknown) error {
	source, err1 := netip.ParsePrefix(v.Source)
	destination, err2 := netip.ParsePrefix(v.Destination)
	if err1 != nil || err2 != nil { // left out or not known yet; the format is checked elsewhere
		return nil
	}
	if source.Addr().Is4() == destination.Addr().Is4() {
		return nil
	}
	return &diag.Problem{
		Summary:   "IPv4 and IPv6 in one rule",
		Detail:    "The source is a network of one IP version and the destination of the other. No packet has both: write a masquerade resource for each.",
		Attribute: "destination",
	}
}

func (masquerade) Places(v *masqueradeAttrs, unknown schema.Unknown) providers.Places {
	if unknown.Has("namespace") {
		return providers.Places{}
	}
	return providers.Places{Within: []providers.Place{providers.NetworkNamespace(v.Namespace)}}
}

// Apart says where two can be: the rules of one namespace are known by their resource's
// address.
func (masquerade) Apart(old, planned *masqueradeAttrs) error {
	if old.Namespace == planned.Namespace {
		return providers.ErrOneOnly
	}
	return nil
}

func (masquerade) Batch(v *masqueradeAttrs) string { return v.Namespace }

func (masquerade) Check(s *snapshot, p *providers.Proposed[masqueradeAttrs]) error {
	if p.Unknown.Has("namespace") {
		return nil
	}
	return s.checkNamespace(p.Attrs.Namespace, p.Promised)
}

// Apply makes, replaces or deletes the rules of one namespace in one transaction.
func (m masquerade) Apply(ctx context.Context, k *session, _ providers.Action, ops []*providers.Op[masqueradeAttrs, identity]) {
	applyRules(ctx, k, m, ops)
}

func (masquerade) namespace(v *masqueradeAttrs) string { return v.Namespace }

func (masquerade) rules(v *masqueradeAttrs) []wanted {
	m := match{outInterface: v.OutInterface, source: parsePrefix(v.Source), destination: parsePrefix(v.Destination)}
	return []wanted{{chain: postrouting, exprs: append(m.exprs(), &expr.Masq{})}}
}

// parsePrefix reads a prefix that the schema has checked: "" is the zero Prefix.
func parsePrefix(s string) netip.Prefix {
	p, _ := netip.ParsePrefix(s)
	return p
}
