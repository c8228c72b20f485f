package main_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// randomNetwork is a configuration of real resources that changes at random. If it is modular,
// its namespaces and bridges are those of a module.
type randomNetwork struct {
	r       *rand.Rand
	modular bool

	namespaces, bridges, cables, routes, sysctls, masquerades map[string]map[string]string
	round                                                     int
}

func (n *randomNetwork) chance(of int) bool { return n.r.IntN(of) == 0 }

func (n *randomNetwork) pick(list ...string) string { return list[n.r.IntN(len(list))] }

// change makes some of it anew.
func (n *randomNetwork) change() {
	n.round++
	old := *n
	n.namespaces, n.bridges, n.cables = map[string]map[string]string{}, map[string]map[string]string{}, map[string]map[string]string{}
	n.routes, n.sysctls, n.masquerades = map[string]map[string]string{}, map[string]map[string]string{}, map[string]map[string]string{}
	for i := range 4 {
		n.keepOr(old.namespaces, n.namespaces, fmt.Sprint("n", i), n.namespace)
	}
	for i := range 3 {
		n.keepOr(old.bridges, n.bridges, fmt.Sprint("b", i), func() map[string]string { return n.bridge(i) })
	}
	for i := range 4 {
		n.keepOr(old.cables, n.cables, fmt.Sprint("c", i), func() map[string]string { return n.cable(i) })
		n.addRoute(i)
	}
	for i := range 3 {
		if ns := n.anyNamespace(); n.chance(2) && n.sysctls[ns] == nil {
			n.sysctls[strings.NewReplacer(".", "_", `"`, "").Replace(ns)] = map[string]string{
				"namespace": ns, "key": `"net.ipv4.ip_forward"`, "value": n.pick(`"0"`, `"1"`),
			}
		}
		if n.chance(2) {
			n.masquerades[fmt.Sprint("m", i)] = n.without("namespace", map[string]string{
				"namespace": n.anyNamespace(), "source": fmt.Sprintf(`"10.%d.0.0/16"`, i), "out_interface": n.pick(`"eth0"`, `"wan"`),
			})
		}
	}
}

// keepOr keeps what there was, or makes it anew, or leaves it out. What speaks of something that
// is not there any more is made anew.
func (n *randomNetwork) keepOr(old, into map[string]map[string]string, name string, anew func() map[string]string) {
	was := old[name]
	for _, arg := range []string{"namespace", "peer.namespace", "bridge"} {
		if kind, key, ok := strings.Cut(was[arg], "."); ok {
			key = strings.TrimSuffix(key, ".name")
			all := map[string]map[string]map[string]string{"network_namespace": n.namespaces, "bridge": n.bridges}[kind]
			if all[key] == nil || kind == "bridge" && all[key]["namespace"] != was["namespace"] {
				was = nil
				break
			}
		}
	}
	switch {
	case n.chance(4):
	case was != nil && !n.chance(3):
		into[name] = was
	default:
		into[name] = anew()
	}
}

func (n *randomNetwork) namespace() map[string]string {
	if n.chance(3) {
		return map[string]string{"name": fmt.Sprintf(`"net-%d-%d"`, n.round, n.r.IntN(1000))}
	}
	return map[string]string{}
}

// anyNamespace refers to one of the namespaces, or gives null for the host's.
func (n *randomNetwork) anyNamespace() string {
	if len(n.namespaces) == 0 || n.chance(5) {
		return "null"
	}
	return "network_namespace." + n.pick(slices.Sorted(maps.Keys(n.namespaces))...) + ".name"
}

func (n *randomNetwork) without(name string, args map[string]string) map[string]string {
	if args[name] == "null" || args[name] == "" {
		delete(args, name)
	}
	return args
}

func (n *randomNetwork) bridge(i int) map[string]string {
	args := map[string]string{"namespace": n.anyNamespace(), "stp": n.pick("true", "false"), "forward_delay": n.pick("2", "15")}
	if n.chance(2) {
		args["addresses"] = fmt.Sprintf(`["10.%d.%d.1/24", "fd00:%d:%d::1/64"]`, 100+i, n.round, 100+i, n.round)
	}
	if n.chance(3) {
		args["name"] = fmt.Sprintf(`"br%d"`, i)
	}
	if n.chance(3) {
		args["mac_address"] = fmt.Sprintf(`"02:00:00:00:%02x:%02x"`, i, n.round)
	}
	return n.without("namespace", args)
}

