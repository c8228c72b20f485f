package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// lifecycle is a command that does the same to each of some containers.
//
// It holds the state's lock, although it writes no state: an apply decides by what it has
// read, and must not have a container stopped under it.
type lifecycle struct {
	name  string // of the command
	done  string // what a container is afterwards
	wrong string // summary of an error
	// backwards does it to those first that need others, as stopping does.
	backwards bool
	do        func(ctx context.Context, c *recordedContainer) (supervisor.Status, error)
}

// lifecycleFlags are which containers, and for how long to wait for the lock.
type lifecycleFlags struct {
	all         bool
	lockTimeout time.Duration
}

func (f *lifecycleFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.all, "all", "a", false, "all containers of the stack")
	cmd.Flags().DurationVar(&f.lockTimeout, "lock-timeout", 0, "how long to wait for another command to end, as in 30s")
	cmd.ValidArgsFunction = completeContainers(0)
	cmd.Args = func(_ *cobra.Command, args []string) error { return f.check(args) }
}

func (f *lifecycleFlags) check(args []string) error {
	switch {
	case f.all && len(args) > 0:
		return errors.New("-all means every container, so there can be no address")
	case !f.all && len(args) == 0:
		return errors.New("an address is missing, or -all")
	}
	return nil
}

// run does it, as far as possible, and prints what has become of each.
func (l lifecycle) run(ctx context.Context, v *view, args []string, f lifecycleFlags) error {
	s, err := v.open(ctx, l.name, true, &stackFlags{lockTimeout: f.lockTimeout})
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
	if l.backwards {
		slices.Reverse(waves)
	}
	var errs []error
	for _, wave := range waves {
		errs = append(errs, l.runWave(ctx, wave))
	}
	return errors.Join(errs...)
}

// runWave does it to containers that do not need each other.
func (l lifecycle) runWave(ctx context.Context, wave []*recordedContainer) error {
	statuses, errs := make([]supervisor.Status, len(wave)), make([]error, len(wave))
	var running sync.WaitGroup
	for i, c := range wave {
		running.Go(func() { statuses[i], errs[i] = l.do(ctx, c) })
	}
	running.Wait()
	for i, c := range wave {
		if errs[i] != nil {
			errs[i] = c.failWith(c.explainGone(errs[i]), l.wrong)
			continue
		}
		c.printf("%s: %s\n", c.address(), l.done)
	}
	return errors.Join(errs...)
}

// waves orders containers by what they need of each other: each wave needs those before it.
func (s *session) waves(containers []*recordedContainer) [][]*recordedContainer {
	depths := map[addr.Instance]int{}
	for _, c := range containers {
		depths[c.address()] = 0
	}
	var waves [][]*recordedContainer
	for _, c := range containers {
		d := s.depth(c.address(), depths, map[string]bool{})
		for len(waves) <= d {
			waves = append(waves, nil)
		}
		waves[d] = append(waves[d], c)
	}
	return slices.DeleteFunc(waves, func(w []*recordedContainer) bool { return len(w) == 0 })
}

// depth is how many of the chosen ones, at most, are in a row of what one needs.
func (s *session) depth(a addr.Instance, chosen map[addr.Instance]int, above map[string]bool) int {
	r := s.state.Resources[a]
	if r == nil || above[a.String()] {
		return 0
	}
	above[a.String()] = true
	defer delete(above, a.String())
	deepest := 0
	for _, needed := range s.needed(r.Dependencies) {
		d := s.depth(needed, chosen, above)
		if _, ok := chosen[needed]; ok {
			d++
		}
		deepest = max(deepest, d)
	}
	return deepest
}

// needed gives the instances that recorded dependencies mean, which may name whole blocks.
func (s *session) needed(dependencies []string) []addr.Instance {
	var list []addr.Instance
	for _, r := range s.state.Sorted() {
		name := r.Address.String()
		if slices.ContainsFunc(dependencies, func(d string) bool { return name == d || strings.HasPrefix(name, d+"[") }) {
			list = append(list, r.Address)
		}
	}
	return list
}
