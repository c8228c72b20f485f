package builtin

import (
	"context"

	"github.com/diyform/diyform/providers"
)

type recordedTrigger = providers.Recorded[trigger, triggerIdentity]

// An import gives a trigger an id that others know already, as terraform_data takes it.

func (triggerType) ImportForm() string { return "any text, which becomes the id of the trigger" }

func (triggerType) Locate(id string) (trigger, error) { return trigger{ID: id}, nil }

func (triggerType) Import(_ nothing, r *recordedTrigger) (*recordedTrigger, error) { return r, nil }

// Release has nothing to do: with the record all of it is gone.
func (triggerType) Release(_ context.Context, _ nothing, ops []*triggerOp) {
	for _, op := range ops {
		op.Gone()
	}
}

var _ providers.Importer[trigger, triggerIdentity, nothing] = triggerType{}
var _ providers.Releaser[trigger, triggerIdentity, nothing] = triggerType{}