func (n *randomNetwork) cable(i int) map[string]string {
	args := map[string]string{
		"namespace": n.anyNamespace(), "peer.namespace": n.anyNamespace(), "mtu": n.pick("1280", "1500", "9000"),
		"up": n.pick("true", "true", "false"), "peer.name": fmt.Sprintf(`"p%d"`, i),
	}
	if n.chance(3) {
		args["name"] = fmt.Sprintf(`"cable%d"`, i)
	}
	var near []string // bridges in the same namespace
	for name, b := range n.bridges {
		if b["namespace"] == n.without("namespace", maps.Clone(args))["namespace"] {
			near = append(near, name)
		}
	}
	slices.Sort(near)
	if len(near) > 0 && !n.chance(3) {
		args["bridge"] = "bridge." + n.pick(near...) + ".name"
	} else {
		args["addresses"] = fmt.Sprintf(`["10.%d.%d.1/24"]`, i, n.round)
	}
	args["peer.addresses"] = fmt.Sprintf(`["10.%d.%d.2/24", "fd00:%d:%d::2/64"]`, i, n.round, i, n.round)
	return n.without("peer.namespace", n.without("namespace", args))
}

// addRoute gives the peer's namespace of a cable a route by way of its other end.
func (n *randomNetwork) addRoute(i int) {
	name := fmt.Sprint("c", i)
	c := n.cables[name]
	if c == nil || c["addresses"] == "" || c["up"] != "true" || c["namespace"] == c["peer.namespace"] || n.chance(3) {
		return
	}
	n.routes[fmt.Sprint("r", i)] = n.without("namespace", map[string]string{
		"namespace": c["peer.namespace"], "destination": fmt.Sprintf(`"192.168.%d.0/24"`, i),
		"gateway":    fmt.Sprintf(`split("/", one(veth_pair.%s.addresses))[0]`, name),
		"depends_on": fmt.Sprintf("[veth_pair.%s]", name),
	})
}

func (n *randomNetwork) files() map[string]string {
	base := blocks("network_namespace", n.namespaces) + blocks("bridge", n.bridges)
	root := blocks("veth_pair", n.cables) + blocks("route", n.routes) + blocks("sysctl", n.sysctls) + blocks("masquerade", n.masquerades)
	if !n.modular {
		return map[string]string{"main.diy.hcl": base + root}
	}
	var outputs strings.Builder
	replace := []string{}
	for typ, all := range map[string]map[string]map[string]string{"network_namespace": n.namespaces, "bridge": n.bridges} {
		for name := range all {
			fmt.Fprintf(&outputs, "output \"%s_%s\" {\n  value = %[1]s.%[2]s\n}\n", typ, name)
			replace = append(replace, typ+"."+name+".", fmt.Sprintf("module.base.%s_%s.", typ, name))
		}
	}
	return map[string]string{
		"main.diy.hcl":      "module \"base\" {\n  source = \"./base\"\n}\n" + strings.NewReplacer(replace...).Replace(root),
		"base/main.diy.hcl": outputs.String() + base,
	}
}

func (n *randomNetwork) String() string {
	return strings.Join(slices.Sorted(maps.Values(n.files())), "\n")
}

func blocks(typ string, all map[string]map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "resource %q %q {\n", typ, name)
		var peer []string
		for _, arg := range slices.Sorted(maps.Keys(all[name])) {
			if inner, ok := strings.CutPrefix(arg, "peer."); ok {
				peer = append(peer, fmt.Sprintf("    %s = %s\n", inner, all[name][arg]))
			} else {
				fmt.Fprintf(&b, "  %s = %s\n", arg, all[name][arg])
			}
		}
		if peer != nil {
			fmt.Fprintf(&b, "  peer {\n%s  }\n", strings.Join(peer, ""))
		}
		b.WriteString("}\n")
	}
	return b.String()
}
