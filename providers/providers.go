// Package providers holds the contract between the engine, which plans and applies, and the
// providers, which know the kernel.
//
// A provider opens a Session for a command's run. From it the engine takes a Snapshot, in
// which every part of the kernel is read once however many resources are in it, and to it
// the engine gives operations in batches. The engine sees attributes as cty objects of the
// type's schema; a resource's file sees its own Go struct. Define ties the two together.
//
// A provider knows no configuration file and no state file. Start with Provider; the typed
// side is in define.go; a resource to copy from is providers/network/sysctl.go.
package providers

import (
	"context"
	"encoding/json"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers/schema"
)

// Provider is one part of the kernel that resources are made in.
type Provider interface {
	Name() string
	Types() []Type
	DataTypes() []DataType
	// Open starts the provider's part of a command's run. It asks the kernel nothing yet.
	Open(env Env) (Session, error)
}

// Type is a resource type as the engine sees it.
type Type interface {
	Name() string
	Doc() string
	Schema() *schema.Schema
	// Derive fills in what follows from the address and the rest: names, MAC addresses.
	Derive(d *Derivation)
	// Validate tells what is wrong between the attributes of v, as Problems, joined.
	Validate(v cty.Value) error
	// Conflicts tells what of v contradicts other resources, as Problems, joined.
	Conflicts(v cty.Value, others Others) error
	// Apart tells why the kernel cannot have both a resource's old and its new object: see
	// Aparter. That they would hold one place it leaves to the caller.
	Apart(old, planned cty.Value) error
	// Places tells what the object occupies and needs; parts not known yet are left out.
	Places(v cty.Value) Places
	// Lasts reports whether a reboot leaves objects of the type.
	Lasts() bool
	// ChecksUpdates reports whether the type has to be asked about what changes in place.
	ChecksUpdates() bool
	// ImportForm says how the id of an object that is to be imported is written; "" where none can
	// be, and RefuseImport says why.
	ImportForm() string
	RefuseImport() string
	// Releases reports whether objects of the type can be let go of; RefuseRelease says why not.
	Releases() bool
	RefuseRelease() string
	// Batch names what operations should be given to the provider together, beyond their
	// type and action: mostly a network namespace.
	Batch(v cty.Value) string
}

// DataType is a data source as the engine sees it.
type DataType interface {
	Name() string
	Doc() string
	Schema() *schema.Schema
}

// Session is a provider at work for one command.
type Session interface {
	// Snapshot starts a new view of the kernel. Each part is read when first asked for,
	// and only once.
	Snapshot() Snapshot
	// Prepare reads what must be on record before the kernel is changed, and sets each
	// operation's Intent. An operation whose Err it sets is not applied.
	Prepare(ctx context.Context, ops []*Operation)
	// Apply carries out operations that have one type, action and batch name, and sets
	// each one's Result and Err. It calls done for each as soon as that one is finished.
	Apply(ctx context.Context, ops []*Operation, done func(*Operation))
	// Data reads a data source whose configuration config is known. The result has the
	// schema's implied type.
	Data(ctx context.Context, dataType string, config cty.Value) (cty.Value, error)
	Close() error
}

// Snapshot is a view of the kernel in which nothing moves.
type Snapshot interface {
	// Read gives what is really there of each object, in order.
	Read(ctx context.Context, objects []*Object) []Reading
	// Check tells what would stand in the way of making each proposal, in order: a foreign
	// link of that name, an interface that does not exist. nil is no objection.
	Check(ctx context.Context, proposals []Proposal) []error
	// Import gives objects that somebody else made, in order, as they are.
	Import(ctx context.Context, requests []ImportRequest) []Reading
}

// Object is one thing in the kernel that diyform made, as recorded or as read.
type Object struct {
	Address    addr.Instance
	Attributes cty.Value       // the schema's implied type, wholly known
	Identity   json.RawMessage // the provider's own: by what it knows the thing again
	// Unfinished says that a crash came between intent and outcome: the identity may lack
	// what the kernel gave, and the thing may be there in part or not at all.
	Unfinished bool

	// KnownAs is the address that the object's marks in the kernel carry after it was moved to
	// another one, until an update marks it anew; MadeAs the one that it was made at. Zero: Address.
	KnownAs, MadeAs addr.Instance
}

// Reading is what a snapshot holds of an object.
type Reading struct {
	Object *Object // nil when it is gone; the recorded one itself when all is as recorded
	Err    error   // it could not be read
}

// Proposal is an object that a plan would create, give a new place, or change where it is.
type Proposal struct {
	Address addr.Instance
	Planned cty.Value // may hold unknown values
	InPlace bool      // it is there and keeps its places
	// Vacated lists the places that the same plan frees before, Promised those that it
	// has filled in the end.
	Vacated, Promised map[Place]bool
}

// Action is what an operation does.
type Action uint8

const (
	Create Action = iota + 1
	Update
	Delete
	Release // take this state's marks off it, and leave it as it is
)

func (a Action) String() string {
	return [...]string{"", "create", "update", "delete", "release"}[a]
}

// Operation is one change of one object.
type Operation struct {
	Action  Action
	Type    string
	Address addr.Instance
	Prior   *Object   // update, delete, release: what is there
	Planned cty.Value // create, update: what shall be there; computed attributes may be unknown
	// Follows says of a delete that what the object lives in (its network namespace, its
	// link) is deleted earlier in the same run, so it goes by itself: wait for it.
	Follows bool

	Intent json.RawMessage // set by Prepare: the identity-to-be
	Result *Object         // set by Apply: what is there now; nil when nothing is
	Err    error           // set by Prepare or Apply
	// Progress takes one line for the user while the operation goes on; nil where nobody
	// reads them.
	Progress func(text string)
	// Run ends when the user interrupts the run: what only waits should then stop. nil is never.
	Run context.Context
	// Warnings are set by Apply: what the user should know although it succeeded.
	Warnings []*diag.Problem
}
