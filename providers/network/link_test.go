package network

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/providers"
)

func list(items ...string) cty.Value {
	if len(items) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	var out []cty.Value
	for _, s := range items {
		out = append(out, text(s))
	}
	return cty.ListVal(out)
}

// block makes a nested block's value of the given arguments.
func block(k *kernel, typ, name string, given map[string]cty.Value) cty.Value {
	t := k.registry.Type(typ).Schema().Block(name)
	out := map[string]cty.Value{}
	for _, a := range t.Attributes {
		if !a.Settable() {
			continue
		}
		out[a.Name] = cty.NullVal(a.Type)
		if v, ok := given[a.Name]; ok {
			out[a.Name] = v
		}
	}
	return cty.ObjectVal(out)
}

func with(m map[string]cty.Value, name string, v cty.Value) map[string]cty.Value {
	out := map[string]cty.Value{name: v}
	for k, e := range m {
		if k != name {
			out[k] = e
		}
	}
	return out
}

func namespaces(t *testing.T, names ...string) {
	t.Helper()
	for _, n := range names {
		shell(t, "ip netns add "+n+"; ip -n "+n+" link set lo up")
	}
	t.Cleanup(func() {
		for _, n := range names {
			shell(t, "ip netns del "+n)
		}
	})
}

func (k *kernel) expect(script, want string) {
	k.t.Helper()
	if got := shell(k.t, script); got != want {
		k.t.Errorf("%s\n gives %q\n not   %q", script, got, want)
	}
}

func TestNetworkNamespace(t *testing.T) {
	k := newKernel(t)
	config := args("name", "blue")
	o := k.mustCreate("network_namespace", config)
	k.expect("ip -n blue -j link show lo | jq -r '.[0].ifalias, (.[0].flags|contains([\"UP\"]))'",
		"diyform:0a1b2c3d:network_namespace.x\ntrue")
	if k.read(o) == nil {
		t.Error("it reads as gone")
	}
	if err := k.check("network_namespace", config); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a second one of that name: %v", err)
	}
	shell(t, "ip netns del blue; ip netns add blue")
	if got := k.read(o); got != nil {
		t.Errorf("somebody else's namespace of that name reads as %#v", got.Attributes)
	}
	k.delete(o)
	k.expect("ls /run/netns | grep blue", "blue")
	shell(t, "ip netns del blue")
}

func TestNamespaceThatACrashLeft(t *testing.T) {
	k := newKernel(t)
	config := args("name", "blue")
	for name, leave := range map[string]string{
		"only the file": "printf 'diyform:0a1b2c3d:network_namespace.x\\n' > /run/netns/blue",
		"all":           "ip netns add blue; ip -n blue link set lo alias diyform:0a1b2c3d:network_namespace.x",
	} {
		t.Run(name, func(t *testing.T) {
			shell(t, "mkdir -p /run/netns; "+leave)
			o := &providers.Object{
				Address: at("network_namespace", "x"), Attributes: k.plan("network_namespace", config, nil), Unfinished: true,
			}
			o.Attributes, _ = cty.Transform(o.Attributes, func(_ cty.Path, v cty.Value) (cty.Value, error) {
				if !v.IsKnown() {
					return cty.NullVal(v.Type()), nil
				}
				return v, nil
			})
			got := k.read(o)
			if got == nil {
				t.Fatal("it reads as gone")
			}
			k.delete(k.update(got, config))
			k.expect("ls /run/netns | grep -c blue || true", "0")
		})
	}
}

func vethConfig(k *kernel) map[string]cty.Value {
	c := args("name", "va", "namespace", "near", "bridge", "lan")
	c["peer"] = block(k, "veth_pair", "peer", map[string]cty.Value{
		"name": text("vb"), "namespace": text("far"), "addresses": list("10.9.0.2/24", "fd09::2/64"),
	})
	return c
}

