// Package plan works out what has to be done so that the kernel is as configuration wants
// it: it reads what is recorded from the kernel, evaluates the configuration, compares, and
// orders the steps.
//
// It changes nothing, neither the kernel nor the state. The way of the data:
//
//	moved.go      recorded addresses -> those that configuration has for them now
//	refresh.go    recorded objects -> what is really there
//	validate.go   what is wrong whatever the values are
//	blocks.go     the order in which blocks are evaluated; cycles
//	evaluator.go  expressions -> values; module.go: those in a module; expand.go: instances
//	dependency.go what an instance depends on
//	decide.go     wanted against real -> a Change an instance; data.go: what is only read
//	cascade.go    what a change takes along: a replaced namespace its links
//	createfirst.go  create_before_destroy; deposed.go what an interrupted one left
//	lifecycle.go  what lifecycle blocks ask for
//	import.go     what is there already and becomes a resource; removed.go: what is let go of;
//	adopt.go      what both, and a move, have in common: only the mark changes
//	focus.go      what the command line asks for: a part only, a replacement
//	conflicts.go  what cannot be, told before anything is changed
//	others.go     what contradicts other resources
//	steps.go      the changes as a graph of steps, for apply
//	finish.go     what apply asks while steps give their values
//	console.go    single expressions, against a plan or what is recorded
//	collateral.go what a change does to others; remote.go: to the user's own connection
//	drift.go      what was changed outside; why.go: why something is deleted or replaced
//	checks.go     check blocks; asserts.go: those of tests
//	render.go     the plan for people; json.go: for scripts; file.go: for a later apply
//	generate.go   the blocks of what is imported without one
//
// What must not be shown is kept by sensitive.go; errors get their places in diagnose.go, and what
// the language's library says of expressions gets better in explain.go.
//
// Start with New.
package plan

import (
	"context"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/dag"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
	"github.com/diyform/diyform/state"
)

// Mode is what kind of plan is asked for.
type Mode uint8

const (
	Normal      Mode = iota // make the kernel as configuration says
	Destroy                 // delete all that is recorded
	RefreshOnly             // record what is there
	Adopt                   // import one object, and change nothing
)

// Input is what a plan is made of.
type Input struct {
	Config    *config.Config // its references are checked by New
	Variables map[string]cty.Value
	State     *state.State // with the journal of an interrupted run folded in
	Registry  *providers.Registry
	Sessions  *providers.Sessions
	Env       providers.Env
	Mode      Mode
	Options   Options
	Workspace string    // what diyform.workspace stands for
	Time      time.Time // what plantimestamp gives; New sets it where it is zero
	// Reading is told of each recorded object before and after it is read; it may be nil.
	Reading func(a addr.Instance, done bool)
	Remote  *Remote // nil: nobody is connected from elsewhere
}

// Plan is the difference between what is wanted, recorded and real.
type Plan struct {
	Input   Input
	Changes []*Change // one an instance, in the order of addresses, NoOp included
	Drift   []*Drift  // what was changed outside of diyform since it was recorded
	Outputs []*OutputChange
	Checks  []*CheckResult // empty when the plan has changes: they are run after apply

	Pending []schema.Change // of the mode Adopt: what configuration wants otherwise

	Evaluator *Evaluator

	Restored []*state.Resource // deposed objects whose successors a crash kept from being made

	byAddress map[addr.Instance]*Change // without deposed objects
	deposed   map[addr.Instance]*Recorded
	records   []*state.Resource // in the order of addresses
	recorded  map[addr.Instance]*Recorded
	previous  map[addr.Instance]addr.Instance // of what was moved, by its address now
	imports   []*importTarget
	focus     *focus
	steps     *dag.Graph[Step] // once they are ordered
	lettingGo map[addr.Resource]*config.Removed
}

// Action is what a plan does with an instance.
type Action uint8

const (
	NoOp Action = iota
	Create
	Update
	Replace
	Delete
	Read   // a data source that can be read only while applying
	Forget // it is gone already and no longer wanted: only the record goes
)

