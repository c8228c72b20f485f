// Package schema derives everything the engine knows of a resource type from one Go struct
// with tags: how its block decodes, which attributes may be set, what is computed, what
// forces replacement, its documentation.
//
// It is not for values of a certain type: those are in the providers. Start with Of.
//
// The tags of a field:
//
//	diy:"name,flag,..."  the attribute's or block's name, and flags:
//	                       required   must be set
//	                       computed   set by diyform when left out; without optional, never settable
//	                       optional   may be set (the default where neither required nor computed)
//	                       replace    a change replaces the object
//	                       volatile   computed anew whenever the object changes
//	                       unordered  a list whose order means nothing
//	                       sensitive  never shown
//	                       block      a nested block: struct (required), *struct (optional), []struct
//	default:"value"      the value when left out
//	format:"name"        what the string must be, see formats
//	enum:"a,b"           the strings allowed
//	min:"n" max:"n"      bounds of a number, inclusive
//	copy:"name"          the attribute that this one is always the same as
//	dead:"a,b"           values that no update leaves: from them, a change replaces the object
//	unit:"seconds"       for the documentation
//	doc:"text"           for the documentation
package schema

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"
)

// Version is that of every schema so far.
const Version = 1

// Schema describes a block's content: of a resource, a data source or a nested block.
type Schema struct {
	Attributes []*Attribute
	Blocks     []*Block

	goType       reflect.Type
	ctyType      cty.Type
	spec         hcldec.ObjectSpec
	settableType cty.Type // what spec decodes to
	hasSensitive bool     // here or in a nested block
}

// Attribute describes one argument.
type Attribute struct {
	Name      string
	Type      cty.Type
	Required  bool
	Optional  bool
	Computed  bool
	Replace   bool
	Volatile  bool
	Unordered bool
	Sensitive bool
	Default   cty.Value // cty.NilVal when there is none
	Format    string    // a key of formats, or ""
	Enum      []string
	Dead      []string // values of a string from which a change replaces the object
	CopyOf    string   // the attribute that it is always the same as, or ""
	Min, Max  *int64
	Unit      string
	Doc       string

	field  int
	number reflect.Kind // of the Go type that holds it, where it is or holds numbers
	elides bool         // zero in the Go type stands for null: see nullable
}

// Nesting says how often a nested block may stand in its parent.
type Nesting uint8

const (
	One      Nesting = iota // exactly once
	Optional                // at most once
	List                    // any number of times
)

// Block describes one nested block type.
type Block struct {
	Name    string
	Nesting Nesting
	Replace bool // a change of its presence replaces the object
	Doc     string
	*Schema

	field int
}

// cache holds the schema of each struct type: a map[reflect.Type]*Schema.
var cache sync.Map

// Of gives the schema of the struct type T. It panics on a malformed tag, which is a bug.
func Of[T any]() *Schema { return of(reflect.TypeFor[T]()) }

func of(t reflect.Type) *Schema {
	if s, ok := cache.Load(t); ok {
		return s.(*Schema)
	}
	s := &Schema{goType: t}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("diy")
		if !ok {
			panic(fmt.Sprintf("schema of %s: field %s has no diy tag", t, f.Name))
		}
		s.add(i, f, strings.Split(tag, ","))
	}
	s.ctyType = s.impliedType()
	s.spec = s.decoderSpec()
	s.settableType = hcldec.ImpliedType(s.spec)
	cache.Store(t, s)
	return s
}

func (s *Schema) add(i int, f reflect.StructField, tag []string) {
	has := func(flag string) bool {
		for _, t := range tag[1:] {
			if t == flag {
				return true
			}
		}
		return false
	}
	if has("block") {
		b := newBlock(i, f, tag[0], has("replace"))
		s.Blocks = append(s.Blocks, b)
		s.hasSensitive = s.hasSensitive || b.hasSensitive
		return
	}
	a := &Attribute{
		Name: tag[0], field: i, number: numberKind(f.Type), Type: typeOf(f.Type),
		Required: has("required"), Computed: has("computed"), Replace: has("replace"),
		Volatile: has("volatile"), Unordered: has("unordered"), Sensitive: has("sensitive"),
		Format: f.Tag.Get("format"), Unit: f.Tag.Get("unit"), Doc: f.Tag.Get("doc"), CopyOf: f.Tag.Get("copy"),
	}
	a.Optional = has("optional") || !a.Required && !a.Computed
	if d, ok := f.Tag.Lookup("default"); ok {
		a.Default = parseDefault(d, a.Type)
	}
	if e := f.Tag.Get("enum"); e != "" {
		a.Enum = strings.Split(e, ",")
	}
	if dead := f.Tag.Get("dead"); dead != "" {
		a.Dead = strings.Split(dead, ",")
	}
	a.Min, a.Max = bound(f, "min"), bound(f, "max")
	a.elides = a.nullable() && a.Type.IsPrimitiveType() && f.Type.Kind() != reflect.Pointer
	if _, ok := formats[a.Format]; a.Format != "" && !ok {
		panic(fmt.Sprintf("schema: attribute %s has the unknown format %q", a.Name, a.Format))
	}
	s.Attributes = append(s.Attributes, a)
	s.hasSensitive = s.hasSensitive || a.Sensitive
}

