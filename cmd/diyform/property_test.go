package main_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

// Random networks of real resources, changed at random several times, hold what diyform promises:
// what a plan knows is what is recorded after apply and what the kernel then has, the next plan is
// empty, and destroy leaves nothing.

// propertyVariable is set in the environment of the test binary that does it, in its playhost: to
// the number of the first random network and of that after the last.
const propertyVariable = "DIYFORM_PROPERTY"

// networks is how many are tried, and changes how often each is changed.
const networks, changes = 12, 4

func TestPromises(t *testing.T) {
	if which := os.Getenv(propertyVariable); which != "" {
		var first, end int
		if _, err := fmt.Sscanf(which, "%d-%d", &first, &end); err != nil {
			t.Fatal(err)
		}
		for seed := first; seed < end; seed++ {
			if !t.Run(fmt.Sprint(seed), func(t *testing.T) { keepPromises(t, uint64(seed)) }) {
				return // what it has left is in the way of the next one
			}
		}
		return
	}
	if err := playtest.Available(); err != nil {
		playtest.Missing(t, err)
	}
	bin := buildPrograms(t, false)
	for half := range 2 {
		t.Run(fmt.Sprint(half), func(t *testing.T) {
			t.Parallel()
			againInPlayhost(t, "TestPromises", bin, fmt.Sprintf("%s=%d-%d", propertyVariable, half*networks/2, (half+1)*networks/2))
		})
	}
}

func keepPromises(t *testing.T, seed uint64) {
	dir := t.TempDir()
	l := &lab{T: t, dir: dir, env: append(os.Environ(), "GORACE=atexit_sleep_ms=0", "PATH="+os.Getenv(binVariable)+":"+os.Getenv("PATH"))}
	nothing := l.network()
	n := &randomNetwork{r: rand.New(rand.NewPCG(seed, 2)), modular: seed%2 == 1}
	for range changes {
		n.change()
		for name, text := range n.files() {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			l.write(name, []byte(text))
		}
		n.must(l, "plan -out=planned")
		promised := promises(t, l.must("show -json planned"))
		n.must(l, "apply planned")
		recorded := recordedValues(t, l.must("show -json"))
		for _, address := range slices.Sorted(maps.Keys(promised)) {
			l.checkPromise(address, promised[address], recorded[address])
		}
		l.checkKernel(recorded)
		if out, err := l.run("plan -detailed-exitcode"); err != nil {
			t.Errorf("the next plan is not empty: %v\n%s", err, out)
		}
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, n)
		}
	}
	l.must("destroy")
	if diff := cmp.Diff(nothing, l.network()); diff != "" {
		t.Errorf("seed %d: destroy has left something (- before, + after):\n%s\n%s", seed, diff, n)
	}
}

// must runs a command on the network, and shows that where it fails.
func (n *randomNetwork) must(l *lab, command string) {
	l.Helper()
	if out, err := l.run(command); err != nil {
		l.Fatalf("%s: %v\n%s\n%s", command, err, out, n)
	}
}

// promise is what a plan says that an object will be.
type promise struct {
	Actions      []string
	After        map[string]any
	AfterUnknown any `json:"after_unknown"` // an object, or false where nothing will be there
}

func promises(t *testing.T, text string) map[string]promise {
	t.Helper()
	var doc struct {
		ResourceChanges []struct {
			Address string
			Change  promise
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	all := map[string]promise{}
	for _, c := range doc.ResourceChanges {
		all[c.Address] = c.Change
	}
	return all
}

// recordedModule is a module of `show -json`.
type recordedModule struct {
	Resources []struct {
		Address string
		Values  map[string]any
	}
	ChildModules []recordedModule `json:"child_modules"`
}

func recordedValues(t *testing.T, text string) map[string]map[string]any {
	t.Helper()
	var doc struct {
		Values struct {
			RootModule recordedModule `json:"root_module"`
		}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	all := map[string]map[string]any{}
	var walk func(m recordedModule)
	walk = func(m recordedModule) {
		for _, r := range m.Resources {
			all[r.Address] = r.Values
		}
		for _, child := range m.ChildModules {
			walk(child)
		}
	}
	walk(doc.Values.RootModule)
	return all
}

// checkPromise holds what was known while planning against what is recorded.
func (l *lab) checkPromise(address string, p promise, recorded map[string]any) {
	l.Helper()
	if slices.Contains(p.Actions, "delete") && len(p.Actions) == 1 {
		if recorded != nil {
			l.Errorf("%s was to be deleted, and is recorded as %v", address, recorded)
		}
		return
	}
	unknowns, _ := p.AfterUnknown.(map[string]any)
	for name, want := range p.After {
		if unknown := unknowns[name]; unknown != nil && unknown != false && !isEmpty(unknown) {
			continue // it, or a part of it, was not known
		}
		if got := recorded[name]; !cmp.Equal(want, got) {
			l.Errorf("%s.%s: the plan said %v, and there is %v", address, name, want, got)
		}
	}
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return e != false && !isEmpty(e) })
	}
	return false
}

