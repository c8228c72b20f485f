package main

import (
	"encoding/json"
	"fmt"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/state"
)

// streamResource is a resource instance's address in a message.
type streamResource struct {
	Addr            string `json:"addr"`
	Module          string `json:"module"`
	Resource        string `json:"resource"` // within the module
	ImpliedProvider string `json:"implied_provider"`
	ResourceType    string `json:"resource_type"`
	ResourceName    string `json:"resource_name"`
	ResourceKey     any    `json:"resource_key"`
}

func newStreamResource(a addr.Instance) streamResource {
	local := a
	local.Module = ""
	return streamResource{
		Addr: a.String(), Module: string(a.Module), Resource: local.String(), ImpliedProvider: "diyform",
		ResourceType: a.Type, ResourceName: a.Name, ResourceKey: plan.JSONKey(a.Key),
	}
}

type streamChange struct {
	Resource  streamResource      `json:"resource"`
	Previous  *streamResource     `json:"previous_resource,omitempty"` // where it was, of one that was moved
	Action    string              `json:"action"`
	Reason    string              `json:"reason,omitempty"`
	Importing *plan.JSONImporting `json:"importing,omitempty"`
}

func newStreamChange(p *plan.Plan, c *plan.Change) streamChange {
	change := streamChange{Resource: newStreamResource(c.Address), Action: streamActions[c.Action], Reason: p.StreamReason(c)}
	if c.PreviousAddress != nil {
		previous := newStreamResource(*c.PreviousAddress)
		change.Previous = &previous
	}
	if c.Importing != nil {
		change.Importing = &plan.JSONImporting{ID: c.Importing.ID}
	}
	if c.Action == plan.NoOp {
		switch {
		case c.Importing != nil:
			change.Action = "import"
		case c.PreviousAddress != nil:
			change.Action = "move"
		}
	}
	return change
}

type streamCounts struct {
	Add       int    `json:"add"`
	Change    int    `json:"change"`
	Import    int    `json:"import"`
	Remove    int    `json:"remove"`
	Operation string `json:"operation"`
}

type streamOutput struct {
	Sensitive bool            `json:"sensitive"`
	Type      json.RawMessage `json:"type,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
	Action    string          `json:"action,omitempty"`
}

var streamActions = map[plan.Action]string{
	plan.NoOp: "noop", plan.Create: "create", plan.Update: "update", plan.Replace: "replace",
	plan.Delete: "delete", plan.Read: "read", plan.Forget: "remove",
}

// planned tells a plan: what drifted, what will be done, and how much that is.
func (s *stream) planned(p *plan.Plan) {
	for _, d := range p.Drift {
		c := streamChange{Resource: newStreamResource(d.Address), Action: "update"}
		if d.After.IsNull() {
			c.Action = "delete"
		}
		s.info("resource_drift", fmt.Sprintf("%s: Drift detected (%s)", d.Address, c.Action), fields{"change": c})
	}
	for _, c := range p.Changes {
		if !c.Told() {
			continue
		}
		change := newStreamChange(p, c)
		s.info("planned_change", fmt.Sprintf("%s: Plan to %s", c.Address, change.Action), fields{"change": change})
	}
	t := p.Tally()
	s.info("change_summary", "Plan: "+t.String(),
		fields{"changes": streamCounts{Add: t.Add, Change: t.Change, Import: t.Import, Remove: t.Destroy, Operation: "plan"}})
	if len(p.Outputs) == 0 {
		return
	}
	outputs := map[string]streamOutput{}
	for _, o := range p.Outputs {
		outputs[o.Name] = streamOutput{Sensitive: o.Sensitive, Action: streamActions[o.Action]}
	}
	s.info("outputs", fmt.Sprintf("Outputs: %d", len(outputs)), fields{"outputs": outputs})
}

// applied tells what came of an apply that succeeded.
func (s *stream) applied(p *plan.Plan, r *apply.Result) {
	counts := streamCounts{Add: r.Added, Change: r.Changed, Import: r.Imported, Remove: r.Destroyed, Operation: "apply"}
	text := "Apply complete! Resources: " + counted(r)
	if p.Input.Mode == plan.Destroy {
		counts.Operation, text = "destroy", "Destroy complete! Resources: "+countedGone(r)
	}
	s.info("change_summary", text, fields{"changes": counts})
	s.outputs(r.Outputs)
}

// outputs tells their values; those of sensitive ones are left out.
func (s *stream) outputs(recorded map[string]*state.Output) {
	outputs := map[string]streamOutput{}
	for name, o := range recorded {
		outputs[name] = streamOutput{Sensitive: o.Sensitive, Type: o.Type}
		if !o.Sensitive {
			outputs[name] = streamOutput{Type: o.Type, Value: o.Value}
		}
	}
	s.info("outputs", fmt.Sprintf("Outputs: %d", len(outputs)), fields{"outputs": outputs})
}

// reading gives what tells the stream of what is read from the kernel, or nil.
func (v *view) reading() func(addr.Instance, bool) {
	if v.stream == nil {
		return nil
	}
	return func(a addr.Instance, done bool) {
		kind, text := "refresh_start", "Refreshing state..."
		if done {
			kind, text = "refresh_complete", "Refresh complete"
		}
		v.stream.info(kind, fmt.Sprintf("%s: %s", a, text), fields{"hook": streamHook{Resource: newStreamResource(a)}})
	}
}
