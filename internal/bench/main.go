// Command bench makes a network of many hosts on one bridge in four ways, takes it away
// again, and prints what each took and how diyform compares: with the bare netlink calls
// (command floor, the floor), with ip -batch, and with one ip command a step. All is
// measured in one run, one after the other.
//
// It works on the machine it is run on, so run it on a private one: make bench.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const configuration = `
locals {
  hosts = { for i in range(%d) : "h${i}" => i }
}

resource "bridge" "lan" {
  name      = "br0"
  addresses = ["10.128.0.1/16"]
}

resource "network_namespace" "h" {
  for_each = local.hosts
  name     = each.key
}

resource "veth_pair" "h" {
  for_each = local.hosts
  name     = "v${each.key}"
  bridge   = bridge.lan.name
  peer {
    name      = "eth0"
    namespace = network_namespace.h[each.key].name
    addresses = ["${cidrhost("10.128.0.0/16", each.value + 2)}/16"]
  }
}

resource "route" "h" {
  for_each    = local.hosts
  namespace   = network_namespace.h[each.key].name
  destination = "default"
  gateway     = "10.128.0.1"
  interface   = veth_pair.h[each.key].peer.name
}
`

// measure is what one way took.
type measure struct {
	name           string
	apply, destroy time.Duration
	plan           time.Duration // of a plan without changes
	memory         int64         // peak, in bytes
}

func main() {
	hosts := flag.Int("hosts", 1000, "how many hosts")
	only := flag.String("only", "", "measure only this way: floor, diyform, batch or step")
	flag.Parse()
	if err := run(*hosts, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(hosts int, only string) error {
	dir, err := os.MkdirTemp("", "diyform-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var done []measure
	for _, way := range []struct {
		name string
		do   func(hosts int, dir string) (measure, error)
	}{{"floor", floor}, {"diyform", diyform}, {"batch", batch}, {"step", steps}} {
		if only != "" && only != way.name {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s...\n", way.name)
		m, err := way.do(hosts, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		m.name = way.name
		done = append(done, m)
		if err := waitForQuiet(); err != nil {
			return err
		}
	}
	report(hosts, done)
	return nil
}

func report(hosts int, done []measure) {
	fmt.Printf("%d hosts on one bridge: namespace, veth pair, address, default route\n\n", hosts)
	fmt.Printf("%-10s %10s %10s\n", "", "apply", "destroy")
	by := map[string]measure{}
	for _, m := range done {
		by[m.name] = m
		fmt.Printf("%-10s %9.2fs %9.2fs\n", m.name, m.apply.Seconds(), m.destroy.Seconds())
	}
	d, ok := by["diyform"]
	if !ok {
		return
	}
	fmt.Printf("\ndiyform: plan without changes %.2fs (%.2f of apply), peak memory %d MB\n",
		d.plan.Seconds(), d.plan.Seconds()/d.apply.Seconds(), d.memory>>20)
	if f, ok := by["floor"]; ok {
		fmt.Printf("apply is %.2f times the floor, destroy %.2f times\n",
			d.apply.Seconds()/f.apply.Seconds(), d.destroy.Seconds()/f.destroy.Seconds())
	}
	for _, name := range []string{"batch", "step"} {
		if o, ok := by[name]; ok {
			fmt.Printf("apply is %.1f times faster than %s, destroy %.1f times\n",
				o.apply.Seconds()/d.apply.Seconds(), name, o.destroy.Seconds()/d.destroy.Seconds())
		}
	}
}

// floor runs the program with the bare netlink calls, which measures itself.
func floor(hosts int, _ string) (measure, error) {
	out, err := exec.Command(filepath.Join(binaries(), "floor"), fmt.Sprintf("-hosts=%d", hosts)).Output()
	if err != nil {
		return measure{}, err
	}
	var r struct {
		ApplySeconds   float64 `json:"apply_seconds"`
		DestroySeconds float64 `json:"destroy_seconds"`
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return measure{}, err
	}
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	return measure{apply: seconds(r.ApplySeconds), destroy: seconds(r.DestroySeconds)}, nil
}

// binaries is the folder of this program, where the others are too.
func binaries() string {
	self, err := os.Executable()
	if err != nil {
		return "."
	}
	return filepath.Dir(self)
}

const settled = 12 * time.Second

func diyform(hosts int, dir string) (m measure, err error) {
	text := fmt.Sprintf(configuration, hosts)
	if err := os.WriteFile(filepath.Join(dir, "main.diy.hcl"), []byte(text), 0o600); err != nil {
		return m, err
	}
	step := func(args ...string) (time.Duration, error) {
		took, memory, err := timed(dir, nil, filepath.Join(binaries(), "diyform"), args...)
		m.memory = max(m.memory, memory)
		return took, err
	}
	if m.apply, err = step("apply", "-auto-approve"); err != nil {
		return m, err
	}
	// A thousand new hosts on a bridge introduce themselves to each other (IPv6 duplicate
	// address detection, multicast reports, router solicitations) for some ten seconds, and
	// that takes the machine as a whole, whoever made them. A plan is measured after it.
	time.Sleep(settled)
	var plans []time.Duration
	for range 3 {
		took, err := step("plan", "-detailed-exitcode")
		if err != nil {
			return m, err
		}
		plans = append(plans, took)
	}
	slices.Sort(plans)
	m.plan = plans[1]
	m.destroy, err = step("destroy", "-auto-approve")
	return m, err
}

// timed runs a command and gives how long it took and its peak memory in bytes.
func timed(dir string, stdin []byte, name string, args ...string) (time.Duration, int64, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	begun := time.Now()
	err := cmd.Run()
	took := time.Since(begun)
	if err != nil {
		return took, 0, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, problems.String())
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return took, 0, nil
	}
	return took, usage.Maxrss << 10, nil
}

// host gives the lines of ip that make one host: first those in the bridge's namespace, then
// those in its own.
func host(i int) (outside, inside []string) {
	n := i + 2
	outside = []string{
		fmt.Sprintf("netns add h%d", i),
		fmt.Sprintf("link add vh%d type veth peer name eth0 netns h%d", i, i),
		fmt.Sprintf("link set vh%d master br0 up", i),
	}
	inside = []string{
		"link set lo up",
		"link set eth0 up",
		fmt.Sprintf("address add 10.128.%d.%d/16 dev eth0", n>>8, n&255),
		"route add default via 10.128.0.1",
	}
	return outside, inside
}

var bridgeLines = []string{"link add br0 type bridge", "address add 10.128.0.1/16 dev br0", "link set br0 up"}

// batch makes the network with one ip for all that is outside and one a host for the inside.
func batch(hosts int, dir string) (m measure, err error) {
	outside := bridgeLines
	var gone []string
	for i := range hosts {
		lines, _ := host(i)
		outside = append(outside, lines...)
		gone = append(gone, fmt.Sprintf("netns delete h%d", i))
	}
	begun := time.Now()
	if err := ipBatch(dir, outside); err != nil {
		return m, err
	}
	for i := range hosts {
		_, inside := host(i)
		if err := ipBatch(dir, inside, "-netns", fmt.Sprintf("h%d", i)); err != nil {
			return m, err
		}
	}
	m.apply, begun = time.Since(begun), time.Now()
	if err := ipBatch(dir, append(gone, "link delete br0")); err != nil {
		return m, err
	}
	err = waitForQuiet()
	m.destroy = time.Since(begun)
	return m, err
}

func ipBatch(dir string, lines []string, args ...string) error {
	_, _, err := timed(dir, []byte(strings.Join(lines, "\n")+"\n"), "ip", append(args, "-batch", "-")...)
	return err
}

// steps makes it with one ip command a step, as shell scripts do.
func steps(hosts int, dir string) (m measure, err error) {
	begun := time.Now()
	for _, line := range bridgeLines {
		if err := ipStep(dir, line); err != nil {
			return m, err
		}
	}
	for i := range hosts {
		outside, inside := host(i)
		for _, line := range outside {
			if err := ipStep(dir, line); err != nil {
				return m, err
			}
		}
		for _, line := range inside {
			if err := ipStep(dir, fmt.Sprintf("-netns h%d %s", i, line)); err != nil {
				return m, err
			}
		}
	}
	m.apply, begun = time.Since(begun), time.Now()
	for i := range hosts {
		if err := ipStep(dir, fmt.Sprintf("netns delete h%d", i)); err != nil {
			return m, err
		}
	}
	if err := ipStep(dir, "link delete br0"); err != nil {
		return m, err
	}
	err = waitForQuiet()
	m.destroy = time.Since(begun)
	return m, err
}

func ipStep(dir, line string) error {
	_, _, err := timed(dir, nil, "ip", strings.Fields(line)...)
	return err
}

// waitForQuiet waits until the kernel has taken the links away, which it does some time
// after their namespaces' names are gone.
func waitForQuiet() error {
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		names, err := os.ReadDir("/sys/class/net")
		if err != nil {
			return err
		}
		left := 0
		for _, n := range names {
			if strings.HasPrefix(n.Name(), "vh") || n.Name() == "br0" {
				left++
			}
		}
		if left == 0 {
			return nil
		}
	}
	return fmt.Errorf("links are left after two minutes")
}
