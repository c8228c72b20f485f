package firewall

import (
	"slices"
	"strings"

	"github.com/diyform/diyform/internal/linux/nft"
)

// What a resource's status attribute says: that its rules are in force, or why they are not.
const (
	statusActive    = "active"
	statusDormant   = "the table is dormant"
	statusRemade    = "the chain has another hook, priority or type"
	statusPolicy    = "the chain's policy is to drop"
	statusElsewhere = "the rule is in another chain"
	statusTwice     = "the rule is there more than once"
	statusMissing   = "the rule is missing"
	statusBehind    = "a rule of somebody else comes before it"
	statusChanged   = "the rule was changed"
)

// found is what a snapshot holds of a resource of one rule.
type found struct {
	rules   []nft.Rule // with its mark, in whatever chain
	remains bool       // our table is there and no rule is in it
	status  string
}

// find looks for the rule with one of the comments, which should be in chain.
func (s *snapshot) find(namespace string, comments []string, chain nft.Chain) (found, error) {
	r := s.namespaces[namespace]
	switch {
	case r == nil || noNamespace(r.err):
		return found{}, nil
	case r.err != nil:
		return found{}, r.err
	}
	out := found{remains: r.rules.Exists && len(r.rules.Rules) == 0}
	for _, rule := range r.rules.Rules {
		if slices.Contains(comments, rule.Comment) {
			out.rules = append(out.rules, rule)
		}
	}
	switch {
	case len(out.rules) == 0:
		out.status = statusMissing
	case len(out.rules) > 1:
		out.status = statusTwice
	case out.rules[0].Chain != chain.Name:
		out.status = statusElsewhere
	default:
		out.status = inForce(r.rules, chain, out.rules[0].Handle, s.session.env.MarkPrefix())
	}
	return out, nil
}

// inForce tells whether packets come to the rule of that handle in the chain.
func inForce(now nft.Ruleset, chain nft.Chain, handle uint64, mark string) string {
	if now.Dormant {
		return statusDormant
	}
	switch i := slices.IndexFunc(now.Chains, func(c nft.Chain) bool { return c.Name == chain.Name }); {
	case i < 0 || !sameHook(now.Chains[i], chain):
		return statusRemade
	case now.Chains[i].Drops != chain.Drops:
		return statusPolicy
	}
	for _, rule := range now.Rules {
		switch {
		case rule.Chain != chain.Name:
		case rule.Handle == handle:
			return statusActive
		case !strings.HasPrefix(rule.Comment, mark):
			return statusBehind
		}
	}
	return statusMissing
}

func sameHook(a, b nft.Chain) bool {
	return a.Type == b.Type && a.Hook == b.Hook && a.Priority == b.Priority
}
