package main_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/playhost/playtest"
)

// The crash test of what changes nothing but whose something is: diyform is killed while it moves
// everything of the lab to other addresses, and while it imports what was made by hand. Whatever
// it had done by then, another apply comes to the same end, and a destroy leaves nothing.

const adoptVariable = "DIYFORM_CRASH_ADOPT"

func TestCrashAdopt(t *testing.T) {
	if os.Getenv(adoptVariable) != "" {
		t.Run("move", crashMoves)
		t.Run("import", crashImports)
		return
	}
	if err := playtest.Available(); err != nil {
		playtest.Missing(t, err)
	}
	againInPlayhost(t, "TestCrashAdopt", buildPrograms(t, false), adoptVariable+"=1")
}

// adoption is a run of apply that is killed again and again.
type adoption struct {
	*crashLab
	prepare func()            // makes what the run begins with
	config  []byte            // of the run
	want    machine           // after an undisturbed one
	next    func(at int) bool // whether an apply follows, or a destroy
}

const labConfiguration = "crash.diy.hcl"

var labs *crashLab // of both parts, for a playhost has one folder of work

func adoptionLab(t *testing.T) *crashLab {
	if labs == nil {
		labs = newCrashLab(t)
	}
	part := *labs
	part.lab = labs.within(t)
	return &part
}

const movedSuffix = "_moved"

var resourceHeader = regexp.MustCompile(`(?m)^resource "(\w+)" "(\w+)"`)

// movedConfiguration has every resource at another address.
func movedConfiguration(source string) []byte {
	blocks := ""
	for _, m := range resourceHeader.FindAllStringSubmatch(source, -1) {
		typ, name := m[1], m[2]
		source = strings.ReplaceAll(source, m[0]+" {", fmt.Sprintf("resource %q %q {", typ, name+movedSuffix))
		source = regexp.MustCompile(`\b`+typ+`\.`+name+`\b`).ReplaceAllString(source, typ+"."+name+movedSuffix)
		blocks += fmt.Sprintf("moved {\n  from = %s.%s\n  to   = %s.%s%s\n}\n", typ, name, typ, name, movedSuffix)
	}
	return []byte(source + blocks)
}

func crashMoves(t *testing.T) {
	lab := adoptionLab(t)
	source, err := os.ReadFile(filepath.Join(lab.dir, labConfiguration))
	if err != nil {
		t.Fatal(err)
	}
	defer lab.write(labConfiguration, source)
	a := &adoption{crashLab: lab, config: movedConfiguration(string(source)), next: func(at int) bool { return at%2 == 0 }}
	a.prepare = func() {
		lab.write(labConfiguration, source)
		lab.must("apply")
	}
	a.run()
}

const byHand = `
ip netns add diy; ip -n diy link set lo up
ip link add lan0 address 02:00:00:00:01:01 type bridge; ip address add 10.0.0.1/24 dev lan0; ip link set lan0 up
ip link add name veth0 address 02:00:00:00:01:02 type veth peer name veth1 netns diy address 02:00:00:00:01:03
ip link set veth0 master lan0 up; ip -n diy address add 10.0.0.2/24 dev veth1; ip -n diy link set veth1 up
ip -n diy route add default via 10.0.0.1
ip address add 198.51.100.78/32 dev eth0
`

const importConfiguration = `
resource "network_namespace" "diy" {}
resource "bridge" "lan" {
  name      = "lan0"
  addresses = ["10.0.0.1/24"]
}
resource "veth_pair" "uplink" {
  name   = "veth0"
  bridge = bridge.lan.name
  peer {
    name      = "veth1"
    namespace = network_namespace.diy.name
    addresses = ["10.0.0.2/24"]
  }
}
resource "route" "default" {
  namespace   = network_namespace.diy.name
  destination = "default"
  gateway     = "10.0.0.1"
  depends_on  = [veth_pair.uplink, bridge.lan]
}
resource "address" "extra" {
  interface = "eth0"
  address   = "198.51.100.78/32"
}
resource "sysctl" "forward" {
  key   = "net.ipv4.ip_forward"
  value = "1"
}
`

func crashImports(t *testing.T) {
	lab := adoptionLab(t)
	source, err := os.ReadFile(filepath.Join(lab.dir, labConfiguration))
	if err != nil {
		t.Fatal(err)
	}
	defer lab.write(labConfiguration, source)
	config := importConfiguration
	for to, id := range map[string]string{
		"network_namespace.diy": "diy", "bridge.lan": "lan0", "veth_pair.uplink": "veth0", "route.default": "diy/default",
		"address.extra": "eth0/198.51.100.78/32", "sysctl.forward": "net.ipv4.ip_forward",
	} {
		config += fmt.Sprintf("import {\n  to = %s\n  id = %q\n}\n", to, id)
	}
	// What a destroy after half an import leaves is what was not imported, so apply follows.
	a := &adoption{crashLab: lab, config: []byte(config), next: func(int) bool { return true }}
	a.prepare = func() { lab.tool("sh", "-ec", byHand) }
	a.run()
}

func (a *adoption) run() {
	a.Helper()
	a.begin()
	file := filepath.Join(a.TempDir(), "hits")
	if out, err := a.crashLab.run("apply", commandFailpoint+"=count:"+file); err != nil {
		a.Fatalf("%v\n%s", err, out)
	}
	a.want = a.look()
	hits, err := os.ReadFile(file)
	if err != nil {
		a.Fatal(err)
	}
	a.reset()
	points, all := sample(string(hits))
	a.Logf("%d crashes at %d failpoints", len(points), all)
	if len(points) < 10 {
		a.Fatalf("these are too few:\n%s", hits)
	}
	for _, at := range points {
		a.crash(at)
	}
}

func (a *adoption) begin() {
	a.Helper()
	a.prepare()
	a.write(labConfiguration, a.config)
}

func (a *adoption) crash(at int) {
	a.Helper()
	a.begin()
	first, err := a.crashLab.run("apply", commandFailpoint+"="+strconv.Itoa(at))
	var exit *exec.ExitError
	// With other batches a run may have fewer failpoints than the one that they were counted in.
	if killed := errors.As(err, &exit) && !exit.Exited(); err != nil && !killed {
		a.Fatalf("at failpoint %d: %v\n%s", at, err, first)
	}
	command, want, patience := "destroy", a.nothing, time.Duration(0)
	if a.next(at) {
		command, want, patience = "apply", a.want, settling
	}
	out := a.must(command)
	if command == "destroy" {
		a.must("image prune", "-all")
	}
	if diff := a.compare(want, patience); diff != "" {
		a.Fatalf("%s after a kill at failpoint %d (- want, + got):\n%s\n%s\nbefore:\n%s", command, at, diff, out, first)
	}
	if command == "apply" {
		if out, err := a.crashLab.run("plan", "-detailed-exitcode"); err != nil {
			a.Fatalf("plan after a kill at failpoint %d, and apply: %v\n%s", at, err, out)
		}
	}
	a.reset()
}
