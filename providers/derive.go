package providers

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
)

// Derivation is the work on an object's planned attributes between configuration and plan:
// what the user left out and what can be known before the kernel is asked.
type Derivation struct {
	Context  context.Context // who reads files is to end with it
	Address  addr.Instance   // that the object was, or is to be, made at
	Prior    *Object         // what is there, or nil
	Departed []cty.Value     // attributes of what was made at this address too, and has another one now
	Env      Env
	Config   cty.Value // what configuration says: an object of what may be set
	Planned  cty.Value // an object of the schema's implied type
}

// PriorIdentity sets the identity that into points to, to that of what is there. It reports
// false where nothing is.
func (d *Derivation) PriorIdentity(into any) bool {
	return d.Prior != nil && len(d.Prior.Identity) > 0 && json.Unmarshal(d.Prior.Identity, into) == nil
}

// IsTaken reports whether what was made at this address before, and is at another one now, has
// the value at path.
func (d *Derivation) IsTaken(path string, v cty.Value) bool {
	return slices.ContainsFunc(d.Departed, func(other cty.Value) bool {
		have := get(other, path)
		return have.IsKnown() && !have.IsNull() && have.RawEquals(v)
	})
}

// Get gives the planned value at path ("peer.name"): null where a part of the path is.
func (d *Derivation) Get(path string) cty.Value { return get(d.Planned, path) }

func get(v cty.Value, path string) cty.Value {
	for name := range strings.SplitSeq(path, ".") {
		if v.IsNull() {
			return cty.NullVal(cty.DynamicPseudoType)
		}
		if !v.IsKnown() {
			return cty.DynamicVal
		}
		v = v.GetAttr(name)
	}
	return v
}

// Default sets the attribute at path when neither configuration nor the prior object gave
// it a value: when it is unknown because it is computed.
func (d *Derivation) Default(path string, v cty.Value) {
	if get(d.Config, path).IsNull() && !d.Get(path).IsKnown() {
		d.Set(path, v)
	}
}

// Set sets the attribute at path.
func (d *Derivation) Set(path string, v cty.Value) {
	d.Planned = set(d.Planned, strings.Split(path, "."), v)
}

func set(obj cty.Value, path []string, v cty.Value) cty.Value {
	if obj.IsNull() || !obj.IsKnown() {
		return obj
	}
	m := obj.AsValueMap()
	if len(path) == 1 {
		m[path[0]] = v
	} else {
		m[path[0]] = set(m[path[0]], path[1:], v)
	}
	return cty.ObjectVal(m)
}

// ObjectName is what names an object where configuration gives no name: the resource's name,
// with the module's before it and the instance key after it. `veth_pair.h["a"]` is h-a, and
// in `module.lab["b"]` it is lab-b-h-a.
func ObjectName(a addr.Instance) string {
	var parts []string
	for _, step := range append(a.Module.Steps(), addr.ModuleStep{Name: a.Name, Key: a.Key}) {
		parts = append(parts, step.Name)
		if s, ok := step.Key.Str(); ok {
			parts = append(parts, s)
		} else if i, ok := step.Key.Int(); ok {
			parts = append(parts, strconv.Itoa(i))
		}
	}
	return strings.Map(nameByte, strings.Join(parts, "-"))
}

// nameByte keeps what the kernel allows in every kind of name.
func nameByte(r rune) rune {
	if r == '/' || r == ':' || r <= ' ' || r == 0x7f {
		return '_'
	}
	return r
}
