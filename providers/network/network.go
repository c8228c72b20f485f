// Package network makes network namespaces, links, addresses, routes and kernel settings,
// by rtnetlink and /proc/sys.
//
// It is not for firewall rules and address translation (package firewall), nor for what
// opens and enters namespaces (internal/linux/netns).
//
// Start with veth_pair.go, a resource type as they all are: its arguments, what a snapshot
// holds of it, its requests to the kernel. snapshot.go reads the kernel, link.go has what
// all kinds of links share, uplink.go how a bridge takes over a physical interface.
package network

import (
	"github.com/diyform/diyform/providers"
)

// Provider gives the resource types and data sources of the kernel's network.
func Provider() providers.Provider {
	return providers.Assemble(providers.Parts[*snapshot, *session]{
		Name: "network",
		Resources: []providers.Def[*snapshot, *session]{
			defineNetworkNamespace(),
			defineVethPair(),
			defineBridge(),
			defineAddress(),
			defineRoute(),
			defineSysctl(),
		},
		Data: []providers.DataDef[*session]{
			defineInterfaceData(),
			defineDefaultRouteData(),
			defineNetworkNamespaceData(),
			defineHostData(),
			definePingData(),
			defineTCPData(),
		},
		Open:     func(env providers.Env) (*session, error) { return &session{env: env}, nil },
		Snapshot: newSnapshot,
	})
}