var actionNames = [...]string{"no-op", "create", "update", "replace", "delete", "read", "forget"}

func (a Action) String() string { return actionNames[a] }

// Change is what becomes of one instance.
type Change struct {
	Address addr.Instance
	Action  Action
	Schema  *schema.Schema

	Prior  *providers.Object // what is really there; nil when nothing is
	Before cty.Value         // Prior's attributes, or null
	Config cty.Value         // what the block says, without marks; may hold unknown values
	After  cty.Value         // null when deleted; unknown where only the kernel can tell

	Differences []schema.Change // between Before and After
	Reason      string          // why, where the differences do not tell: "its network namespace is replaced"

	Sensitive       []cty.Path // parts of After, or of Before where it is deleted, that are not to be shown
	SensitiveBefore []cty.Path // parts of Before that were recorded as such
	Dependencies    []Dependency
	Range           *hcl.Range // the block's header; nil when it is no longer in configuration

	Collateral Collateral // what a replacement does to others

	// CreateFirst is of a Replace that makes the new object before the old one is destroyed.
	CreateFirst bool
	firstFor    *Change // what depends on it and asked for that, where it did not itself

	Deposed bool // it is about the deposed object of the address, not the recorded one

	Untouched bool // the plan is not about it: it stays as it is, and as it is recorded
	Recorded  bool // of a refresh-only plan: what is there is recorded, and the kernel asked for nothing

	PreviousAddress *addr.Instance // that it is recorded at, where it was moved
	Importing       *Importing     // it is not recorded yet, and somebody else made it
	Releases        bool           // of Forget: it is there, and stays without this state's marks

	source  string // where Range was, of a plan that was read from a file
	follows bool   // on delete it goes by itself, with what it lives in

	placesBefore, placesAfter *providers.Places // of Before and After, once asked for
}

// Recorded is an object of the state as refresh found it.
type Recorded struct {
	Object *providers.Object // as recorded
	Actual *providers.Object // as read; nil when it is gone
	Record *state.Resource

	Importing *Importing // not nil: it is not recorded yet
}

// Drift is an object that is not as it was recorded.
type Drift struct {
	Address     addr.Instance
	Schema      *schema.Schema
	Before      cty.Value       // as recorded
	After       cty.Value       // as it is; null when it is gone
	Differences []schema.Change // empty when it is gone
	Sensitive   []cty.Path      // as recorded
}

// HasChanges reports whether applying the plan would change the kernel or the outputs.
func (p *Plan) HasChanges() bool {
	for _, c := range p.Changes {
		if c.Action != NoOp && c.Action != Read && c.Action != Forget || c.isNews() {
			return true
		}
	}
	return slices.ContainsFunc(p.Outputs, func(o *OutputChange) bool { return o.Action != NoOp })
}

// NeedsApply reports whether apply has anything to do, be it only for the record: objects
// that are gone already, or that were read and are not as recorded.
func (p *Plan) NeedsApply() bool {
	if p.HasChanges() || p.HasMoves() || len(p.Drift)+len(p.Restored) > 0 {
		return true
	}
	return slices.ContainsFunc(p.Changes, func(c *Change) bool {
		return c.Action == Forget || c.Action == Read || c.Adopts() || p.staysOtherwise(c)
	})
}

// Count gives how many objects the plan adds, changes and destroys. A replacement adds one
// and destroys one.
func (p *Plan) Count() (add, change, destroy int) {
	for _, c := range p.Changes {
		switch c.Action {
		case Create:
			add++
		case Update:
			change++
		case Delete:
			destroy++
		case Replace:
			add, destroy = add+1, destroy+1
		}
	}
	return add, change, destroy
}

// StepCount gives how many steps the plan has: a replacement is two.
func (p *Plan) StepCount() int {
	n := 0
	for _, c := range p.Changes {
		switch {
		case c.Action == Replace:
			n += 2
		case c.Told():
			n++
		}
	}
	return n
}

// Change gives the change of an instance, or nil.
func (p *Plan) Change(a addr.Instance) *Change { return p.byAddress[a] }

