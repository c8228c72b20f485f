package providers

import (
	"context"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// The abilities of a type whose objects can become this state's, or nobody's, as they are.
type (
	// Importer finds an object that somebody else made. What is of another diyform state it
	// refuses. An update marks the object as ours.
	Importer[T, I, S any] interface {
		// ImportForm says how an id is written, for people: "[NAMESPACE/]NAME".
		ImportForm() string
		// Locate gives what an id says of the object: enough for its Places.
		Locate(id string) (T, error)
		// Import gives the object as it is. It is a pure function of the snapshot, and not
		// finding the object is an error that says what there is instead.
		Import(snap S, located *Recorded[T, I]) (*Recorded[T, I], error)
	}
	// ImportPlacer names what else a snapshot must have read for an import.
	ImportPlacer[T any] interface {
		ImportPlaces(located *T) []Place
	}
	// Releaser takes the marks of this state off objects, which stay as they are. It settles
	// each operation by Gone or Fail.
	Releaser[T, I, K any] interface {
		Release(ctx context.Context, k K, ops []*Op[T, I])
	}
	// Refuser says why objects of a type cannot be imported, or not be released, and what to do
	// instead: whole sentences.
	Refuser interface {
		RefuseImport() string
		RefuseRelease() string
	}
)

// ImportRequest asks for an object that somebody else made.
type ImportRequest struct {
	Address addr.Instance // that it shall have
	ID      string
}

// Marked gives the address that the object's marks in the kernel carry.
func (o *Object) Marked() addr.Instance { return known(o.KnownAs, o.Address) }

// Origin gives the address that the object was made at.
func (o *Object) Origin() addr.Instance { return known(o.MadeAs, o.Address) }

// Marked gives the address that the object's marks in the kernel carry.
func (r *Recorded[T, I]) Marked() addr.Instance { return known(r.KnownAs, r.Address) }

// Origin gives the address that the object was made at.
func (r *Recorded[T, I]) Origin() addr.Instance { return known(r.MadeAs, r.Address) }

func known(a, otherwise addr.Instance) addr.Instance {
	if a == (addr.Instance{}) {
		return otherwise
	}
	return a
}

// PriorMarked gives the address that the marks of what is there carry. While an object is
// being marked anew they may be those of its new address too.
func (o *Op[T, I]) PriorMarked() addr.Instance {
	if o.Prior == nil {
		return o.Address
	}
	return o.Prior.Marked()
}

func (d *definition[T, I, S, K]) ImportForm() string {
	if r, ok := d.r.(Importer[T, I, S]); ok {
		return r.ImportForm()
	}
	return ""
}

func (d *definition[T, I, S, K]) Releases() bool {
	_, ok := d.r.(Releaser[T, I, K])
	return ok
}

func (d *definition[T, I, S, K]) RefuseImport() string {
	if r, ok := d.r.(Refuser); ok {
		return r.RefuseImport()
	}
	return ""
}

func (d *definition[T, I, S, K]) RefuseRelease() string {
	if r, ok := d.r.(Refuser); ok {
		return r.RefuseRelease()
	}
	return ""
}

// locate gives what the id says, and what must be read to find it.
func (d *definition[T, I, S, K]) locate(id string) (cty.Value, []Place, error) {
	r, ok := d.r.(Importer[T, I, S])
	if !ok {
		return cty.NilVal, nil, cannotImport(d)
	}
	located, err := r.Locate(id)
	if err != nil {
		return cty.NilVal, nil, &diag.Problem{
			Summary: "Not an id of this type", Attribute: "id", Err: err,
			Detail: fmt.Sprintf("%q does not name an object of type %s: %s Write %s.", id, d.name, diag.Sentence(err.Error()), r.ImportForm()),
		}
	}
	var places []Place
	if r, ok := d.r.(ImportPlacer[T]); ok {
		places = r.ImportPlaces(&located)
	}
	return d.schema.Encode(&located), places, nil
}

func cannotImport(t Type) error {
	return &diag.Problem{
		Summary: "Resources of this type cannot be imported",
		Detail:  fmt.Sprintf("An object of type %s cannot become this state's. %s", t.Name(), t.RefuseImport()),
	}
}

func (d *definition[T, I, S, K]) imported(snap S, at addr.Instance, located cty.Value) Reading {
	r, ok := d.r.(Importer[T, I, S])
	if !ok {
		return Reading{Err: cannotImport(d)}
	}
	rec := &Recorded[T, I]{Address: at}
	rec.Attrs, _ = d.decode(located)
	got, err := r.Import(snap, rec)
	if err != nil {
		return Reading{Err: err}
	}
	return Reading{Object: d.object(got)}
}

// release is apply for operations that let go of objects.
func (d *definition[T, I, S, K]) release(ctx context.Context, k K, ops []*Op[T, I]) {
	r, ok := d.r.(Releaser[T, I, K])
	if !ok {
		for _, op := range ops {
			op.Fail(fmt.Errorf("release %s: its type cannot, which is a bug", op.Address))
		}
		return
	}
	r.Release(ctx, k, ops)
}

func (s *snapshot[S, K]) Import(ctx context.Context, requests []ImportRequest) []Reading {
	out := make([]Reading, len(requests))
	located := make([]cty.Value, len(requests))
	var places []Place
	for i, r := range requests {
		var more []Place
		located[i], more, out[i].Err = s.p.types[r.Address.Type].locate(r.ID)
		if out[i].Err == nil {
			places = append(s.scope(places, r.Address.Type, located[i]), more...)
		}
	}
	err := s.view.Load(ctx, places)
	for i, r := range requests {
		switch {
		case out[i].Err != nil:
		case err != nil:
			out[i].Err = err
		default:
			out[i] = s.p.types[r.Address.Type].imported(s.view, r.Address, located[i])
		}
	}
	return out
}

// remembered gives the addresses by which the result of an operation is known: an update that
// failed may not have marked the object anew, and what is made anew was made at its address.
func (o *Operation) remembered(failed error) (knownAs, madeAs addr.Instance) {
	if o.Action != Update || o.Prior == nil {
		return addr.Instance{}, addr.Instance{}
	}
	if failed != nil {
		knownAs = o.Prior.KnownAs
	}
	return knownAs, o.Prior.MadeAs
}
