package apply

import (
	"encoding/json"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
	"github.com/diyform/diyform/state"
)

// intended is what will be recorded if the operation succeeds, as far as it is known.
func (r *run) intended(op *operation) (*state.Resource, error) {
	v := op.Planned
	if op.Action == providers.Delete || op.Action == providers.Release {
		v = op.Prior.Attributes
	}
	o := &providers.Object{Attributes: nullUnknown(v), Identity: op.Intent}
	if op.Prior != nil {
		o.KnownAs, o.MadeAs = op.Prior.KnownAs, op.Prior.MadeAs
	}
	return r.record(op.change, o, state.Ready)
}

// outcome is what is recorded after the operation: nil when nothing is there any more.
//
// A failed creation or update that left something is unfinished: the next plan reads what is
// there and completes it. A failed delete leaves the record as it was.
func (r *run) outcome(op *operation) (*state.Resource, error) {
	switch {
	case op.Err == nil && (op.Action == providers.Delete || op.Action == providers.Release):
		return nil, nil
	case op.Err == nil && op.Result == nil:
		return nil, fmt.Errorf("%s of %s gave no result, which is a bug", op.Action, op.Address)
	case op.Err == nil:
		return r.record(op.change, op.Result, state.Ready)
	case op.Result != nil && op.ofDeposed():
		return r.recordDeposed(op)
	case op.Result != nil:
		return r.record(op.change, op.Result, state.Unfinished)
	case op.Action == providers.Create, op.change.Importing != nil:
		return nil, nil // nothing was made of it, and it was not this state's
	case op.ofDeposed():
		return r.recordOf(op), nil
	case op.Action == providers.Update:
		return r.record(op.change, op.Prior, state.Unfinished)
	}
	return r.record(op.change, op.Prior, state.Ready)
}

func (r *run) record(c *plan.Change, o *providers.Object, status state.Status) (*state.Resource, error) {
	attributes, err := ctyjson.Marshal(o.Attributes, c.Schema.ImpliedType())
	if err != nil {
		return nil, fmt.Errorf("record attributes of %s: %w", c.Address, err)
	}
	rec := &state.Resource{
		Address: c.Address, SchemaVersion: schema.Version, Status: status,
		Attributes: json.RawMessage(attributes), Identity: o.Identity,
		Sensitive: c.SensitivePaths(), Dependencies: r.plan.Dependencies(c), KnownAs: o.KnownAs, MadeAs: o.MadeAs,
		Stays: r.plan.Stays(c.Address),
	}
	if old := r.plan.RecordOf(c); (c.Action == plan.Delete || c.Releases) && old != nil {
		rec.Dependencies = old.Dependencies
	}
	return rec, nil
}

// nullUnknown gives v with null for what is unknown.
func nullUnknown(v cty.Value) cty.Value {
	if v.IsWhollyKnown() {
		return v
	}
	out, err := cty.Transform(v, func(_ cty.Path, part cty.Value) (cty.Value, error) {
		if !part.IsKnown() {
			return cty.NullVal(part.Type()), nil
		}
		return part, nil
	})
	if err != nil {
		panic("a transformation without errors failed, which is a bug: " + err.Error())
	}
	return out
}

// keepUnchanged records what the refresh read of what needed no change, and drops what it
// found gone.
func (r *run) keepUnchanged() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, c := range r.plan.Changes {
		switch {
		case c.Action == plan.Forget && c.Deposed:
			r.next.SettleDeposed(c.Address, nil)
		case c.Action == plan.Forget && !c.Releases:
			delete(r.next.Resources, c.Address)
		case c.Action == plan.NoOp && c.Prior != nil && !c.Untouched && !c.Adopts():
			rec, err := r.record(c, c.Prior, state.Ready)
			if old := r.plan.Recorded(c.Address); err == nil && r.plan.Input.Mode == plan.RefreshOnly {
				rec.Status, rec.Dependencies = old.Record.Status, old.Record.Dependencies
			}
			if err != nil {
				diags = append(diags, diag.FromError(err, "The state cannot be written", c.Range)...)
				continue
			}
			r.next.Resources[c.Address] = rec
		}
	}
	return diags
}