// New makes a plan. On errors the plan is nil; warnings come with a plan.
func New(ctx context.Context, in Input) (*Plan, hcl.Diagnostics) {
	if in.Time.IsZero() {
		in.Time = time.Now().UTC()
	}
	p := &Plan{Input: in}
	diags := diag.Distinct(Explain(p.make(ctx)))
	if diags.HasErrors() {
		return nil, diags
	}
	return p, diags
}

func (p *Plan) make(ctx context.Context) hcl.Diagnostics {
	var diags hcl.Diagnostics
	switch p.Input.Mode {
	case Normal, Adopt:
		if diags = p.applyMoves(); diags.HasErrors() {
			return diags
		}
	case Destroy:
		// What protects an object, or lets go of it, is written under its address now. Moves that
		// are wrong do not stand in a destroy's way.
		if p.Input.Config != nil {
			p.applyMoves()
		}
	}
	diags = append(diags, p.refresh(ctx)...)
	if diags.HasErrors() {
		return diags
	}
	switch p.Input.Mode {
	case RefreshOnly:
		p.planRefresh()
		return diags
	case Destroy:
		return append(diags, p.destroying()...)
	}
	diags = append(diags, p.wanting(ctx)...)
	if diags.HasErrors() {
		return diags
	}
	diags = append(diags, p.checkMovedInstances()...)
	diags = append(diags, p.checkImports()...)
	if p.Input.Mode == Adopt {
		if !diags.HasErrors() {
			p.adoptOnly()
		}
		return diags
	}
	diags = append(diags, p.check()...)
	if diags.HasErrors() {
		return diags
	}
	return append(diags, p.complete(ctx)...)
}

// destroying makes the plan of a destroy.
func (p *Plan) destroying() hcl.Diagnostics {
	diags := p.focusOn(p.recordedNeeds)
	p.planDestroy()
	diags = append(diags, p.checkProtected()...)
	diags = append(diags, p.checkReleases()...)
	_, more := p.Steps()
	diags = append(diags, p.warnRemote()...)
	return append(diags, more...)
}

// wanting decides what becomes of each instance, by what configuration wants.
func (p *Plan) wanting(ctx context.Context) hcl.Diagnostics {
	diags := Validate(p.Input.Config, p.Input.Registry)
	if diags.HasErrors() {
		return diags
	}
	order, refers, more := evaluationOrder(p.Input.Config, p.Input.Registry)
	diags = append(diags, more...)
	if diags.HasErrors() {
		return diags
	}
	diags = append(diags, p.focusOn(refers.blockNeeds)...)
	if diags.HasErrors() {
		return diags
	}
	diags = append(diags, p.findImports(ctx)...)
	if diags.HasErrors() {
		return diags
	}
	return append(diags, p.decide(ctx, order)...)
}

// check finds what cannot be, or must not, of what was decided.
func (p *Plan) check() hcl.Diagnostics {
	return slices.Concat(p.checkReleases(), p.checkReplace(), p.checkProtected(), p.checkStays(), p.checkTwo(), p.checkNeeds(),
		p.checkLeftOut(), p.checkContradictions())
}

// complete adds what follows from the changes: outputs, steps, what they do to others.
func (p *Plan) complete(ctx context.Context) hcl.Diagnostics {
	diags := p.checkCreations(ctx)
	diags = append(diags, p.planOutputs()...)
	if p.HasChanges() {
		_, more := p.Steps()
		diags = append(diags, more...)
	}
	p.noteCollateral()
	diags = append(diags, p.warnRemote()...)
	if !diags.HasErrors() && !p.HasChanges() && !p.readsLater() {
		p.Begin() // a check may ask what time it is
		diags = append(diags, p.RunChecks(ctx)...)
	}
	return diags
}

// readsLater reports whether there is data to be read while applying, after which checks are run.
func (p *Plan) readsLater() bool {
	return slices.ContainsFunc(p.Changes, func(c *Change) bool { return c.Action == Read })
}
