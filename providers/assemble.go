package providers

import (
	"context"
	"io"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/providers/schema"
)

// View is what a provider's snapshot type must have: Load reads the parts of the kernel that
// the places are in, each once, and leaves alone what was read before.
type View interface {
	Load(ctx context.Context, places []Place) error
}

// Parts is what Assemble makes a Provider of. S is the provider's snapshot, K its session.
type Parts[S View, K io.Closer] struct {
	Name      string
	Resources []Def[S, K]
	Data      []DataDef[K]
	Open      func(Env) (K, error)
	Snapshot  func(K) S
}

// Assemble makes a provider.
func Assemble[S View, K io.Closer](parts Parts[S, K]) Provider {
	p := &provider[S, K]{Parts: parts, types: map[string]Def[S, K]{}, data: map[string]DataDef[K]{}}
	for _, d := range parts.Resources {
		p.types[d.Name()] = d
	}
	for _, d := range parts.Data {
		p.data[d.Name()] = d
	}
	return p
}

type provider[S View, K io.Closer] struct {
	Parts[S, K]
	types map[string]Def[S, K]
	data  map[string]DataDef[K]
}

func (p *provider[S, K]) Name() string { return p.Parts.Name }

func (p *provider[S, K]) Types() []Type {
	var out []Type
	for _, d := range p.Resources {
		out = append(out, d)
	}
	return out
}

func (p *provider[S, K]) DataTypes() []DataType {
	var out []DataType
	for _, d := range p.Data {
		out = append(out, d)
	}
	return out
}

func (p *provider[S, K]) Open(env Env) (Session, error) {
	k, err := p.Parts.Open(env)
	if err != nil {
		return nil, err
	}
	return &session[S, K]{p: p, k: k}, nil
}

type session[S View, K io.Closer] struct {
	p *provider[S, K]
	k K
}

func (s *session[S, K]) Close() error { return s.k.Close() }

func (s *session[S, K]) Snapshot() Snapshot {
	return &snapshot[S, K]{session: s, view: s.p.Parts.Snapshot(s.k)}
}

func (s *session[S, K]) Prepare(ctx context.Context, ops []*Operation) {
	for _, o := range ops {
		s.p.types[o.Type].prepare(ctx, s.k, o)
	}
}

func (s *session[S, K]) Apply(ctx context.Context, ops []*Operation, done func(*Operation)) {
	if len(ops) > 0 {
		s.p.types[ops[0].Type].apply(ctx, s.k, ops, done)
	}
}

func (s *session[S, K]) Data(ctx context.Context, dataType string, config cty.Value) (cty.Value, error) {
	return s.p.data[dataType].read(ctx, s.k, config)
}

type snapshot[S View, K io.Closer] struct {
	*session[S, K]
	view S
}

func (s *snapshot[S, K]) Read(ctx context.Context, objects []*Object) []Reading {
	out := make([]Reading, len(objects))
	var places []Place
	for _, o := range objects {
		places = s.scope(places, o.Address.Type, o.Attributes)
	}
	if err := s.view.Load(ctx, places); err != nil {
		for i := range out {
			out[i].Err = err
		}
		return out
	}
	for i, o := range objects {
		out[i] = s.p.types[o.Address.Type].read(s.view, o)
	}
	return out
}

func (s *snapshot[S, K]) Check(ctx context.Context, proposals []Proposal) []error {
	out := make([]error, len(proposals))
	var places []Place
	for _, p := range proposals {
		places = s.scope(places, p.Address.Type, p.Planned)
	}
	if err := s.view.Load(ctx, places); err != nil {
		for i := range out {
			out[i] = err
		}
		return out
	}
	for i, p := range proposals {
		out[i] = s.p.types[p.Address.Type].check(ctx, s.view, p)
	}
	return out
}

func (s *snapshot[S, K]) scope(places []Place, typ string, v cty.Value) []Place {
	p := s.p.types[typ].Places(v)
	return append(append(append(places, p.Within...), p.Uses...), p.Holds...)
}

// DataSource is what the file of a data source gives: Read fills in v's computed attributes.
type DataSource[T, K any] interface {
	Read(ctx context.Context, k K, v *T) error
}

// DataDef is a data source tied to its provider's session type.
type DataDef[K any] interface {
	DataType
	read(ctx context.Context, k K, config cty.Value) (cty.Value, error)
}

// DefineData makes a data source of what its file gives.
func DefineData[T, K any](name, doc string, source DataSource[T, K]) DataDef[K] {
	return &dataDefinition[T, K]{name: name, doc: doc, schema: schema.Of[T](), source: source}
}

type dataDefinition[T, K any] struct {
	name, doc string
	schema    *schema.Schema
	source    DataSource[T, K]
}

func (d *dataDefinition[T, K]) Name() string           { return d.name }
func (d *dataDefinition[T, K]) Doc() string            { return d.doc }
func (d *dataDefinition[T, K]) Schema() *schema.Schema { return d.schema }

func (d *dataDefinition[T, K]) read(ctx context.Context, k K, config cty.Value) (cty.Value, error) {
	var v T
	d.schema.Decode(config, &v)
	if err := d.source.Read(ctx, k, &v); err != nil {
		return cty.NilVal, err
	}
	return d.schema.Settle(config, d.schema.Encode(&v)), nil
}
