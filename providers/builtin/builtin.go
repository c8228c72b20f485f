// Package builtin has the resource types that the engine needs and no kernel has: what is
// only on record.
//
// It is not for anything that can be looked for on the machine. Start with trigger.go.
package builtin

import (
	"context"

	"github.com/diyform/diyform/providers"
)

// Provider gives the resource types.
func Provider() providers.Provider {
	return providers.Assemble(providers.Parts[nothing, nothing]{
		Name:      "builtin",
		Resources: []providers.Def[nothing, nothing]{defineTrigger()},
		Open:      func(providers.Env) (nothing, error) { return nothing{}, nil },
		Snapshot:  func(nothing) nothing { return nothing{} },
	})
}

// nothing is what there is to read and to talk to.
type nothing struct{}

func (nothing) Load(context.Context, []providers.Place) error { return nil }

func (nothing) Close() error { return nil }
