// Package firewall makes address translation and filter rules in network namespaces, by
// nf_tables.
//
// Everything that diyform makes in a namespace is in one table of family inet that is named
// after the state's lineage, so that it is never mixed with the rules of other programs,
// and each rule's comment is the owner mark. The table and its chains come with the first
// rule and go with the last one, in the same transactions.
//
// It is not for iptables rules, nor for nftables rules that others made.
//
// Start with masquerade.go: a resource type gives the rules that it wants, and rules.go makes
// them. match.go has the criteria by which rules choose packets.
package firewall

import (
	"github.com/diyform/diyform/providers"
)

// Provider gives the resource types that end up as nf_tables rules.
func Provider() providers.Provider {
	return providers.Assemble(providers.Parts[*snapshot, *session]{
		Name: "firewall",
		Resources: []providers.Def[*snapshot, *session]{
			defineMasquerade(),
		},
		Open: func(env providers.Env) (*session, error) { return &session{env: env}, nil },
		Snapshot: func(k *session) *snapshot {
			return &snapshot{session: k, namespaces: map[string]*reading{}}
		},
	})
}
