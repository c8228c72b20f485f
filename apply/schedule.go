package apply

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/dag"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/state"
)

// maxBatch bounds what one worker takes at once, so that several work on a thousand. Up to it
// a worker takes all that is ready, because providers do many things of one kind step by step
// for less than one after the other: with a quarter of it, a thousand hosts on one bridge
// took twice as long, since those that were up already talked while others were made.
const maxBatch = 256

// run is a plan being carried out. Its lock also guards the plan's evaluator.
type run struct {
	plan    *plan.Plan
	graph   *dag.Graph[plan.Step]
	journal *state.Journal
	options Options

	ctx context.Context // ends when no more steps shall begin

	mu       sync.Mutex
	wake     *sync.Cond
	waitsFor []int                 // by node: steps that must finish before
	settled  []bool                // by node: done, failed or skipped
	freed    []bool                // by node: what waited for it has been told
	cause    map[int]addr.Instance // by node: its own failure, or that which it cannot be begun for
	ready    []*group              // in the order of their first step
	groups   map[groupKey]*group
	busy     int // batches under way
	workers  sync.WaitGroup
	stopped  bool

	next   *state.State
	result Result
	diags  hcl.Diagnostics
}

// groupKey tells what a provider is given together.
type groupKey struct {
	kind  plan.StepKind
	act   plan.Action
	typ   string
	batch string
}

// group is the ready steps of one key.
type group struct {
	key   groupKey
	nodes []int
}

func newRun(p *plan.Plan, g *dag.Graph[plan.Step], base *state.State, j *state.Journal, o Options) *run {
	next := *base
	next.Resources, next.Deposed = maps.Clone(base.Resources), maps.Clone(base.Deposed)
	r := &run{
		plan: p, graph: g, journal: j, options: o, next: &next,
		waitsFor: make([]int, g.Len()), settled: make([]bool, g.Len()), freed: make([]bool, g.Len()),
		cause: map[int]addr.Instance{}, groups: map[groupKey]*group{},
	}
	r.wake = sync.NewCond(&r.mu)
	return r
}

// work runs all steps and returns when nothing is under way any more.
func (r *run) work(ctx context.Context) {
	r.ctx = ctx
	r.mu.Lock()
	for i := range r.graph.Len() {
		r.waitsFor[i] = r.graph.Indegree(i)
	}
	for i := range r.graph.Len() {
		if r.graph.Indegree(i) == 0 {
			r.enqueue(i)
		}
	}
	r.mu.Unlock()

	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock() // so that nobody is between looking and waiting
		r.wake.Broadcast()
		r.mu.Unlock()
	})
	defer stop()
	for range r.options.Workers {
		r.workers.Go(func() { r.worker(ctx) })
	}
	r.workers.Wait()
}

// replaceWorker starts one more worker in place of one whose batch is slow: what that waits
// for may be what others have yet to do.
func (r *run) replaceWorker() { r.workers.Go(func() { r.worker(r.ctx) }) }

// unbegun gives the resources whose steps were not begun because of an interruption.
func (r *run) unbegun() []addr.Instance {
	var out []addr.Instance
	for i, settled := range r.settled {
		if step := r.graph.Node(i); !settled && hasWork(step) {
			out = append(out, step.Change.Address)
		}
	}
	slices.SortFunc(out, addr.Instance.Compare)
	return slices.Compact(out)
}

// hasWork reports whether a step is more than a point in the order.
func hasWork(s plan.Step) bool {
	return s.Change != nil && (s.Change.Action != plan.NoOp || s.Change.Adopts())
}

func (r *run) worker(ctx context.Context) {
	// What is under way is finished even when the run is interrupted: a half-made object
	// helps nobody.
	untilDone := context.WithoutCancel(ctx)
	for {
		key, nodes := r.take(ctx)
		if nodes == nil {
			return
		}
		if key.act == plan.Read {
			r.read(ctx, nodes) // which makes nothing
		} else {
			r.execute(untilDone, key, nodes)
		}
	}
}

