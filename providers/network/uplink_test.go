package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/providers"
)

// uplinkHost makes the namespace box, whose eth0 leads to the namespace wan, and gives it
// addresses and routes of every sort. Nothing in it changes by itself.
func uplinkHost(t *testing.T) {
	t.Helper()
	namespaces(t, "box", "wan")
	shell(t, `
		ip -n box link add name eth0 type veth peer name peer0 netns wan
		ip -n wan addr add 198.51.100.1/24 dev peer0; ip -n wan addr add 2001:db8:51::1/64 dev peer0 nodad
		ip -n wan addr add 203.0.113.1/32 dev lo; ip -n wan addr add 2001:db8:cafe::1/128 dev lo nodad
		ip -n wan link set peer0 up; ip -n box link set eth0 up
		ip -n box addr add 198.51.100.2/24 brd + dev eth0 label eth0:main
		ip -n box addr add 198.51.100.3/24 dev eth0
		ip -n box addr add 192.0.2.9/32 peer 192.0.2.1 dev eth0
		ip -n box addr add 198.51.101.4/24 dev eth0 noprefixroute
		ip -n box addr add 2001:db8:51::2/64 dev eth0 nodad
		ip -n box route add 198.51.101.0/24 dev eth0 proto kernel src 198.51.101.4 metric 100
		ip -n box route add default via 198.51.100.1 metric 50 src 198.51.100.3
		ip -n box route add default via 198.51.100.7 metric 900 proto dhcp
		ip -n box route add 10.40.0.0/16 proto static nexthop via 198.51.100.5 weight 3 nexthop via 198.51.100.6 weight 1
		ip -n box route add 10.41.0.0/16 via 198.51.100.8 table 77 mtu 1300
		ip -n box route add 10.42.0.9 dev eth0 scope link
		ip -n box -6 route add default via 2001:db8:51::1 metric 512
		ip -n box -6 route add 2001:db8:77::/48 via fe80::77 dev eth0 proto static
		ip -n box -6 route add 2001:db8:78::/48 nexthop via 2001:db8:51::7 weight 2 nexthop via 2001:db8:51::8 weight 1`)
}

// boxState is all that an administrator sees of box's network, but for counters, lifetimes and
// link-local addresses.
func boxState(t *testing.T) string {
	t.Helper()
	return shell(t, `
		ip -n box -j addr show | jq -S 'map({ifname, address, mtu, up: (.flags|contains(["UP"])), master,
			addr_info: [(.addr_info//[])[]|select(.scope!="link")|del(.valid_life_time,.preferred_life_time)]|sort_by(.local)})'
		ip -n box -4 route show table all | sort
		ip -n box -6 route show table all | grep -v -e fe80 -e ff00 | sort`)
}

func reachesOut(t *testing.T) {
	t.Helper()
	shell(t, "ip netns exec box ping -c1 -W3 203.0.113.1; ip netns exec box ping -c1 -W3 2001:db8:cafe::1 || { ip -n box addr; ip -n box -6 route show table all; ip -n box -6 neigh; ip -n wan -6 neigh; false; }")
}

func uplinkConfig(k *kernel) map[string]cty.Value {
	c := args("name", "lan", "namespace", "box")
	c["addresses"] = list("10.50.0.1/24")
	c["uplink"] = block(k, "bridge", "uplink", args("interface", "eth0"))
	return c
}

func TestUplink(t *testing.T) {
	k := newKernel(t)
	uplinkHost(t)
	reachesOut(t)
	before := boxState(t)
	mac := shell(t, "ip -n box -j link show eth0 | jq -r .[0].address")
	config := uplinkConfig(k)
	o := k.mustCreate("bridge", config)
	reachesOut(t)
	k.expect("ip -n box -j link show lan | jq -r .[0].address", mac)
	k.expect("ip -n box route show default", "default via 198.51.100.1 dev lan src 198.51.100.3 metric 50 \ndefault via 198.51.100.7 dev lan proto dhcp metric 900")
	k.expect("ip -n box -4 route show table all dev eth0; ip -n box -6 route show default", "default via 2001:db8:51::1 dev lan metric 512 pref medium")
	taken := boxState(t)

	for name, script := range map[string]string{
		"taken out by hand":   "ip -n box link set eth0 nomaster",
		"address deleted":     "ip -n box addr del 2001:db8:51::2/64 dev lan",
		"route deleted":       "ip -n box route del default via 198.51.100.1",
		"bridge deleted":      "ip -n box link del lan",
		"address back on nic": "ip -n box addr add 198.51.100.2/24 brd + dev eth0 label eth0:main",
	} {
		t.Run(name, func(t *testing.T) {
			shell(t, script)
			got := k.read(o)
			if got == nil {
				t.Fatal("it reads as gone")
			}
			o = k.update(got, config)
			reachesOut(t)
			if after := boxState(t); after != taken {
				t.Errorf("repaired, it differs:\n%s", cmp.Diff(taken, after))
			}
		})
	}
	t.Run("given back while the bridge stays", func(t *testing.T) {
		o = k.update(o, with(config, "uplink", cty.NullVal(config["uplink"].Type())))
		reachesOut(t)
		o = k.update(o, config)
		reachesOut(t)
	})
	k.delete(o)
	reachesOut(t)
	if after := boxState(t); after != before {
		t.Errorf("given back, it differs:\n%s", cmp.Diff(before, after))
	}
}

