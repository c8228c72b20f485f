package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/dag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// orderly is a command that does the same to each of some containers, in the order in which
// they need each other.
//
// It holds the state's lock, although it writes no state: an apply decides by what it has
// read, and must not have a container stopped under it.
type orderly struct {
	name  string // of the command
	done  string // what a container is afterwards
	wrong string // summary of an error
	// backwards does it to those first that need others, as stopping does.
	backwards bool
	do        func(ctx context.Context, c *recordedContainer) (supervisor.Status, error)
}

// containerFlags are which containers, and for how long to wait for the lock.
type containerFlags struct {
	all         bool
	lockTimeout time.Duration
}

func (f *containerFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.all, "all", "a", false, "all containers of the stack")
	cmd.Flags().DurationVar(&f.lockTimeout, "lock-timeout", 0, "how long to wait for another command to end, as in 30s")
	cmd.ValidArgsFunction = completeContainers(0)
	cmd.Args = func(_ *cobra.Command, args []string) error { return f.check(args) }
}

func (f *containerFlags) check(args []string) error {
	switch {
	case f.all && len(args) > 0:
		return errors.New("-all means every container, so there can be no address")
	case !f.all && len(args) == 0:
		return errors.New("an address is missing, or -all")
	}
	return nil
}

// run does it, as far as possible, and prints what has become of each.
func (o orderly) run(ctx context.Context, v *view, args []string, f containerFlags) error {
	s, err := v.open(ctx, o.name, true, &stackFlags{lockTimeout: f.lockTimeout})
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.connect(); err != nil {
		return v.failWith(err, "The providers cannot be opened")
	}
	containers, err := s.containersOf(ctx, args, f.all)
	if err != nil {
		return err
	}
	waves := s.waves(containers)
	if o.backwards {
		slices.Reverse(waves)
	}
	var errs []error
	for _, wave := range waves {
		errs = append(errs, o.runWave(ctx, wave))
	}
	return errors.Join(errs...)
}

// runWave does it to containers that do not need each other.
func (o orderly) runWave(ctx context.Context, wave []*recordedContainer) error {
	statuses, errs := make([]supervisor.Status, len(wave)), make([]error, len(wave))
	var running sync.WaitGroup
	for i, c := range wave {
		running.Go(func() { statuses[i], errs[i] = o.do(ctx, c) })
	}
	running.Wait()
	for i, c := range wave {
		if errs[i] != nil {
			errs[i] = c.failWith(c.explainGone(errs[i]), o.wrong)
			continue
		}
		c.printf("%s: %s\n", c.address(), o.done)
	}
	return errors.Join(errs...)
}

// waves orders containers by what they need of each other: each wave needs those before it.
func (s *session) waves(containers []*recordedContainer) [][]*recordedContainer {
	needs := s.recordedNeeds()
	order, ok := needs.Order()
	if !ok { // no state of ours has a circle: then the order is anybody's
		return [][]*recordedContainer{containers}
	}
	chosen := map[addr.Instance]*recordedContainer{}
	for _, c := range containers {
		chosen[c.address()] = c
	}
	var waves [][]*recordedContainer
	depths := make([]int, needs.Len()) // how many of the chosen ones, at most, are in a row of what one needs
	for _, i := range order {
		for _, needed := range needs.Dependencies(i) {
			d := depths[needed]
			if chosen[needs.Node(needed)] != nil {
				d++
			}
			depths[i] = max(depths[i], d)
		}
		c := chosen[needs.Node(i)]
		if c == nil {
			continue
		}
		for len(waves) <= depths[i] {
			waves = append(waves, nil)
		}
		waves[depths[i]] = append(waves[depths[i]], c)
	}
	return waves
}

// recordedNeeds gives what the recorded resources depend on. A dependency on a whole block, or on
// a module, is one on each of its instances.
func (s *session) recordedNeeds() *dag.Graph[addr.Instance] {
	var g dag.Graph[addr.Instance]
	sorted := s.state.Sorted()
	for _, r := range sorted {
		g.AddNode(r.Address)
	}
	meant := map[string][]int{} // by the text of a dependency
	for i, r := range sorted {
		for _, text := range r.Dependencies {
			list, ok := meant[text]
			if !ok {
				list = nodesOf(&g, text)
				meant[text] = list
			}
			for _, needed := range list {
				g.AddEdge(i, needed)
			}
		}
	}
	return &g
}

// nodesOf lists the nodes that a recorded dependency means.
func nodesOf(g *dag.Graph[addr.Instance], text string) []int {
	d, err := plan.ParseDependency(text)
	if err != nil {
		return nil
	}
	if i, ok := g.Index(d.Block.Instance(d.Key)); ok {
		return []int{i}
	}
	var list []int
	for i := range g.Len() {
		if d.Covers(g.Node(i)) {
			list = append(list, i)
		}
	}
	return list
}