// take waits for work and takes a batch of the longest waiting group, or gives nil when
// there will be no more.
func (r *run) take(ctx context.Context) (groupKey, []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.stopped && ctx.Err() == nil && len(r.ready) == 0 && r.busy > 0 {
		r.wake.Wait()
	}
	if r.stopped || ctx.Err() != nil || len(r.ready) == 0 {
		return groupKey{}, nil
	}
	g := r.ready[0]
	share := min(maxBatch, len(g.nodes))
	nodes := g.nodes[:share:share]
	g.nodes = g.nodes[share:]
	if len(g.nodes) == 0 {
		r.ready = r.ready[1:]
		delete(r.groups, g.key)
	}
	r.busy++
	return g.key, nodes
}

// enqueue makes a step whose dependencies are done ready. Steps without work of their own
// are done at once, and so on for what waited for them. The lock is held.
func (r *run) enqueue(first int) {
	for queue := []int{first}; len(queue) > 0; {
		i := queue[0]
		queue = queue[1:]
		step := r.graph.Node(i)
		if cause, blocked := r.cause[i]; blocked {
			r.skip(i, step, cause)
			queue = r.release(i, queue)
			continue
		}
		if !hasWork(step) {
			queue = r.release(i, queue)
			continue
		}
		r.push(i, step)
	}
}

// release counts down what waited for node i, passes on the failure that blocks it, and adds
// what may be begun to the list.
func (r *run) release(i int, free []int) []int {
	cause, blocked := r.cause[i]
	for _, d := range r.graph.Dependents(i) {
		if blocked {
			if _, already := r.cause[d]; !already {
				r.cause[d] = cause
			}
		}
		if r.waitsFor[d]--; r.waitsFor[d] == 0 {
			free = append(free, d)
		}
	}
	return free
}

func (r *run) push(i int, step plan.Step) {
	c := step.Change
	key := groupKey{kind: step.Kind, act: c.Action, typ: c.Address.Type}
	switch {
	case c.Action == plan.Read:
		key.batch = c.Address.String()
	case c.Adopts():
		key.act = plan.Update
		key.batch = r.batch(c, c.After)
	case step.Kind == plan.Remove:
		if key.act != plan.Forget {
			key.act = plan.Delete
		}
		key.batch = r.batch(c, c.Before)
	default:
		if c.Action == plan.Replace {
			key.act = plan.Create
		}
		key.batch = r.batch(c, c.After)
	}
	g := r.groups[key]
	if g == nil {
		g = &group{key: key}
		r.groups[key] = g
		r.ready = append(r.ready, g)
	}
	g.nodes = append(g.nodes, i)
}

func (r *run) batch(c *plan.Change, v cty.Value) string {
	return r.plan.Input.Registry.Type(c.Address.Type).Batch(v)
}

// finish ends a batch: what waited for its steps may begin.
func (r *run) finish(nodes []int) {
	r.free(nodes)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy--
	r.wake.Broadcast()
}

// free lets begin what waited for steps that are settled.
func (r *run) free(nodes []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range nodes {
		if r.freed[i] {
			continue
		}
		r.freed[i] = true
		for _, next := range r.release(i, nil) {
			r.enqueue(next)
		}
	}
	r.wake.Broadcast()
}

// skip notes a step that cannot be begun. The lock is held.
func (r *run) skip(node int, step plan.Step, cause addr.Instance) {
	if !hasWork(step) {
		return
	}
	r.settled[node] = true
	r.result.Skipped = append(r.result.Skipped, step.Change.Address)
	r.observe(Event{Kind: Skipped, Address: step.Change.Address, Action: stepAction(step), Deposed: isOfDeposed(step.Change, stepAction(step)), Cause: cause})
}

func stepAction(s plan.Step) string {
	switch {
	case s.Change.Adopts():
		return s.Change.Verb()
	case s.Change.Releases:
		return providers.Release.String()
	case s.Kind == plan.Remove:
		return "delete"
	case s.Change.Action == plan.Replace:
		return "create"
	}
	return s.Change.Action.String()
}

// fail notes a step that failed. The lock is held.
func (r *run) fail(node int, c *plan.Change, action string, begun time.Time, diags hcl.Diagnostics) {
	r.settled[node], r.cause[node] = true, c.Address
	r.result.Failed = append(r.result.Failed, c.Address)
	r.diags = append(r.diags, diag.At(diags, c.Address.String())...)
	r.observe(Event{Kind: Failed, Address: c.Address, Action: action, Deposed: isOfDeposed(c, action), Elapsed: time.Since(begun)})
}

func (r *run) observe(e Event) {
	if r.options.Observe != nil {
		r.options.Observe(e)
	}
}
