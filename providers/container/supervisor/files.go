package supervisor

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/diyform/diyform/providers/container/launch"
)

const (
	hostsPath    = "/etc/hosts"
	resolvPath   = "/etc/resolv.conf"
	hostnamePath = "/etc/hostname"

	// resolvedPath has the servers that systemd-resolved asks, where /etc/resolv.conf has but
	// its own address on the loopback interface.
	resolvedPath = "/run/systemd/resolve/resolv.conf"
)

// reader is the container for which files are written.
type reader struct {
	spec     launch.Spec
	settings Settings
	subnets  []netip.Prefix // that it is in
}

// hosts gives the text of /etc/hosts.
func (r reader) hosts(peers []peer) string {
	var b strings.Builder
	b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	for _, name := range slices.Sorted(maps.Keys(r.settings.Hosts)) {
		fmt.Fprintf(&b, "%s\t%s\n", r.settings.Hosts[name], name)
	}
	own := peer{names: peerNames(r.spec, r.settings)}
	if i := slices.IndexFunc(peers, func(p peer) bool { return p.id == r.spec.ID }); i >= 0 {
		own.addresses = peers[i].addresses
	}
	if len(own.addresses) == 0 {
		own.addresses = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 1, 1})} // as Debian has it
	}
	r.write(&b, own)
	sorted := slices.SortedFunc(slices.Values(peers), func(a, b peer) int { return strings.Compare(a.id, b.id) })
	for _, p := range sorted {
		if p.id != r.spec.ID {
			r.write(&b, p)
		}
	}
	return b.String()
}

// peerNames are the names by which a container is found.
func peerNames(spec launch.Spec, settings Settings) []string {
	var names []string
	if spec.Hostname != "" {
		if spec.Domain != "" {
			names = append(names, spec.Hostname+"."+spec.Domain)
		}
		names = append(names, spec.Hostname)
	}
	for _, name := range settings.Names {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// write adds the lines of a container, those first which have an address in the reader's
// subnets: the first is what most programs take.
func (r reader) write(b *strings.Builder, p peer) {
	if len(p.names) == 0 {
		return
	}
	var near, far []netip.Addr
	for _, a := range p.addresses {
		if slices.ContainsFunc(r.subnets, func(s netip.Prefix) bool { return s.Contains(a) }) {
			near = append(near, a)
		} else {
			far = append(far, a)
		}
	}
	for _, a := range append(near, far...) {
		fmt.Fprintf(b, "%s\t%s\n", a, strings.Join(p.names, " "))
	}
}

// hostname gives the text of /etc/hostname.
func (r reader) hostname() string {
	if r.spec.Hostname == "" {
		return ""
	}
	return r.spec.Hostname + "\n"
}

// resolv gives the text of /etc/resolv.conf. file reads the host's files; "" is one that is
// not there.
func (r reader) resolv(file func(path string) string) string {
	if dns := r.settings.DNS; dns != nil {
		return dns.text()
	}
	host := file(resolvPath)
	if slices.Contains(r.spec.Namespaces.Keep, "network") {
		return host
	}
	reachable := withoutLoopback(host)
	if !hasServer(reachable) {
		if other := withoutLoopback(file(resolvedPath)); hasServer(other) {
			return other
		}
	}
	return reachable
}

func (d DNS) text() string {
	var b strings.Builder
	for _, server := range d.Servers {
		fmt.Fprintf(&b, "nameserver %s\n", server)
	}
	if len(d.Search) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(d.Search, " "))
	}
	if len(d.Options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(d.Options, " "))
	}
	return b.String()
}

// withoutLoopback takes out the servers that are on the host's loopback interface, which is
// not the container's, and comments.
func withoutLoopback(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") || strings.HasPrefix(fields[0], ";") {
			continue
		}
		if len(fields) > 1 && fields[0] == "nameserver" {
			address, err := netip.ParseAddr(fields[1])
			if err != nil || address.IsLoopback() {
				continue
			}
		}
		b.WriteString(strings.Join(fields, " ") + "\n")
	}
	return b.String()
}

func hasServer(text string) bool {
	return strings.HasPrefix(text, "nameserver ") || strings.Contains(text, "\nnameserver ")
}
