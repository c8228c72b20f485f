package providers

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/providers/schema"
)

// Registry knows which provider has which type.
type Registry struct {
	list  []Provider
	types map[string]Type
	data  map[string]DataType
	owner map[string]Provider // by "resource TYPE" and "data TYPE"
}

// NewRegistry makes the registry of the given providers.
func NewRegistry(list ...Provider) *Registry {
	r := &Registry{list: list, types: map[string]Type{}, data: map[string]DataType{}, owner: map[string]Provider{}}
	for _, p := range list {
		for _, t := range p.Types() {
			r.types[t.Name()] = t
			r.owner["resource "+t.Name()] = p
		}
		for _, t := range p.DataTypes() {
			r.data[t.Name()] = t
			r.owner["data "+t.Name()] = p
		}
	}
	return r
}

// Type gives the resource type of that name, or nil.
func (r *Registry) Type(name string) Type { return r.types[name] }

// DataType gives the data source of that name, or nil.
func (r *Registry) DataType(name string) DataType { return r.data[name] }

// Schema gives the schema of a resource or data block's type, or nil where there is none.
func (r *Registry) Schema(a addr.Resource) *schema.Schema {
	if a.Mode == addr.Data {
		if t := r.data[a.Type]; t != nil {
			return t.Schema()
		}
		return nil
	}
	if t := r.types[a.Type]; t != nil {
		return t.Schema()
	}
	return nil
}

// TypeNames lists the resource types in alphabetical order.
func (r *Registry) TypeNames() []string { return sortedKeys(r.types) }

// DataTypeNames lists the data sources in alphabetical order.
func (r *Registry) DataTypeNames() []string { return sortedKeys(r.data) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Sessions are the open sessions of all providers, for one command.
type Sessions struct {
	registry *Registry
	open     map[Provider]Session
}

// Open opens a session with every provider.
func (r *Registry) Open(env Env) (*Sessions, error) {
	s := &Sessions{registry: r, open: map[Provider]Session{}}
	for _, p := range r.list {
		session, err := p.Open(env)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open provider %s: %w", p.Name(), err), s.Close())
		}
		s.open[p] = session
	}
	return s, nil
}

// Close closes them all.
func (s *Sessions) Close() error {
	var errs []error
	for _, session := range s.open {
		errs = append(errs, session.Close())
	}
	return errors.Join(errs...)
}

// OfType gives the session that a resource type belongs to.
func (s *Sessions) OfType(name string) Session { return s.open[s.registry.owner["resource "+name]] }

// OfDataType gives the session that a data source belongs to.
func (s *Sessions) OfDataType(name string) Session { return s.open[s.registry.owner["data "+name]] }