func TestVethPair(t *testing.T) {
	k := newKernel(t)
	namespaces(t, "near", "far")
	shell(t, "ip -n near link add name lan type bridge; ip -n near link set lan up; ip -n near addr add 10.9.0.1/24 dev lan")
	config := vethConfig(k)
	o := k.mustCreate("veth_pair", config)
	k.expect("ip -n near -j link show va | jq -r '.[0].ifalias, .[0].master'", "diyform:0a1b2c3d:veth_pair.x\nlan")
	k.expect("ip -n far -j link show vb | jq -r '.[0].ifalias'", "diyform:0a1b2c3d:veth_pair.x.peer")
	shell(t, "ip netns exec near ping -c1 -W2 10.9.0.2; ip netns exec far ping -c1 -W2 fd09::2")

	t.Run("drift", func(t *testing.T) {
		shell(t, "ip -n near link set va nomaster mtu 1400 down; ip -n near link set va name vz; ip -n far addr del fd09::2/64 dev vb")
		got := k.read(o)
		o = k.update(got, config)
		k.expect("ip -n near -j link show va | jq -r '.[0].master, .[0].mtu'", "lan\n1500")
	})
	t.Run("addresses change under a route", func(t *testing.T) {
		shell(t, "ip -n far route add default via 10.9.0.1; ip -n far route add 10.77.0.0/16 via 10.9.0.1 metric 5")
		peer := map[string]cty.Value{"name": text("vb"), "namespace": text("far"), "addresses": list("10.9.0.3/24", "10.9.0.4/24")}
		changed := with(config, "peer", block(k, "veth_pair", "peer", peer))
		o = k.update(o, changed)
		k.expect("ip -n far route show default", "default via 10.9.0.1 dev vb")
		k.expect("ip -n far route show 10.77.0.0/16", "10.77.0.0/16 via 10.9.0.1 dev vb metric 5")
		o = k.update(o, config)
	})
	t.Run("MAC, MTU and name change in place", func(t *testing.T) {
		before := shell(t, "ip -n near -j link show va | jq .[0].ifindex")
		o = k.update(o, with(with(with(config, "name", text("vc")), "mtu", number(1300)), "mac_address", text("02:00:00:00:00:07")))
		k.expect("ip -n near -j link show vc | jq -c '.[0]|[.ifindex,.mtu,.address]'", "["+before+`,1300,"02:00:00:00:00:07"]`)
		o = k.update(o, config)
	})
	t.Run("an end that was moved away forces replacement", func(t *testing.T) {
		namespaces(t, "elsewhere")
		shell(t, "ip -n far link set vb netns elsewhere")
		got := k.read(o)
		if got == nil || got.Attributes.GetAttr("peer").GetAttr("namespace").AsString() != elsewhere {
			t.Fatalf("reads as %#v", got)
		}
		k.delete(got)
		k.expect("ip -n elsewhere -j link show type veth | jq length", "0")
	})
}

func TestVethPairLongName(t *testing.T) {
	k := newKernel(t)
	namespaces(t, "near")
	config := args("namespace", "near")
	config["peer"] = block(k, "veth_pair", "peer", map[string]cty.Value{"namespace": text("near")})
	a := at("veth_pair", "x")
	a.Name = "a-name-that-is-too-long"
	op := &providers.Operation{Action: providers.Create, Type: "veth_pair", Address: a}
	op.Planned = k.planAt(a, config, nil)
	k.apply(op)
	if op.Err != nil {
		t.Fatal(op.Err)
	}
	k.expect("ip -n near -j link show a-name-that-is-too-long | jq -r '.[0].ifname|length <= 15'", "true")
	k.expect("ip -n near -j link show a-name-that-is-too-long-peer | jq -r '.[0].ifname|length <= 15'", "true")
	k.delete(op.Result)
}

func TestVethPairRefusesWhatIsNotOurs(t *testing.T) {
	k := newKernel(t)
	namespaces(t, "near", "far")
	shell(t, "ip -n near link add name lan type bridge; ip -n near link add name va type bridge")
	if err := k.check("veth_pair", vethConfig(k)); err == nil || !strings.Contains(err.Error(), "does not touch it") {
		t.Errorf("check says %v", err)
	}
	_, err := k.create("veth_pair", vethConfig(k))
	if err == nil || !strings.Contains(err.Error(), "does not touch it") {
		t.Errorf("create says %v", err)
	}
	k.expect("ip -n near -j link show va | jq -r '.[0].ifalias'", "null")
	shell(t, "ip -n near link del va; ip -n near link del lan")
	if err := k.check("veth_pair", vethConfig(k)); err == nil || !strings.Contains(err.Error(), "no interface") {
		t.Errorf("without a bridge, check says %v", err)
	}
}

// A crash between creation and mark leaves links that only their MAC addresses tell to be ours.
func TestVethPairWithoutMarks(t *testing.T) {
	k := newKernel(t)
	namespaces(t, "near", "far")
	shell(t, "ip -n near link add name lan type bridge")
	o := k.mustCreate("veth_pair", vethConfig(k))
	shell(t, "ip -n near link set va alias ''; ip -n far link set vb alias ''")
	var id vethIdentity
	if err := json.Unmarshal(o.Identity, &id); err != nil {
		t.Fatal(err)
	}
	id.Near.Index, id.Peer.Index = 0, 0
	o.Identity, _ = json.Marshal(id)
	o.Unfinished = true
	got := k.read(o)
	if got == nil {
		t.Fatalf("it reads as gone: %s; %s", o.Identity, shell(t, "ip -n near link show va"))
	}
	o = k.update(got, vethConfig(k))
	k.expect("ip -n near -j link show va | jq -r '.[0].ifalias'", "diyform:0a1b2c3d:veth_pair.x")

	shell(t, "ip -n near link set va alias mine; ip -n near link set va address 02:11:22:33:44:55; ip -n far link set vb alias mine; ip -n far link set vb address 02:11:22:33:44:56")
	if got := k.read(o); got != nil {
		t.Errorf("links of another mark read as %#v", got.Attributes)
	}
	k.delete(o)
	k.expect("ip -n near -j link show va | jq -r '.[0].ifalias'", "mine")
}

