package providers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers/schema"
)

// Resource is what the file of a resource type gives: T is its struct of attributes with
// tags, I its identity (both plain data), S the provider's snapshot and K its session with
// the kernel. A type may also have any of the methods of Deriver, Validator, Conflicter,
// Placer, Batcher, Checker, UpdateChecker, Laster and Preparer.
type Resource[T, I, S, K any] interface {
	// Read gives what the snapshot holds of the recorded object, or nil when it is gone.
	// It is a pure function. An unfinished object has the identity that Prepare gave.
	Read(snap S, recorded *Recorded[T, I]) (*Recorded[T, I], error)
	// Apply carries out operations of one action and batch name and settles each one by
	// Done, Gone, Fail or FailPartly.
	Apply(ctx context.Context, k K, action Action, ops []*Op[T, I])
}

// The optional abilities of a Resource.
type (
	// Deriver fills in names and the like.
	Deriver interface{ Derive(d *Derivation) }
	// Validator tells what is wrong between attributes. What is unknown has its zero value.
	Validator[T any] interface {
		Validate(v *T, unknown schema.Unknown) error
	}
	// Placer tells what the object occupies and needs.
	Placer[T any] interface {
		Places(v *T, unknown schema.Unknown) Places
	}
	// Batcher names the operations that should come together.
	Batcher[T any] interface{ Batch(v *T) string }
	// Checker tells what would stand in the way of creating the object, or of giving it a new
	// place: its present ones are among those vacated.
	Checker[T, S any] interface {
		Check(snap S, p *Proposed[T]) error
	}
	// UpdateChecker does the same for what changes in place and keeps its places.
	UpdateChecker[T, S any] interface {
		CheckUpdate(snap S, p *Proposed[T]) error
	}
	// Laster is a type whose objects a reboot leaves: files on disk.
	Laster interface{ Lasts() }
	// Preparer reads what must be on record before the kernel is changed, and returns the
	// identity-to-be. Without it the intent is the prior identity, or the zero I.
	Preparer[T, I, K any] interface {
		Prepare(ctx context.Context, k K, op *Op[T, I]) (I, error)
	}
)

// Recorded is an Object, typed.
type Recorded[T, I any] struct {
	Address    addr.Instance
	Attrs      T
	Identity   I
	Unfinished bool
	KnownAs    addr.Instance // see Marked
	MadeAs     addr.Instance
}

// Proposed is a Proposal, typed.
type Proposed[T any] struct {
	Context context.Context // who reads files is to end with it
	Address addr.Instance
	Attrs   T
	Unknown schema.Unknown
	// Vacated are places that the same plan frees before, Promised those that it fills.
	Vacated, Promised map[Place]bool
}

// Op is an Operation, typed.
type Op[T, I any] struct {
	Action  Action
	Address addr.Instance
	Prior   *Recorded[T, I] // update, delete
	Planned T               // create, update
	Unknown schema.Unknown  // which of Planned the provider is to compute
	Follows bool            // see Operation
	Intent  I               // what Prepare returned

	settle   func(attrs *T, identity *I, err error)
	warn     func(*diag.Problem)
	progress func(string)
	run      context.Context
	settled  bool
}

// Warn adds something that the user should know although the operation succeeds. It comes
// before the operation is settled.
func (o *Op[T, I]) Warn(p *diag.Problem) { o.warn(p) }

// Progress tells the user what the operation is waiting for, or how far it has come: one line
// without a full stop.
func (o *Op[T, I]) Progress(text string) {
	if o.progress != nil {
		o.progress(text)
	}
}

// ErrInterrupted is why a wait ended: the user interrupted the run.
var ErrInterrupted = errors.New("interrupted")

