package schema

import (
	"fmt"
	"math/big"
	"reflect"

	"github.com/zclconf/go-cty/cty"
)

// Unknown is the set of attribute paths whose values are not known yet: "mtu", "peer.name".
// A path stands for everything below it too.
type Unknown map[string]bool

// Has reports whether the attribute at path is unknown.
func (u Unknown) Has(path string) bool {
	if len(u) == 0 {
		return false
	}
	for i := range path {
		if path[i] == '.' && u[path[:i]] {
			return true
		}
	}
	return u[path]
}

// Decode sets the struct that into points to from v, an object of the schema's implied type
// or of the part that can be set. Null gives the zero value; unknown does too and is reported.
func (s *Schema) Decode(v cty.Value, into any) Unknown {
	p := reflect.ValueOf(into)
	if p.Kind() != reflect.Pointer || p.Elem().Type() != s.goType {
		panic(fmt.Sprintf("schema of %s: decode into %s", s.goType, p.Type()))
	}
	var u Unknown
	s.decode(v, p.Elem(), "", &u)
	return u
}

func (s *Schema) decode(v cty.Value, into reflect.Value, prefix string, u *Unknown) {
	if v.IsNull() {
		return
	}
	if !v.IsKnown() {
		u.add(prefix)
		return
	}
	all := len(v.Type().AttributeTypes()) == len(s.Attributes)+len(s.Blocks)
	for _, a := range s.Attributes {
		if all || has(v, a.Name) {
			decodeValue(v.GetAttr(a.Name), into.Field(a.field), join(prefix, a.Name), u)
		}
	}
	for _, b := range s.Blocks {
		if all || has(v, b.Name) {
			b.decodeBlock(v.GetAttr(b.Name), into.Field(b.field), join(prefix, b.Name), u)
		}
	}
}

func (b *Block) decodeBlock(v cty.Value, into reflect.Value, path string, u *Unknown) {
	if v.IsNull() {
		return
	}
	if !v.IsKnown() {
		u.add(path)
		return
	}
	switch b.Nesting {
	case One:
		b.decode(v, into, path, u)
	case Optional:
		into.Set(reflect.New(b.goType))
		b.decode(v, into.Elem(), path, u)
	case List:
		into.Set(reflect.MakeSlice(into.Type(), v.LengthInt(), v.LengthInt()))
		i := 0
		for it := v.ElementIterator(); it.Next(); i++ {
			_, e := it.Element()
			b.decode(e, into.Index(i), fmt.Sprintf("%s.%d", path, i), u)
		}
	}
}

func decodeValue(v cty.Value, into reflect.Value, path string, u *Unknown) {
	if v.IsNull() {
		return
	}
	if !v.IsKnown() {
		u.add(path)
		return
	}
	if into.Type() == anyType {
		if !v.IsWhollyKnown() {
			u.add(path)
			return
		}
		into.Set(reflect.ValueOf(Any{v}))
		return
	}
	switch into.Kind() {
	case reflect.String:
		into.SetString(v.AsString())
	case reflect.Bool:
		into.SetBool(v.True())
	case reflect.Int, reflect.Int64:
		n, _ := v.AsBigFloat().Int64()
		into.SetInt(n)
	case reflect.Uint32, reflect.Uint64:
		n, _ := v.AsBigFloat().Uint64()
		into.SetUint(n)
	case reflect.Float64:
		f, _ := v.AsBigFloat().Float64()
		into.SetFloat(f)
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		decodeValue(v, into.Elem(), path, u)
	case reflect.Slice:
		into.Set(reflect.MakeSlice(into.Type(), v.LengthInt(), v.LengthInt()))
		i := 0
		for it := v.ElementIterator(); it.Next(); i++ {
			_, e := it.Element()
			decodeValue(e, into.Index(i), path, u)
		}
	case reflect.Map:
		into.Set(reflect.MakeMapWithSize(into.Type(), v.LengthInt()))
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			elem := reflect.New(into.Type().Elem()).Elem()
			decodeValue(e, elem, path, u)
			into.SetMapIndex(reflect.ValueOf(k.AsString()), elem)
		}
	case reflect.Struct:
		of(into.Type()).decode(v, into, path, u)
	}
}

func (u *Unknown) add(path string) {
	if *u == nil {
		*u = Unknown{}
	}
	(*u)[path] = true
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// Encode gives the object of the schema's implied type for the struct from (or a pointer to
// it). A zero string or number is null where the attribute may be left out.
func (s *Schema) Encode(from any) cty.Value {
	v := reflect.ValueOf(from)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return s.encode(v)
}

func (s *Schema) encode(v reflect.Value) cty.Value {
	m := make(map[string]cty.Value, len(s.Attributes)+len(s.Blocks))
	for _, a := range s.Attributes {
		f := v.Field(a.field)
		if f.IsZero() && a.nullable() {
			m[a.Name] = cty.NullVal(a.Type)
			continue
		}
		m[a.Name] = encodeValue(f, a.Type)
	}
	for _, b := range s.Blocks {
		m[b.Name] = b.encodeBlock(v.Field(b.field))
	}
	return cty.ObjectVal(m)
}

// nullable reports whether a zero Go value means that the attribute is left out. With a
// default, or when it must be set, zero is a value like any other.
func (a *Attribute) nullable() bool {
	return !a.Required && a.Default == cty.NilVal && a.Type != cty.Bool
}

func (b *Block) encodeBlock(v reflect.Value) cty.Value {
	switch b.Nesting {
	case Optional:
		if v.IsNil() {
			return cty.NullVal(b.ImpliedType())
		}
		return b.encode(v.Elem())
	case List:
		if v.Len() == 0 {
			return cty.ListValEmpty(b.ImpliedType())
		}
		elems := make([]cty.Value, v.Len())
		for i := range elems {
			elems[i] = b.encode(v.Index(i))
		}
		return cty.ListVal(elems)
	}
	return b.encode(v)
}

func encodeValue(v reflect.Value, t cty.Type) cty.Value {
	switch v.Kind() {
	case reflect.String:
		return cty.StringVal(v.String())
	case reflect.Bool:
		return cty.BoolVal(v.Bool())
	case reflect.Int, reflect.Int64:
		return cty.NumberIntVal(v.Int())
	case reflect.Uint32, reflect.Uint64:
		return cty.NumberUIntVal(v.Uint())
	case reflect.Float64:
		return cty.NumberVal(big.NewFloat(v.Float()))
	case reflect.Pointer:
		if v.IsNil() {
			return cty.NullVal(t)
		}
		return encodeValue(v.Elem(), t)
	case reflect.Slice:
		if v.Len() == 0 {
			return cty.ListValEmpty(t.ElementType())
		}
		elems := make([]cty.Value, v.Len())
		for i := range elems {
			elems[i] = encodeValue(v.Index(i), t.ElementType())
		}
		return cty.ListVal(elems)
	case reflect.Map:
		if v.Len() == 0 {
			return cty.MapValEmpty(t.ElementType())
		}
		elems := make(map[string]cty.Value, v.Len())
		for it := v.MapRange(); it.Next(); {
			elems[it.Key().String()] = encodeValue(it.Value(), t.ElementType())
		}
		return cty.MapVal(elems)
	case reflect.Struct:
		if v.Type() == anyType {
			return v.Interface().(Any).value()
		}
		return of(v.Type()).encode(v)
	}
	panic(fmt.Sprintf("schema: Go type %s has no counterpart in the language", v.Type()))
}
