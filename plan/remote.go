package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
)

// Remote is the connection through which whoever plans reached this machine.
type Remote struct {
	Client, Server netip.Addr
	Interface      string // of this machine, that has the server's address
}

// warnRemote warns of each change that may cut the user's own connection off.
func (p *Plan) warnRemote() hcl.Diagnostics {
	r := p.Input.Remote
	if r == nil {
		return nil
	}
	var diags hcl.Diagnostics
	for _, c := range p.Changes {
		if !c.acts() || c.Action == Read {
			continue
		}
		if what := p.cuts(r, c); what != "" {
			diags = append(diags, diag.At(hcl.Diagnostics{diag.Warning(c.Range, "This SSH session may be cut off", fmt.Sprintf(
				"%s %s, and it is %s, by which this session from %s comes in. If it ends, so does an apply in it: "+
					"have another way in, or apply from tmux, screen or a job of systemd-run.", c.Address, headlines[c.Action], what, r.Client))}, c.Address.String())...)
		}
	}
	return diags
}

// cuts says what of the connection's way a change takes away, or changes, or "".
func (p *Plan) cuts(r *Remote, c *Change) string {
	for _, place := range slices.Concat(p.was(c).Holds, p.wanted(c).Holds) {
		if place.Namespace != "" {
			continue
		}
		switch there := slices.Contains(p.was(c).Holds, place); {
		case place == providers.Link("", r.Interface) && there && disturbs(c):
			return "the interface " + r.Interface
		case place.Kind == "uplink" && place.Name == r.Interface && disturbs(c):
			return "what takes over the interface " + r.Interface
		case place.Kind == "address" && there && hasField(place.Name, r.Server):
			return "the address " + r.Server.String()
		case place.Kind == "route" && routeCovers(place.Name, r.Client, there):
			return "a route to " + r.Client.String()
		}
	}
	return ""
}

// disturbing are the attributes of an interface that, changed, may end connections.
var disturbing = []string{"addresses", "up", "name", "uplink.interface", "bridge", "namespace"}

func disturbs(c *Change) bool {
	if c.Action != Update {
		return true
	}
	for _, d := range c.Differences {
		if slices.ContainsFunc(disturbing, func(name string) bool {
			return d.Path == name || strings.HasPrefix(d.Path, name+".") || strings.HasPrefix(name, d.Path+".")
		}) {
			return true
		}
	}
	return false
}

func hasField(name string, a netip.Addr) bool {
	return slices.ContainsFunc(strings.Fields(name), func(field string) bool {
		if prefix, err := netip.ParsePrefix(field); err == nil {
			return prefix.Addr() == a
		}
		got, err := netip.ParseAddr(field)
		return err == nil && got == a
	})
}

// routeCovers reports whether a route, by its place's name, leads to a machine. A default route
// that is new stands behind those that are there.
func routeCovers(name string, a netip.Addr, there bool) bool {
	if strings.HasPrefix(name, "default for ") {
		return there && strings.HasPrefix(name, "default for IPv4") == a.Is4()
	}
	prefix, err := netip.ParsePrefix(strings.Fields(name + " ")[0])
	return err == nil && prefix.Contains(a)
}
