package apply

import (
	"context"
	"time"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/state"
)

var operationActions = map[plan.Action]providers.Action{
	plan.Create: providers.Create,
	plan.Update: providers.Update,
	plan.Delete: providers.Delete,
	plan.Forget: providers.Release,
}

// journalActions are the operations in the journal's words: what is let go of is off the
// record, as what is deleted is.
var journalActions = map[providers.Action]state.Action{
	providers.Create:  state.Create,
	providers.Update:  state.Update,
	providers.Delete:  state.Delete,
	providers.Release: state.Delete,
}

// execute carries out a batch. The order is what recovery rests on: first what must be on
// record is read, then the intents are written, then the kernel is asked, then the outcomes
// are written, and only then may anything begin that waited for them.
func (r *run) execute(ctx context.Context, key groupKey, nodes []int) {
	defer r.finish(nodes)
	for _, ops := range r.batches(r.operations(key, nodes)) {
		r.carryOut(ctx, r.plan.Input.Sessions.OfType(key.typ), ops)
	}
}

func (r *run) carryOut(ctx context.Context, session providers.Session, ops []*operation) {
	session.Prepare(ctx, bare(ops))
	ops = r.dropFailed(ops)
	if len(ops) == 0 {
		return
	}
	if err := r.writeIntents(ops); err != nil {
		r.failAll(ops, err)
		return
	}
	s := newSettler(r, ops)
	session.Apply(ctx, bare(ops), s.done)
	s.end()
}

// batches parts operations whose batch name was not known while planning, such as links in
// namespaces that containers have made, from each other.
func (r *run) batches(ops []*operation) [][]*operation {
	var out [][]*operation
	index := map[string]int{}
	for _, op := range ops {
		name := ""
		if op.late {
			name = r.batch(op.change, op.Planned)
		}
		i, ok := index[name]
		if !ok {
			i = len(out)
			index[name], out = i, append(out, nil)
		}
		out[i] = append(out[i], op)
	}
	return out
}

func bare(ops []*operation) []*providers.Operation {
	out := make([]*providers.Operation, len(ops))
	for i, op := range ops {
		out[i] = op.Operation
	}
	return out
}

// operations makes the batch, with what is known now.
func (r *run) operations(key groupKey, nodes []int) []*operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	ops := make([]*operation, 0, len(nodes))
	for _, i := range nodes {
		step := r.graph.Node(i)
		c := step.Change
		op := &operation{node: i, change: c, begun: time.Now(), Operation: &providers.Operation{
			Action: operationActions[key.act], Type: key.typ, Address: c.Address, Follows: step.Follows(),
			Run: r.ctx,
		}}
		op.Progress = func(text string) { r.proceed(op, text) }
		op.name = op.Action.String()
		if c.Adopts() {
			op.name = c.Verb()
		}
		r.observe(Event{Kind: Started, Address: c.Address, Action: op.name, Deposed: op.ofDeposed()})
		if op.Action != providers.Create {
			op.Prior = c.Prior
		}
		if op.Action == providers.Create || op.Action == providers.Update {
			op.late = !c.Config.IsWhollyKnown()
			planned, diags := r.plan.Final(c)
			if diags.HasErrors() {
				r.fail(i, c, op.name, op.begun, diags)
				continue
			}
			op.Planned = planned
		}
		ops = append(ops, op)
	}
	return ops
}

// proceed passes on what an operation that is under way tells.
func (r *run) proceed(op *operation, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.observe(Event{
		Kind: Proceeded, Address: op.Address, Action: op.name, Deposed: op.ofDeposed(), Elapsed: time.Since(op.begun), Text: text,
	})
}

// dropFailed settles what failed in preparation: nothing was asked of the kernel.
func (r *run) dropFailed(ops []*operation) []*operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := ops[:0]
	for _, op := range ops {
		if op.Err != nil {
			r.fail(op.node, op.change, op.name, op.begun, r.plan.Diagnose(op.change, op.Err))
			continue
		}
		kept = append(kept, op)
	}
	return kept
}

func (r *run) writeIntents(ops []*operation) error {
	entries := make([]state.Entry, 0, len(ops))
	for _, op := range ops {
		intended, err := r.intended(op)
		if err != nil {
			return err
		}
		entries = append(entries, op.intent(intended))
	}
	return r.journal.Append(entries...)
}

func (r *run) failAll(ops []*operation, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	diags := diag.FromError(err, "The journal cannot be written", nil)
	for _, op := range ops {
		r.fail(op.node, op.change, op.name, op.begun, diags)
		diags = nil // one telling is enough
	}
}

// settle records what came of a batch.
func (r *run) settle(ops []*operation) {
	entries := make([]state.Entry, 0, len(ops))
	records := make([]*state.Resource, len(ops))
	var broken error
	for i, op := range ops {
		record, err := r.outcome(op)
		if err != nil && op.Err == nil {
			op.Err = err
		}
		records[i] = record
		problem := ""
		if op.Err != nil {
			problem = op.Err.Error()
		}
		entries = append(entries, op.done(record, problem))
	}
	if err := r.journal.Append(entries...); err != nil {
		broken = err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, op := range ops {
		r.settleOne(op, records[i])
	}
	if broken != nil {
		r.stopped = true
		r.diags = append(r.diags, diag.FromError(broken, "The journal cannot be written", nil)...)
	}
}

// settleOne notes the outcome of one operation. The lock is held.
func (r *run) settleOne(op *operation, record *state.Resource) {
	op.enter(r.next, record)
	if op.Err != nil {
		r.fail(op.node, op.change, op.name, op.begun, r.plan.Diagnose(op.change, op.Err))
		return
	}
	r.diags = append(r.diags, r.plan.Warn(op.change, op.Warnings)...)
	r.count(op)
	if op.Result != nil {
		r.plan.Learn(op.change, op.Result.Attributes)
		if diags := r.plan.Verify(op.change, op.Result.Attributes); diags.HasErrors() {
			r.fail(op.node, op.change, op.name, op.begun, diags)
			return
		}
	}
	r.settled[op.node] = true
	r.observe(Event{
		Kind: Finished, Address: op.Address, Action: op.name, Deposed: op.ofDeposed(), Elapsed: time.Since(op.begun),
	})
}

// read reads data sources whose reading was put off.
func (r *run) read(ctx context.Context, nodes []int) {
	defer r.finish(nodes)
	for _, i := range nodes {
		r.readOne(ctx, i, r.graph.Node(i).Change)
	}
}

func (r *run) readOne(ctx context.Context, node int, c *plan.Change) {
	begun := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.observe(Event{Kind: Started, Address: c.Address, Action: "read"})
	query, diags := r.plan.Query(c)
	if !diags.HasErrors() {
		r.mu.Unlock() // others go on meanwhile
		v, err := r.plan.Input.Sessions.OfDataType(c.Address.Type).Data(ctx, c.Address.Type, query)
		r.mu.Lock()
		if err != nil {
			diags = r.plan.Diagnose(c, err)
		} else {
			r.plan.Learn(c, v)
			diags = r.plan.Verify(c, v)
		}
	}
	if diags.HasErrors() {
		r.fail(node, c, "read", begun, diags)
		return
	}
	r.settled[node] = true
	r.observe(Event{Kind: Finished, Address: c.Address, Action: "read", Elapsed: time.Since(begun)})
}
