package builtin

import (
	"context"

	"github.com/google/uuid"

	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

func defineTrigger() providers.Def[nothing, nothing] {
	return providers.Define("trigger",
		"A value on record, and nothing in the kernel: what `terraform_data` is in Terraform. Its lifecycle is of use to "+
			"others, which name it in `replace_triggered_by`. It survives a reboot.",
		triggerType{})
}

type trigger struct {
	Input           schema.Any `diy:"input" doc:"What is put on record, of any type."`
	TriggersReplace schema.Any `diy:"triggers_replace,replace" doc:"A value of any type, a change of which replaces the resource."`
	ID              string     `diy:"id,computed" doc:"A UUID, a new one each time that the resource is made."`
	Output          schema.Any `diy:"output,computed" copy:"input" doc:"The same as input, for others to refer to."`
}

// triggerIdentity is empty: there is nothing to be known again.
type triggerIdentity struct{}

type triggerType struct{}

type triggerOp = providers.Op[trigger, triggerIdentity]

// Read gives what is recorded. A record without an id is of a creation that a crash kept from
// its end.
func (triggerType) Read(_ nothing, rec *providers.Recorded[trigger, triggerIdentity]) (*providers.Recorded[trigger, triggerIdentity], error) {
	if rec.Attrs.ID == "" {
		return nil, nil
	}
	return rec, nil
}

// Lasts says that a reboot takes nothing away.
func (triggerType) Lasts() {}

// Apart says that there may be as many as there are records.
func (triggerType) Apart(_, _ *trigger) error { return nil }

func (triggerType) Apply(_ context.Context, _ nothing, action providers.Action, ops []*triggerOp) {
	for _, op := range ops {
		switch action {
		case providers.Create:
			op.Planned.ID = uuid.NewString()
			op.Done(op.Planned, triggerIdentity{})
		case providers.Update:
			op.Done(op.Planned, triggerIdentity{})
		case providers.Delete:
			op.Gone()
		}
	}
}