// checkKernel holds what is recorded of links against what ip says.
func (l *lab) checkKernel(recorded map[string]map[string]any) {
	l.Helper()
	for address, v := range recorded {
		a, err := addr.Parse(address)
		if err != nil {
			l.Fatal(err)
		}
		switch a.Type {
		case "bridge":
			l.checkLink(address, v)
		case "veth_pair":
			l.checkLink(address, v)
			l.checkLink(address+".peer", v["peer"].(map[string]any))
		case "sysctl":
			args := []string{"sysctl", "-n", v["key"].(string)}
			if ns, _ := v["namespace"].(string); ns != "" {
				args = append([]string{"ip", "netns", "exec", ns}, args...)
			}
			if got := strings.TrimSpace(l.printed(args...)); got != v["value"] {
				l.Errorf("%s: %v is recorded, and the kernel has %s", address, v["value"], got)
			}
		}
	}
}

// seen is a link as ip -j shows it.
type seen struct {
	MTU      float64
	Address  string
	Ifindex  float64
	Flags    []string
	AddrInfo []struct {
		Local, Scope string
		Prefixlen    int
	} `json:"addr_info"`
}

func (l *lab) checkLink(address string, v map[string]any) {
	l.Helper()
	args := []string{"ip", "-j"}
	if ns, _ := v["namespace"].(string); ns != "" {
		args = append(args, "-n", ns)
	}
	var list []seen
	text := l.printed(append(args, "address", "show", "dev", v["name"].(string))...)
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != 1 {
		l.Fatalf("%s: %v in %s", address, err, text)
	}
	got := list[0]
	kernel := map[string]any{
		"mtu": got.MTU, "mac_address": got.Address, "index": got.Ifindex, "up": slices.Contains(got.Flags, "UP"),
	}
	if v["mtu"] == nil {
		kernel["mtu"] = nil
	}
	var addresses, wanted []string
	for _, a := range got.AddrInfo {
		if a.Scope != "link" { // which the kernel makes by itself
			addresses = append(addresses, fmt.Sprintf("%s/%d", a.Local, a.Prefixlen))
		}
	}
	list2, _ := v["addresses"].([]any)
	for _, a := range list2 {
		wanted = append(wanted, a.(string))
	}
	slices.Sort(addresses)
	slices.Sort(wanted)
	if !slices.Equal(addresses, wanted) {
		l.Errorf("%s: addresses %v are recorded, and the kernel has %v", address, wanted, addresses)
	}
	for name, have := range kernel {
		if !cmp.Equal(v[name], have) {
			l.Errorf("%s.%s: %v is recorded, and the kernel has %v", address, name, v[name], have)
		}
	}
}

func (l *lab) printed(args ...string) string {
	l.Helper()
	out, err := exec.CommandContext(l.Context(), args[0], args[1:]...).CombinedOutput()
	if err != nil {
		l.Fatalf("%s: %v\n%s", args, err, out)
	}
	return string(out)
}

// network is what there is of network in the machine.
func (l *lab) network() map[string]string {
	l.Helper()
	return map[string]string{
		"namespaces": l.printed("ip", "netns"), "links": l.printed("ip", "-j", "link"), "routes": l.printed("ip", "route", "show", "table", "all"),
		"rules": l.printed("nft", "list", "ruleset"), "forwarding": l.printed("sysctl", "-n", "net.ipv4.ip_forward"),
	}
}
