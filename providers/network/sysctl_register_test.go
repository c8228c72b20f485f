package network

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers"
)

// stacksOf gives kernels of several stacks that share a runtime folder.
func stacksOf(t *testing.T, n int) (root string, stacks []*kernel) {
	t.Helper()
	playtest.Require(t)
	root = filepath.Join(t.TempDir(), "run")
	for i := range n {
		env := testEnv
		env.Lineage = fmt.Sprintf("0a1b2c3d-0000-4000-8000-%012d", i)
		env.RuntimeDir = filepath.Join(root, env.Lineage)
		registry := providers.NewRegistry(Provider())
		sessions, err := registry.Open(env)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { sessions.Close() })
		stacks = append(stacks, &kernel{t: t, registry: registry, session: sessions.OfType("sysctl")})
	}
	return root, stacks
}

// TestSysctlOfSeveralStacks lets stacks set one setting, in order, and then let go of it in
// another one.
func TestSysctlOfSeveralStacks(t *testing.T) {
	for name, test := range map[string]struct {
		values []string
		order  []int
		then   []string // after each has let go; the first was 0
	}{
		"same value":           {[]string{"1", "1"}, []int{0, 1}, []string{"1", "0"}},
		"two values":           {[]string{"1", "2"}, []int{0, 1}, []string{"2", "0"}},
		"two values, backward": {[]string{"1", "2"}, []int{1, 0}, []string{"1", "0"}},
		"three":                {[]string{"1", "2", "1"}, []int{1, 2, 0}, []string{"1", "1", "0"}},
		"the original one":     {[]string{"0", "2"}, []int{0, 1}, []string{"2", "0"}},
	} {
		t.Run(name, func(t *testing.T) {
			root, stacks := stacksOf(t, len(test.values))
			twoHosts(t)
			const key = "net.ipv4.conf.va.arp_ignore"
			var objects []*providers.Object
			for i, value := range test.values {
				objects = append(objects, stacks[i].mustCreate("sysctl", args("namespace", "near", "key", key, "value", value)))
			}
			for i, which := range test.order {
				stacks[which].delete(objects[which])
				if got := shell(t, "ip netns exec near sysctl -n "+key); got != test.then[i] {
					t.Errorf("after %d let go it is %s, not %s", which, got, test.then[i])
				}
			}
			nothingAt(t, root)
		})
	}
}

func nothingAt(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is left: %s", dir, shell(t, "find "+dir))
	}
}

// A value that the kernel refuses is not registered, and the one before still is.
func TestSysctlRefusedIsNotRegistered(t *testing.T) {
	root, stacks := stacksOf(t, 1)
	twoHosts(t)
	k := stacks[0]
	config := args("namespace", "near", "key", "net.ipv4.ip_forward", "value", "yes")
	if _, err := k.create("sysctl", config); err == nil {
		t.Fatal("the kernel took it")
	}
	nothingAt(t, root)
	o := k.mustCreate("sysctl", args("namespace", "near", "key", "net.ipv4.ip_forward", "value", "1"))
	op := &providers.Operation{Action: providers.Update, Type: "sysctl", Address: o.Address, Prior: o, Planned: k.plan("sysctl", config, o)}
	if k.apply(op); op.Err == nil {
		t.Fatal("the kernel took it")
	}
	if e := shell(t, "cat "+root+"/sysctls/*"); !strings.Contains(e, `"value":"1"`) || !strings.Contains(e, `"original":"0"`) {
		t.Errorf("registered is %s", e)
	}
	k.delete(o)
	nothingAt(t, root)
}

// What a killed process left is cleared by whoever reads it next.
func TestSysctlRegisterIsSwept(t *testing.T) {
	root, stacks := stacksOf(t, 1)
	twoHosts(t)
	shell(t, "ip netns add third")
	o := stacks[0].mustCreate("sysctl", args("namespace", "third", "key", "net.ipv4.ip_forward", "value", "1"))
	shell(t, "ip netns del third; ip netns add third; touch "+root+"/sysctls/.new")
	t.Cleanup(func() { shell(t, "ip netns del third") })
	_, again := stacksOf(t, 1)
	again[0].delete(o) // in the runtime folder of another machine: nothing is registered
	if got := stacks[0].read(o); got != nil && got.Attributes.GetAttr("value").AsString() == "1" {
		t.Errorf("in another namespace of that name it reads as %#v", got)
	}
	shell(t, "ip netns del third")
	stacks[0].read(o)
	nothingAt(t, root)
	shell(t, "ip netns add third")
}