// The kernel refuses the interface in the middle of the sequence, when the bridge has the
// addresses already.
func TestUplinkUndoesItself(t *testing.T) {
	k := newKernel(t)
	uplinkHost(t)
	shell(t, `
		ip -n box link add name other type bridge; ip -n box link set other up
		ip -n box addr add 192.0.2.99/24 dev other; ip -n box addr add 2001:db8:99::1/64 dev other nodad
		ip -n box route add 10.70.0.0/16 via 192.0.2.98; ip -n box -6 route add 2001:db8:98::/48 via 2001:db8:99::2`)
	before := boxState(t)
	config := uplinkConfig(k)
	config["uplink"] = block(k, "bridge", "uplink", args("interface", "other"))
	o, err := k.create("bridge", config)
	if err == nil || !strings.Contains(err.Error(), "bridge to a bridge") {
		t.Fatalf("the error is %v", err)
	}
	if o == nil || !o.Attributes.GetAttr("uplink").IsNull() {
		t.Fatalf("left on record is %#v", o)
	}
	k.expect("ip -n box route get 10.70.0.1 | head -1", "10.70.0.1 via 192.0.2.98 dev other src 192.0.2.99 uid 0")
	k.delete(o)
	if after := boxState(t); after != before {
		t.Errorf("left, it differs:\n%s", cmp.Diff(before, after))
	}
}

func TestUplinkRefusals(t *testing.T) {
	k := newKernel(t)
	uplinkHost(t)
	config := uplinkConfig(k)
	shell(t, "ip -n box link add name other type bridge; ip -n box link set eth0 master other")
	if err := k.check("bridge", config); err == nil || !strings.Contains(err.Error(), "port of") {
		t.Errorf("a port of another bridge: %v", err)
	}
	shell(t, "ip -n box link set eth0 nomaster; ip -n box link del other")
	config["uplink"] = block(k, "bridge", "uplink", args("interface", "eth7"))
	if err := k.check("bridge", config); err == nil || !strings.Contains(err.Error(), "no interface") {
		t.Errorf("a missing interface: %v", err)
	}
	config["uplink"] = block(k, "bridge", "uplink", args("interface", "lo"))
	if err := k.check("bridge", config); err == nil || !strings.Contains(err.Error(), "Ethernet") {
		t.Errorf("lo: %v", err)
	}
}

// crashAction is the environment variable that makes the test binary act on the bridge of box
// and be killed on the way.
const crashAction = "DIYFORM_TEST_CRASH"

func TestCrashingChild(t *testing.T) {
	action := os.Getenv(crashAction)
	if action == "" {
		t.Skip("the other tests run this one")
	}
	k := newKernel(t)
	config := uplinkConfig(k)
	ops := map[string]func() *providers.Operation{
		"create": func() *providers.Operation {
			return &providers.Operation{Action: providers.Create, Planned: k.plan("bridge", config, nil)}
		},
		"delete": func() *providers.Operation {
			return &providers.Operation{Action: providers.Delete, Prior: k.read(recordedBridge(t))}
		},
	}
	op := ops[action]()
	op.Type, op.Address = "bridge", at("bridge", "x")
	k.session.Prepare(context.Background(), []*providers.Operation{op})
	if op.Err != nil {
		t.Fatal(op.Err)
	}
	if err := os.WriteFile("/run/intent", op.Intent, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := failpoint.Arm("DIYFORM_FAILPOINT"); err != nil {
		t.Fatal(err)
	}
	k.session.Apply(context.Background(), []*providers.Operation{op}, func(*providers.Operation) {})
	if op.Err != nil {
		t.Fatal(op.Err)
	}
}

// recordedBridge is the bridge as a crashed run left it on record.
func recordedBridge(t *testing.T) *providers.Object {
	t.Helper()
	k := newKernel(t)
	identity, err := os.ReadFile("/run/intent")
	if err != nil {
		t.Fatal(err)
	}
	planned, _ := cty.Transform(k.plan("bridge", uplinkConfig(k), nil), func(_ cty.Path, v cty.Value) (cty.Value, error) {
		if !v.IsKnown() {
			return cty.NullVal(v.Type()), nil
		}
		return v, nil
	})
	return &providers.Object{Address: at("bridge", "x"), Attributes: planned, Identity: identity, Unfinished: true}
}

// crash runs the action in a child that is killed at its nth failpoint, and reports whether
// it came to that.
func crash(t *testing.T, action string, n int) bool {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestCrashingChild$")
	cmd.Env = append(os.Environ(), crashAction+"="+action, fmt.Sprintf("DIYFORM_FAILPOINT=%d", n))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// Killed at any request to the kernel, the next run reaches the same state, and destroy gives
// everything back.
func TestUplinkSurvivesKill(t *testing.T) {
	k := newKernel(t)
	config := uplinkConfig(k)
	uplinkHost(t)
	before := boxState(t)
	k.delete(k.mustCreate("bridge", config))
	whole := k.mustCreate("bridge", config)
	want := boxState(t)
	k.delete(whole)
	n := 1
	for ; crash(t, "create", n); n++ {
		reachesOut(t)
		o := k.read(recordedBridge(t))
		if o == nil {
			o = k.mustCreate("bridge", config)
		} else {
			o = k.update(o, config)
		}
		if got := boxState(t); got != want {
			t.Fatalf("killed at %d while creating, then completed, it differs:\n%s", n, cmp.Diff(want, got))
		}
		k.delete(o)
	}
	if n < 10 {
		t.Errorf("creating has only %d failpoints", n-1)
	}
	for n = 1; crash(t, "delete", n); n++ {
		reachesOut(t)
		if o := k.read(recordedBridge(t)); o != nil {
			k.delete(o)
		}
		if got := boxState(t); got != before {
			t.Fatalf("killed at %d while deleting, then deleted, it differs:\n%s", n, cmp.Diff(before, got))
		}
		made := k.mustCreate("bridge", config)
		if err := os.WriteFile("/run/intent", made.Identity, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n < 5 {
		t.Errorf("deleting has only %d failpoints", n-1)
	}
}
