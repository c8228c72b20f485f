// Package registry is the one list of all providers. A new resource type is one file in its
// provider's package and one line in that provider's list; a new provider is one line here.
package registry

import (
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/builtin"
	"github.com/diyform/diyform/providers/container"
	"github.com/diyform/diyform/providers/firewall"
	"github.com/diyform/diyform/providers/network"
)

// New gives the registry of everything diyform can make and read.
func New() *providers.Registry {
	return providers.NewRegistry(network.Provider(), firewall.Provider(), container.Provider(), builtin.Provider())
}
