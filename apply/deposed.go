package apply

import (
	"maps"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/state"
)

// A step of create_before_destroy is about one of two objects of an address: its creation
// deposes the recorded object, and its removal is that of the deposed one. What the journal
// and the record say of it is here.

// deposes reports whether the operation makes an object beside the recorded one.
func (op *operation) deposes() bool {
	return op.change.CreateFirst && op.Action == providers.Create
}

// ofDeposed reports whether the operation is about the deposed object.
func (op *operation) ofDeposed() bool {
	return isOfDeposed(op.change, op.Action.String())
}

func isOfDeposed(c *plan.Change, action string) bool {
	return action == providers.Delete.String() && (c.Deposed || c.CreateFirst)
}

// intent gives the journal's entry before the operation.
func (op *operation) intent(intended *state.Resource) state.Entry {
	if op.deposes() {
		return state.Depose(op.Address, intended)
	}
	return op.marked(state.Intent(journalActions[op.Action], op.Address, intended))
}

// done gives the entry after it.
func (op *operation) done(record *state.Resource, problem string) state.Entry {
	return op.marked(state.Outcome(journalActions[op.Action], op.Address, record, problem))
}

func (op *operation) marked(e state.Entry) state.Entry {
	if op.deposes() || op.ofDeposed() {
		return e.Deposed()
	}
	return e
}

// enter brings what the operation left into the record.
func (op *operation) enter(st *state.State, record *state.Resource) {
	switch {
	case op.deposes():
		st.SettleDeposing(op.Address, record)
	case op.ofDeposed():
		st.SettleDeposed(op.Address, record)
	default:
		st.Settle(op.Address, record)
	}
}

// recordOf gives the record that the object of a delete has now.
func (r *run) recordOf(op *operation) *state.Resource {
	r.mu.Lock()
	defer r.mu.Unlock()
	if op.ofDeposed() {
		return r.next.Deposed[op.Address]
	}
	return r.next.Resources[op.Address]
}

// recordDeposed records what a failed delete left of the deposed object.
func (r *run) recordDeposed(op *operation) (*state.Resource, error) {
	rec, err := r.record(op.change, op.Result, state.Unfinished)
	if old := r.recordOf(op); err == nil && old != nil {
		rec.Sensitive, rec.Dependencies = old.Sensitive, old.Dependencies
		rec.KnownAs, rec.MadeAs = old.KnownAs, old.MadeAs
	}
	return rec, err
}

// restore makes deposed objects what is on record of their addresses where the plan has found
// that nothing came of their successors.
func (r *run) restore() error {
	var entries []state.Entry
	for _, old := range r.plan.Restored {
		// In this order: with the first alone, one object is recorded twice, which refresh sorts out.
		entries = append(entries,
			state.Outcome(state.Update, old.Address, old, ""),
			state.Outcome(state.Delete, old.Address, nil, "").Deposed())
		r.next.Settle(old.Address, old)
		r.next.SettleDeposed(old.Address, nil)
	}
	return r.journal.Append(entries...)
}

// lasting gives the deposed objects that a reboot leaves.
func lasting(p *plan.Plan, deposed map[addr.Instance]*state.Resource) map[addr.Instance]*state.Resource {
	deposed = maps.Clone(deposed)
	maps.DeleteFunc(deposed, func(a addr.Instance, _ *state.Resource) bool { return !p.Input.Registry.Type(a.Type).Lasts() })
	return deposed
}
