// Package state keeps what diyform has made: the state document, the journal of the run
// under way, and the lock that lets one run at a time change them.
//
// It is not for deciding anything: it knows no provider, no planner and no configuration.
// Attributes and identities are JSON that it carries and never looks into.
//
// Start with State (what is recorded) and Store (one working folder). A run is
//
//	lock, err := store.Lock(...)
//	base, recovery, err := store.Load()
//	journal, err := store.Begin(base)
//	journal.Append(Intent(...))   // before the kernel is asked
//	journal.Append(Outcome(...))  // after it answered
//	journal.Close()
//	store.Save(next)              // next.Serial is base.Serial + 1
//	lock.Unlock()
//
// and may be killed at any instruction: Load folds the journal into the document.
package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/diyform/diyform/internal/addr"
)

// Format is the newest format of the document and of the journal: the one that is written.
const Format = 1

// State is all that is recorded of one working folder.
type State struct {
	Format  int
	Lineage string // a UUID, given once: tells this folder's objects from another's
	Serial  uint64 // grows with each save; 0 was never saved
	BootID  string // the boot in which the identities hold

	Outputs   map[string]*Output
	Resources map[addr.Instance]*Resource
	Deposed   map[addr.Instance]*Resource // objects whose successors are in Resources; mostly nil
}

// Output is the value of an output block after the last apply.
type Output struct {
	Value     json.RawMessage
	Type      json.RawMessage // a cty type in its JSON form
	Sensitive bool
}

// Status says how far a resource can be trusted to be what its attributes say.
type Status string

const (
	Ready      Status = "ready"
	Tainted    Status = "tainted"    // exists, not wholly as wanted: to be replaced
	Unfinished Status = "unfinished" // an intent without outcome: only the kernel knows
)

// Resource is the record of one resource instance.
type Resource struct {
	Address       addr.Instance
	SchemaVersion int
	Status        Status
	Attributes    json.RawMessage // an object, or nil where nothing is known
	Identity      json.RawMessage // what the kernel knows the object by, or nil
	Sensitive     []string        // paths of attributes that are not to be shown
	Dependencies  []string        // addresses of instances, or of whole blocks

	// Stays says that the object stays, as nobody's, when the resource goes. It is on record
	// because configuration may say nothing of the resource then.
	Stays bool

	// KnownAs is the address that the kernel's marks still carry after the record was moved
	// to another one, until the object is marked anew. Zero: Address.
	KnownAs addr.Instance

	// MadeAs is the address that the object was made at, from which follows what configuration
	// leaves out, such as a name. It stays when the record is moved, so that nothing of the
	// object changes. Zero: Address.
	MadeAs addr.Instance
}

// Marked gives the address that the object's marks in the kernel carry.
func (r *Resource) Marked() addr.Instance {
	if r.KnownAs == (addr.Instance{}) {
		return r.Address
	}
	return r.KnownAs
}

// New gives an empty state with a new lineage.
func New(bootID string) *State {
	return &State{
		Format:    Format,
		Lineage:   uuid.NewString(),
		BootID:    bootID,
		Outputs:   map[string]*Output{},
		Resources: map[addr.Instance]*Resource{},
	}
}

// Sorted gives the resources in the order of their addresses.
func (s *State) Sorted() []*Resource { return sorted(s.Resources) }

// SortedDeposed does the same for the deposed objects.
func (s *State) SortedDeposed() []*Resource { return sorted(s.Deposed) }

func sorted(resources map[addr.Instance]*Resource) []*Resource {
	list := make([]*Resource, 0, len(resources))
	for _, r := range resources {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *Resource) int { return a.Address.Compare(b.Address) })
	return list
}

func (s Status) valid() bool { return s == Ready || s == Tainted || s == Unfinished }

func checkLineage(s string) error {
	if id, err := uuid.Parse(s); err != nil || id.String() != s {
		return fmt.Errorf("the lineage %q is not a UUID", s)
	}
	return nil
}

// check finds what the readers would refuse, or what would be lost.
func (r *Resource) check(at addr.Instance) error {
	switch {
	case r.Address != at:
		return fmt.Errorf("%s has the resource of %s, which is a bug", at, r.Address)
	case !r.Status.valid():
		return fmt.Errorf("%s has the unknown status %q, which is a bug", at, r.Status)
	case r.SchemaVersion < 0:
		return fmt.Errorf("%s has a negative schema version, which is a bug", at)
	case !absent(r.Attributes) && !bytes.HasPrefix(bytes.TrimSpace(r.Attributes), []byte("{")):
		return fmt.Errorf("%s has attributes that are no object, which is a bug", at)
	}
	return nil
}

func absent(raw json.RawMessage) bool {
	return len(raw) == 0 || string(raw) == "null"
}

// withStatus gives a copy, so that a record shared with the caller's state stays as it is.
func (r *Resource) withStatus(status Status) *Resource {
	c := *r
	c.Status = status
	return &c
}