// Waiting gives a context for what only waits, and changes nothing. It ends with ctx, and with
// ErrInterrupted when the user interrupts the run, which operations that change something
// must not.
func (o *Op[T, I]) Waiting(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if o.run == nil {
		return ctx, func() { cancel(nil) }
	}
	stop := context.AfterFunc(o.run, func() { cancel(ErrInterrupted) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// Done settles the operation: the object is there, with these attributes and identity.
func (o *Op[T, I]) Done(attrs T, identity I) { o.finish(&attrs, &identity, nil) }

// Gone settles a delete: nothing is left.
func (o *Op[T, I]) Gone() { o.finish(nil, nil, nil) }

// Fail settles the operation: it changed nothing.
func (o *Op[T, I]) Fail(err error) { o.finish(nil, nil, err) }

// FailPartly settles the operation: it failed, and this is what is there now.
func (o *Op[T, I]) FailPartly(attrs T, identity I, err error) { o.finish(&attrs, &identity, err) }

// Settled reports whether the operation was settled.
func (o *Op[T, I]) Settled() bool { return o.settled }

func (o *Op[T, I]) finish(attrs *T, identity *I, err error) {
	if o.settled {
		panic(fmt.Sprintf("operation %s of %s settled twice, which is a bug", o.Action, o.Address))
	}
	o.settled = true
	o.settle(attrs, identity, err)
}

// Def is a resource type tied to its provider's snapshot and session types.
type Def[S, K any] interface {
	Type
	read(snap S, o *Object) Reading
	check(ctx context.Context, snap S, p Proposal) error
	locate(id string) (cty.Value, []Place, error)
	imported(snap S, at addr.Instance, located cty.Value) Reading
	prepare(ctx context.Context, k K, op *Operation)
	apply(ctx context.Context, k K, ops []*Operation, done func(*Operation))
}

// Define makes a resource type of what its file gives. doc is one or two sentences for the
// reference.
func Define[T, I, S, K any](name, doc string, r Resource[T, I, S, K]) Def[S, K] {
	return &definition[T, I, S, K]{name: name, doc: doc, schema: schema.Of[T](), r: r}
}

type definition[T, I, S, K any] struct {
	name, doc string
	schema    *schema.Schema
	r         Resource[T, I, S, K]
}

func (d *definition[T, I, S, K]) Name() string           { return d.name }
func (d *definition[T, I, S, K]) Doc() string            { return d.doc }
func (d *definition[T, I, S, K]) Schema() *schema.Schema { return d.schema }

func (d *definition[T, I, S, K]) decode(v cty.Value) (attrs T, unknown schema.Unknown) {
	unknown = d.schema.Decode(v, &attrs)
	return attrs, unknown
}

func (d *definition[T, I, S, K]) Derive(v *Derivation) {
	if r, ok := d.r.(Deriver); ok {
		r.Derive(v)
	}
}

func (d *definition[T, I, S, K]) Validate(v cty.Value) error {
	r, ok := d.r.(Validator[T])
	if !ok {
		return nil
	}
	attrs, unknown := d.decode(v)
	return r.Validate(&attrs, unknown)
}

func (d *definition[T, I, S, K]) Conflicts(v cty.Value, others Others) error {
	r, ok := d.r.(Conflicter[T])
	if !ok {
		return nil
	}
	attrs, unknown := d.decode(v)
	return r.Conflicts(&attrs, unknown, others)
}

func (d *definition[T, I, S, K]) Places(v cty.Value) Places {
	r, ok := d.r.(Placer[T])
	if !ok || v.IsNull() {
		return Places{}
	}
	attrs, unknown := d.decode(v)
	return r.Places(&attrs, unknown)
}

func (d *definition[T, I, S, K]) Batch(v cty.Value) string {
	r, ok := d.r.(Batcher[T])
	if !ok || v.IsNull() {
		return ""
	}
	attrs, _ := d.decode(v)
	return r.Batch(&attrs)
}

func (d *definition[T, I, S, K]) recorded(o *Object) (*Recorded[T, I], error) {
	out := &Recorded[T, I]{Address: o.Address, Unfinished: o.Unfinished, KnownAs: o.KnownAs, MadeAs: o.MadeAs}
	out.Attrs, _ = d.decode(o.Attributes)
	if len(o.Identity) > 0 {
		dec := json.NewDecoder(bytes.NewReader(o.Identity))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&out.Identity); err != nil {
			return nil, fmt.Errorf("read the recorded identity of %s: %w", o.Address, err)
		}
	}
	return out, nil
}

func (d *definition[T, I, S, K]) object(r *Recorded[T, I]) *Object {
	return &Object{
		Address:    r.Address,
		Attributes: d.schema.Encode(&r.Attrs),
		Identity:   encodeIdentity(r.Identity),
		Unfinished: r.Unfinished,
		KnownAs:    r.KnownAs,
		MadeAs:     r.MadeAs,
	}
}

func encodeIdentity(identity any) json.RawMessage {
	b, err := json.Marshal(identity)
	if err != nil {
		panic(fmt.Sprintf("an identity of type %T does not encode, which is a bug: %v", identity, err))
	}
	return b
}

func (d *definition[T, I, S, K]) read(snap S, o *Object) Reading {
	rec, err := d.recorded(o)
	if err != nil {
		return Reading{Err: err}
	}
	got, err := d.r.Read(snap, rec)
	if err != nil || got == nil {
		return Reading{Err: err}
	}
	if d.asRecorded(o, got) {
		return Reading{Object: o}
	}
	out := d.object(got)
	out.Attributes = d.schema.Settle(o.Attributes, out.Attributes)
	return Reading{Object: out}
}

// asRecorded reports whether what was read is what is recorded, as most is in most runs. The
// recorded attributes are decoded once more: Read may have written to those it was given.
func (d *definition[T, I, S, K]) asRecorded(o *Object, got *Recorded[T, I]) bool {
	if o.Unfinished || got.Unfinished || !bytes.Equal(o.Identity, encodeIdentity(got.Identity)) {
		return false
	}
	attrs, _ := d.decode(o.Attributes)
	return reflect.DeepEqual(attrs, got.Attrs)
}

func (d *definition[T, I, S, K]) Lasts() bool {
	_, ok := d.r.(Laster)
	return ok
}

func (d *definition[T, I, S, K]) ChecksUpdates() bool {
	_, ok := d.r.(UpdateChecker[T, S])
	return ok
}

func (d *definition[T, I, S, K]) check(ctx context.Context, snap S, p Proposal) error {
	attrs, unknown := d.decode(p.Planned)
	proposed := &Proposed[T]{Context: ctx, Address: p.Address, Attrs: attrs, Unknown: unknown, Vacated: p.Vacated, Promised: p.Promised}
	if r, ok := d.r.(UpdateChecker[T, S]); ok && p.InPlace {
		return r.CheckUpdate(snap, proposed)
	}
	if r, ok := d.r.(Checker[T, S]); ok && !p.InPlace {
		return r.Check(snap, proposed)
	}
	return nil
}

func (d *definition[T, I, S, K]) op(o *Operation) (*Op[T, I], error) {
	out := &Op[T, I]{
		Action: o.Action, Address: o.Address, Follows: o.Follows, progress: o.Progress, run: o.Run,
	}
	if o.Action != Delete && o.Action != Release {
		out.Planned, out.Unknown = d.decode(o.Planned)
	}
	if o.Prior != nil {
		prior, err := d.recorded(o.Prior)
		if err != nil {
			return nil, err
		}
		out.Prior, out.Intent = prior, prior.Identity
	}
	if len(o.Intent) > 0 {
		var intent I // a new one: what the JSON leaves out must not be the prior identity's
		if err := json.Unmarshal(o.Intent, &intent); err != nil {
			return nil, fmt.Errorf("read the intended identity of %s: %w", o.Address, err)
		}
		out.Intent = intent
	}
	return out, nil
}

func (d *definition[T, I, S, K]) prepare(ctx context.Context, k K, o *Operation) {
	op, err := d.op(o)
	if err != nil {
		o.Err = err
		return
	}
	if r, ok := d.r.(Preparer[T, I, K]); ok && o.Action != Release {
		op.Intent, err = r.Prepare(ctx, k, op)
		if err != nil {
			o.Err = err
			return
		}
	}
	o.Intent = encodeIdentity(op.Intent)
}

func (d *definition[T, I, S, K]) apply(ctx context.Context, k K, list []*Operation, done func(*Operation)) {
	ops := make([]*Op[T, I], 0, len(list))
	for _, o := range list {
		op, err := d.op(o)
		if err != nil {
			o.Err = err
			done(o)
			continue
		}
		op.warn = func(p *diag.Problem) { o.Warnings = append(o.Warnings, p) }
		op.settle = func(attrs *T, identity *I, err error) {
			o.Err = err
			if attrs != nil {
				o.Result = d.object(&Recorded[T, I]{Address: o.Address, Attrs: *attrs, Identity: *identity})
				o.Result.KnownAs, o.Result.MadeAs = o.remembered(err)
				o.Result.Attributes = d.schema.Settle(o.Planned, o.Result.Attributes)
			}
			done(o)
		}
		ops = append(ops, op)
	}
	if len(ops) == 0 {
		return
	}
	if ops[0].Action == Release {
		d.release(ctx, k, ops)
	} else {
		d.r.Apply(ctx, k, ops[0].Action, ops)
	}
	for _, op := range ops {
		if !op.settled {
			op.Fail(fmt.Errorf("%s of %s was not carried out: %w", op.Action, op.Address, context.Cause(ctx)))
		}
	}
}
