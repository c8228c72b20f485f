// Package apply carries out a plan: it runs the steps in their order, several at a time,
// gives providers batches, and keeps the journal and the state true at every instant.
//
// It decides nothing: what is to be done, and in which order, is the plan's. Start with Run;
// schedule.go hands out the work, execute.go does it, record.go writes down what came of it.
package apply

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/state"
)

// Options are how a plan is carried out.
type Options struct {
	Workers int         // batches under way at once; 0 for the default
	Observe func(Event) // told of each step, one at a time; may be nil
}

// EventKind says what happened to a step.
type EventKind uint8

const (
	Started EventKind = iota
	Finished
	Failed
	Skipped   // not tried, because of another step's failure
	Proceeded // it is under way still, and has something to tell
)

// Event is something that happened to a step.
type Event struct {
	Kind    EventKind
	Address addr.Instance
	Action  string // "create", "update", "delete", "read", "import", "move", "release"
	Deposed bool   // it is a delete of the object that another one has taken the place of
	Elapsed time.Duration
	Cause   addr.Instance // of Skipped: the step that failed
	Text    string        // of Proceeded: what it tells, in one line
}

// Result is what came of a run.
type Result struct {
	Added, Changed, Destroyed  int
	Imported, Moved, Forgotten int
	Failed, Skipped            []addr.Instance
	Outputs                    map[string]*state.Output
}

// defaultWorkers are the batches under way at once. The kernel serialises most changes of
// links by one lock, so more than the processors gain little; a few more hide waiting.
func defaultWorkers() int { return max(4, runtime.NumCPU()) }

// Run carries out the plan, whose state the store has and whose lock the caller holds. What
// was done is saved whatever happens; the diagnostics tell what was not.
func Run(ctx context.Context, store *state.Store, p *plan.Plan, o Options) (*Result, hcl.Diagnostics) {
	graph, diags := p.Steps()
	if diags.HasErrors() {
		return nil, diags
	}
	base := baseState(p)
	if p.HasMoves() {
		// In one step, before anything else: a record has its old address or its new one.
		base.Serial++
		if err := store.Save(base); err != nil {
			return nil, diag.FromError(err, "The state cannot be saved", nil)
		}
	}
	journal, err := store.Begin(base)
	if err != nil {
		return nil, diag.FromError(err, "The journal cannot be written", nil)
	}
	if o.Workers <= 0 {
		o.Workers = defaultWorkers()
	}
	r := newRun(p, graph, base, journal, o)
	if err := r.restore(); err != nil {
		return nil, diag.FromError(err, "The journal cannot be written", nil)
	}
	p.Begin()
	r.work(ctx)
	diags = append(diags, r.diags...)
	diags = append(diags, r.keepUnchanged()...)
	diags = append(diags, r.evaluateOutputs()...)
	r.next.Serial = base.Serial + 1
	if err := store.Save(r.next); err != nil {
		return &r.result, append(diags, diag.Error(nil, "The state cannot be saved", fmt.Sprintf(
			"%s\n\nWhat was done is in the journal, %s, and the next command takes it from there.",
			diag.Sentence(err.Error()), store.JournalFile())))
	}
	unbegun := r.unbegun()
	r.result.Skipped = append(r.result.Skipped, unbegun...)
	if len(unbegun) > 0 && ctx.Err() != nil {
		diags = append(diags, diag.Error(nil, "Interrupted", interruption(context.Cause(ctx), len(unbegun))))
	}
	if len(unbegun) == 0 && len(r.result.Failed) == 0 {
		diags = append(diags, p.RunChecks(ctx)...)
	}
	return &r.result, diag.Distinct(plan.Explain(diags))
}

// evaluateOutputs gives the outputs their values from what is there now, which after a
// failure is not what was planned.
func (r *run) evaluateOutputs() hcl.Diagnostics {
	undone, diags := r.unlearn()
	if undone {
		r.plan.Begin()
	}
	outputs, more := r.plan.EvaluateOutputs()
	if !undone {
		diags = append(diags, more...) // else they tell what is told already
	}
	r.result.Outputs, r.next.Outputs = outputs, outputs
	return diags
}

// unlearn takes back what was planned for steps that were not done, and tells whether there
// are such.
func (r *run) unlearn() (undone bool, diags hcl.Diagnostics) {
	for i, settled := range r.settled {
		_, failed := r.cause[i]
		step := r.graph.Node(i)
		if settled && !failed || step.Kind != plan.Apply || !hasWork(step) {
			continue
		}
		undone = true
		v, err := r.actual(step.Change)
		if err != nil {
			diags = append(diags, diag.FromError(err, "The record cannot be read", step.Change.Range)...)
			continue
		}
		r.plan.Unlearn(step.Change, v)
	}
	return undone, diags
}

// actual gives the attributes on record now, or cty.NilVal where nothing is.
func (r *run) actual(c *plan.Change) (cty.Value, error) {
	rec := r.next.Resources[c.Address]
	if rec == nil {
		return cty.NilVal, nil
	}
	o, _, err := plan.DecodeRecord(r.plan.Input.Registry, rec)
	if err != nil {
		return cty.NilVal, err
	}
	return o.Attributes, nil
}

func interruption(cause error, unbegun int) string {
	s := "Steps under way were finished, and others were not begun. Apply again to go on."
	if !errors.Is(cause, context.Canceled) {
		s = diag.Sentence(cause.Error()) + " " + s
	}
	return fmt.Sprintf("%s Not begun: %d.", s, unbegun)
}

// baseState is the state that the journal builds on. After a reboot only what is on disk is
// left of what was recorded.
func baseState(p *plan.Plan) *state.State {
	base := *p.Input.State
	if base.BootID != p.Input.Env.BootID {
		base.BootID = p.Input.Env.BootID
		base.Resources = map[addr.Instance]*state.Resource{}
		for a, r := range p.Input.State.Resources {
			if p.Input.Registry.Type(a.Type).Lasts() {
				base.Resources[a] = r
			}
		}
		base.Deposed = lasting(p, base.Deposed)
	}
	return &base
}

// operation is a step on its way through a provider.
type operation struct {
	*providers.Operation
	node   int
	change *plan.Change
	begun  time.Time
	name   string // what people are told that it is
	late   bool   // its arguments were not all known while planning
}