// Links whose namespace is deleted in the same run go by themselves.
func TestVethPairFollowsItsNamespace(t *testing.T) {
	k := newKernel(t)
	ns := k.mustCreate("network_namespace", args("name", "blue"))
	config := args("name", "va")
	config["peer"] = block(k, "veth_pair", "peer", map[string]cty.Value{"name": text("vb"), "namespace": text("blue")})
	o := k.mustCreate("veth_pair", config)
	k.delete(ns)
	op := &providers.Operation{Action: providers.Delete, Type: "veth_pair", Address: o.Address, Prior: o, Follows: true}
	k.apply(op)
	if op.Err != nil {
		t.Error(op.Err)
	}
	k.expect("ip -j link show type veth | jq '[.[]|select(.ifname==\"va\")]|length'", "0")
}

func TestBridge(t *testing.T) {
	k := newKernel(t)
	namespaces(t, "near")
	config := args("name", "lan", "namespace", "near")
	config["addresses"] = list("10.9.0.1/24", "fd09::1/64")
	o := k.mustCreate("bridge", config)
	o = k.update(o, with(with(config, "stp", cty.True), "forward_delay", number(4)))
	k.expect("ip -n near -d -j link show lan | jq -c '.[0].linkinfo.info_data|[.stp_state,.forward_delay]'", "[1,400]")
	shell(t, "ip -n near link set lan type bridge stp_state 0 forward_delay 1500")
	o = k.update(k.read(o), config)
	k.delete(o)
	k.expect("ip -n near -j link | jq length", "1")
}

func TestAddress(t *testing.T) {
	k := newKernel(t)
	twoHosts(t)
	config := args("namespace", "near", "interface", "va", "address", "10.0.0.9/24")
	shell(t, "ip -n near route add default via 10.0.0.2")
	o := k.mustCreate("address", config)
	k.expect("ip netns exec near ping -c1 -W2 -I 10.0.0.9 10.0.0.2 | grep -c '1 received'", "1")
	if err := k.check("address", config); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a second one: %v", err)
	}
	if err := k.check("address", args("namespace", "near", "interface", "nope", "address", "10.0.0.9/24")); err == nil {
		t.Error("an interface that does not exist is no error")
	}
	k.delete(o)
	k.expect("ip -n near -j addr show va | jq -r '[.[0].addr_info[]|select(.family==\"inet\").local]|join(\" \")'", "10.0.0.1")
	k.expect("ip -n near route show default", "default via 10.0.0.2 dev va")

	six := k.mustCreate("address", args("namespace", "near", "interface", "va", "address", "fd00::9/64"))
	shell(t, "ip netns exec near ping -c1 -W2 -I fd00::9 fd00::2; ip -n near addr del fd00::9/64 dev va")
	if k.read(six) != nil {
		t.Error("an address that was deleted reads as there")
	}
}

// The primary address of a network takes its secondary ones along.
func TestAddressThatWasPrimary(t *testing.T) {
	k := newKernel(t)
	namespaces(t, "near")
	shell(t, "ip -n near link add name dum type veth peer name dum2; ip -n near link set dum up; ip -n near link set dum2 up")
	o := k.mustCreate("address", args("namespace", "near", "interface", "dum", "address", "10.5.0.1/24"))
	shell(t, "ip -n near addr add 10.5.0.2/24 dev dum; ip -n near route add 10.6.0.0/24 via 10.5.0.77")
	k.delete(o)
	k.expect("ip -n near -j addr show dum | jq -r '[.[0].addr_info[]|select(.family==\"inet\").local]|join(\" \")'", "10.5.0.2")
	k.expect("ip -n near route show 10.6.0.0/24", "10.6.0.0/24 via 10.5.0.77 dev dum")
}

func TestAddressOfOurOwnLink(t *testing.T) {
	k := newKernel(t)
	namespaces(t, "near")
	o := k.mustCreate("bridge", args("name", "lan", "namespace", "near"))
	err := k.check("address", args("namespace", "near", "interface", "lan", "address", "10.0.0.9/24"))
	if err == nil || !strings.Contains(err.Error(), "bridge.x") {
		t.Errorf("check says %v", err)
	}
	k.delete(o)
}