func newBlock(i int, f reflect.StructField, name string, replace bool) *Block {
	b := &Block{Name: name, field: i, Doc: f.Tag.Get("doc"), Replace: replace}
	t := f.Type
	switch t.Kind() {
	case reflect.Pointer:
		b.Nesting, t = Optional, t.Elem()
	case reflect.Slice:
		b.Nesting, t = List, t.Elem()
	}
	b.Schema = of(t)
	if b.Nesting == List && b.hasAny() {
		panic(fmt.Sprintf("schema: block %s may be given several times and has an attribute of any type", name))
	}
	return b
}

func bound(f reflect.StructField, tag string) *int64 {
	s, ok := f.Tag.Lookup(tag)
	if !ok {
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("schema: field %s: tag %s: %v", f.Name, tag, err))
	}
	return &n
}

func typeOf(t reflect.Type) cty.Type {
	switch t.Kind() {
	case reflect.String:
		return cty.String
	case reflect.Bool:
		return cty.Bool
	case reflect.Int, reflect.Int64, reflect.Uint32, reflect.Uint64, reflect.Float64:
		return cty.Number
	case reflect.Pointer:
		return typeOf(t.Elem())
	case reflect.Slice:
		return cty.List(typeOf(t.Elem()))
	case reflect.Map:
		return cty.Map(typeOf(t.Elem()))
	case reflect.Struct:
		if t == anyType {
			return cty.DynamicPseudoType
		}
		return of(t).ImpliedType()
	}
	panic(fmt.Sprintf("schema: Go type %s has no counterpart in the language", t))
}

var anyType = reflect.TypeFor[Any]()

func numberKind(t reflect.Type) reflect.Kind {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	return t.Kind()
}

func parseDefault(s string, t cty.Type) cty.Value {
	switch t {
	case cty.String:
		return cty.StringVal(s)
	case cty.Bool:
		return cty.BoolVal(s == "true")
	case cty.Number:
		return cty.MustParseNumberVal(s)
	}
	if t.IsListType() && s == "" {
		return cty.ListValEmpty(t.ElementType())
	}
	panic(fmt.Sprintf("schema: no default %q for %s", s, t.FriendlyName()))
}

// ImpliedType is the type of the object that the engine works with: all attributes, the
// computed ones too, and the nested blocks.
func (s *Schema) ImpliedType() cty.Type { return s.ctyType }

func (s *Schema) impliedType() cty.Type {
	m := make(map[string]cty.Type, len(s.Attributes)+len(s.Blocks))
	for _, a := range s.Attributes {
		m[a.Name] = a.Type
	}
	for _, b := range s.Blocks {
		if b.Nesting == List {
			m[b.Name] = cty.List(b.ImpliedType())
		} else {
			m[b.Name] = b.ImpliedType()
		}
	}
	return cty.Object(m)
}

// Spec decodes a block's body into an object of what may be set in configuration.
func (s *Schema) Spec() hcldec.Spec { return s.spec }

// SettableType is the type of what Spec decodes to.
func (s *Schema) SettableType() cty.Type { return s.settableType }

func (s *Schema) decoderSpec() hcldec.ObjectSpec {
	spec := make(hcldec.ObjectSpec, len(s.Attributes)+len(s.Blocks))
	for _, a := range s.Attributes {
		if a.Settable() {
			spec[a.Name] = &hcldec.AttrSpec{Name: a.Name, Type: a.Type, Required: a.Required}
		}
	}
	for _, b := range s.Blocks {
		switch b.Nesting {
		case List:
			spec[b.Name] = &hcldec.BlockListSpec{TypeName: b.Name, Nested: b.spec}
		default:
			spec[b.Name] = &hcldec.BlockSpec{TypeName: b.Name, Nested: b.spec, Required: b.Nesting == One}
		}
	}
	return spec
}

// Settable reports whether configuration may set the attribute.
func (a *Attribute) Settable() bool { return a.Required || a.Optional }

// Attribute gives the attribute of that name, or nil.
func (s *Schema) Attribute(name string) *Attribute {
	for _, a := range s.Attributes {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Block gives the nested block type of that name, or nil.
func (s *Schema) Block(name string) *Block {
	for _, b := range s.Blocks {
		if b.Name == name {
			return b
		}
	}
	return nil
}
