package providers

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/providers/schema"
)

// Others is what the other resources of the configuration come to. A type with the ability
// Conflicter compares its objects with them, before the kernel is asked anything.
type Others interface {
	// Holder gives the resource that will hold a place, or nil.
	Holder(Place) *Other
	// Reaching gives the resources that put a machine in direct reach of its namespace.
	Reaching(Machine) []*Other
}

// Other is one of them.
type Other struct {
	Address addr.Instance
	Planned cty.Value // may hold unknown values
	Schema  *schema.Schema
}

// Decode sets the struct that into points to, which is that of Address.Type's attributes.
func (o *Other) Decode(into any) schema.Unknown { return o.Schema.Decode(o.Planned, into) }

// Conflicter tells what of the object contradicts other resources of the configuration: a
// route by a link that another one takes down. It is pure, and asked only where the object or
// one of those that it asks for is about to change.
type Conflicter[T any] interface {
	Conflicts(v *T, unknown schema.Unknown, others Others) error
}
