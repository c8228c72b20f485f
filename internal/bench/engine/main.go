// Command engine measures the engine alone: the binary itself plans, applies and destroys
// `trigger` resources, which no kernel has, in chains of three by for_each. It prints what each
// command took and its peak memory, how the time grows with the number of resources, and what
// OpenTofu took for the same with `terraform_data`.
//
// It makes nothing on the machine: make bench.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	binary := flag.String("binary", "diyform", "the program that is measured")
	sizes := flag.String("sizes", "100,1000,10000,50000", "how many resources, at least")
	shapes := flag.String("shapes", "resources,modules,blocks", "which of the configurations")
	rounds := flag.Int("rounds", 3, "how often each size up to 10,000 is measured; the best counts")
	flag.Parse()
	if err := run(*binary, *sizes, *shapes, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(binary, sizes, shapes string, rounds int) error {
	path, err := exec.LookPath(binary)
	if err != nil {
		return err
	}
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	for _, name := range strings.Split(shapes, ",") {
		write, ok := configurations[name]
		if !ok {
			return fmt.Errorf("there is no configuration %q", name)
		}
		r := &report{name: name, out: os.Stdout, taken: map[int][]measure{}}
		for _, text := range strings.Split(sizes, ",") {
			n, err := strconv.Atoi(text)
			if err != nil {
				return err
			}
			n = (n + 2) / 3 * 3
			for range repeats(n, rounds) {
				taken, err := life(path, write, n)
				if err != nil {
					return err
				}
				r.add(n, taken)
			}
		}
		r.print()
	}
	return nil
}

// repeats keeps a run short: large ones vary little.
func repeats(n, rounds int) int {
	if n > 12_000 {
		return 1
	}
	return rounds
}

// command is one of a stack's life.
type command struct {
	name string
	args []string
}

var commands = []command{
	{"create plan", []string{"plan"}},
	{"apply", []string{"apply", "-auto-approve"}},
	{"no-op plan", []string{"plan"}},
	{"destroy", []string{"destroy", "-auto-approve"}},
}

// measure is what one command took.
type measure struct {
	took   time.Duration
	busy   time.Duration // of all processors: on a machine that others use too it tells more
	memory int64         // peak, in bytes
}

// life takes a stack of n resources from its first plan to its end.
func life(binary string, write func(dir string, n int) error, n int) ([]measure, error) {
	dir, err := os.MkdirTemp("", "diyform-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := write(dir, n); err != nil {
		return nil, err
	}
	var taken []measure
	for _, c := range commands {
		m, err := measured(binary, dir, c.args)
		if err != nil {
			return nil, fmt.Errorf("%s of %d resources: %w", c.name, n, err)
		}
		taken = append(taken, m)
	}
	return taken, nil
}

func measured(binary, dir string, args []string) (measure, error) {
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir, "XDG_DATA_HOME="+dir)
	var errors strings.Builder
	cmd.Stdout, cmd.Stderr = io.Discard, &errors
	begun := time.Now()
	err := cmd.Run()
	m := measure{took: time.Since(begun)}
	if err != nil {
		return m, fmt.Errorf("%w\n%s", err, errors.String())
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.busy = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		m.memory = usage.Maxrss * 1024 // getrusage(2): in kilobytes
	}
	return m, nil
}

// report is what was measured of one configuration.
type report struct {
	name  string
	out   io.Writer
	taken map[int][]measure // by size; of each command the best
}

func (r *report) add(n int, taken []measure) {
	best := r.taken[n]
	if best == nil {
		r.taken[n] = taken
		return
	}
	for i, m := range taken {
		best[i].took = min(best[i].took, m.took)
		best[i].busy = min(best[i].busy, m.busy)
		best[i].memory = min(best[i].memory, m.memory)
	}
}

func (r *report) print() {
	fmt.Fprintf(r.out, "\nThe engine alone, %s:\n\n%-26s", descriptions[r.name], "resources")
	for _, c := range commands {
		fmt.Fprintf(r.out, "%20s", c.name)
	}
	fmt.Fprintln(r.out)
	var sizes []int
	for n := range r.taken {
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	for _, n := range sizes {
		fmt.Fprintf(r.out, "%-26d", n)
		for _, m := range r.taken[n] {
			fmt.Fprintf(r.out, "%20s", m)
		}
		fmt.Fprintln(r.out)
	}
	for _, line := range openTofu {
		fmt.Fprintf(r.out, "%-26s%20s%20s%20s%20s\n", line[0], line[1], line[2], line[3], line[4])
	}
	r.ratios()
}

// openTofu is what OpenTofu 1.12.6 took on two cores for the same with terraform_data.
var openTofu = [][5]string{
	{"1000, OpenTofu 1.12.6", "15 s", "40 s", "11 s", "25 s"},
	{"5000, OpenTofu 1.12.6", "710 s, 2600 MB", "-", "-", "-"},
}

func (m measure) String() string {
	return fmt.Sprintf("%.2f s, %d MB", m.took.Seconds(), m.memory>>20)
}

// Targets of 10,000 resources.
const (
	planTime   = time.Second
	planMemory = 200 << 20
	growth     = 12 // times the time of 1,000
)

// ratios prints how the time grows, and whether the targets are met.
func (r *report) ratios() {
	small, large := r.taken[1002], r.taken[10002]
	if small == nil || large == nil {
		return
	}
	for _, kind := range []struct {
		name string
		of   func(measure) time.Duration
	}{
		{"time(10,000)/time(1,000)", func(m measure) time.Duration { return m.took }},
		{"of the processors", func(m measure) time.Duration { return m.busy }},
	} {
		fmt.Fprintf(r.out, "%-26s", kind.name)
		for i := range commands {
			ratio := kind.of(large[i]).Seconds() / kind.of(small[i]).Seconds()
			fmt.Fprintf(r.out, "%20s", fmt.Sprintf("%.1f (%s)", ratio, met(ratio < growth)))
		}
		fmt.Fprintln(r.out)
	}
	plan := large[0]
	fmt.Fprintf(r.out, "10,000 planned in less than %v: %s; in less than %d MB: %s\n", planTime, met(plan.took < planTime),
		planMemory>>20, met(plan.memory < planMemory))
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "MISSED"
}
