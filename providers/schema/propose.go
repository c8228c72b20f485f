package schema

import (
	"slices"
	"strconv"

	"github.com/zclconf/go-cty/cty"
)

// Propose gives what the object shall be: config where it says something, else the default,
// else, for what is computed, the prior value or unknown. config is what Spec decoded to;
// prior has the implied type and is null when there is no object yet.
func (s *Schema) Propose(config, prior cty.Value) cty.Value {
	m := make(map[string]cty.Value, len(s.Attributes)+len(s.Blocks))
	for _, a := range s.Attributes {
		m[a.Name] = a.propose(part(config, a.Name, a.Type), part(prior, a.Name, a.Type))
	}
	for _, a := range s.Attributes {
		if a.CopyOf != "" {
			m[a.Name] = m[a.CopyOf]
		}
	}
	for _, b := range s.Blocks {
		m[b.Name] = b.propose(part(config, b.Name, cty.DynamicPseudoType), part(prior, b.Name, cty.DynamicPseudoType))
	}
	return cty.ObjectVal(m)
}

// part gives attribute name of v, or null when v is null or has no such attribute.
func part(v cty.Value, name string, t cty.Type) cty.Value {
	if v.IsNull() || !has(v, name) {
		return cty.NullVal(t)
	}
	return v.GetAttr(name)
}

// whole is part for a v of the implied type, which has every attribute.
func whole(v cty.Value, name string, t cty.Type) cty.Value {
	if v.IsNull() {
		return cty.NullVal(t)
	}
	return v.GetAttr(name)
}

// has is Type.HasAttribute for names that are normal already, as those of a schema are.
func has(v cty.Value, name string) bool {
	_, ok := v.Type().AttributeTypes()[name]
	return ok
}

func (a *Attribute) propose(config, prior cty.Value) cty.Value {
	if config.IsKnown() && config.IsNull() {
		switch {
		case a.Default != cty.NilVal:
			return a.Default
		case !a.Computed:
			return cty.NullVal(a.Type)
		case prior.IsNull():
			return cty.UnknownVal(a.Type)
		}
		return prior
	}
	if a.Unordered && config.IsKnown() && !prior.IsNull() && a.Equal(config, prior) {
		return prior
	}
	return config
}

func (b *Block) propose(config, prior cty.Value) cty.Value {
	if !config.IsKnown() {
		return cty.UnknownVal(b.nestedType())
	}
	switch {
	case b.Nesting != List && config.IsNull():
		return cty.NullVal(b.ImpliedType())
	case b.Nesting != List:
		return b.Propose(config, prior)
	case config.IsNull() || config.LengthInt() == 0:
		return cty.ListValEmpty(b.ImpliedType())
	}
	var old []cty.Value
	if !prior.IsNull() {
		old = prior.AsValueSlice()
	}
	var elems []cty.Value
	for i, c := range config.AsValueSlice() {
		p := cty.NullVal(b.ImpliedType())
		if i < len(old) {
			p = old[i]
		}
		elems = append(elems, b.Propose(c, p))
	}
	return cty.ListVal(elems)
}

func (b *Block) nestedType() cty.Type {
	if b.Nesting == List {
		return cty.List(b.ImpliedType())
	}
	return b.ImpliedType()
}

// Change is one attribute that differs between two objects.
type Change struct {
	Path      string // "peer.mtu", "rule.0.action"
	Attribute *Attribute
	Before    cty.Value
	After     cty.Value
	Replace   bool // the object must be replaced for it
}

// Diff lists the attributes in which after differs from before, in the schema's order. Both
// have the implied type; after may hold unknown values, which differ from everything.
func (s *Schema) Diff(before, after cty.Value) []Change {
	return s.diff(before, after, "", nil)
}

func (s *Schema) diff(before, after cty.Value, prefix string, out []Change) []Change {
	for _, a := range s.Attributes {
		x, y := whole(before, a.Name, a.Type), whole(after, a.Name, a.Type)
		if !a.Equal(x, y) {
			out = append(out, Change{Path: join(prefix, a.Name), Attribute: a, Before: x, After: y, Replace: a.Replaces(x)})
		}
	}
	for _, b := range s.Blocks {
		t := b.nestedType()
		out = b.diffBlock(part(before, b.Name, t), part(after, b.Name, t), join(prefix, b.Name), out)
	}
	return out
}

// Replaces reports whether the object must be replaced when the attribute changes from before.
func (a *Attribute) Replaces(before cty.Value) bool {
	if a.Replace || len(a.Dead) == 0 || before.IsNull() || !before.IsKnown() {
		return a.Replace
	}
	return slices.Contains(a.Dead, before.AsString())
}

func (b *Block) diffBlock(before, after cty.Value, path string, out []Change) []Change {
	whole := Change{Path: path, Before: before, After: after, Replace: b.Replace}
	switch {
	case !after.IsKnown():
		return append(out, whole)
	case before.IsNull() && after.IsNull():
		return out
	case b.Nesting != List && before.IsNull() != after.IsNull():
		return append(out, whole)
	case b.Nesting != List:
		return b.diff(before, after, path, out)
	}
	old, want := elements(before), elements(after)
	if len(old) != len(want) {
		return append(out, whole)
	}
	for i := range old {
		out = b.diff(old[i], want[i], join(path, strconv.Itoa(i)), out)
	}
	return out
}

func elements(v cty.Value) []cty.Value {
	if v.IsNull() {
		return nil
	}
	return v.AsValueSlice()
}

// Equal reports whether two values of the attribute mean the same: a null collection is an
// empty one, and the order of an unordered list does not count. Unknown equals nothing.
func (a *Attribute) Equal(x, y cty.Value) bool {
	switch {
	case a.Type.IsPrimitiveType():
		return equalPrimitives(x, y) || a.elides && saysNothing(x) && saysNothing(y)
	case a.Type == cty.DynamicPseudoType:
		return equalAny(x, y)
	}
	if !x.IsWhollyKnown() || !y.IsWhollyKnown() {
		return false
	}
	if a.Type.IsListType() || a.Type.IsMapType() {
		if isEmpty(x) || isEmpty(y) {
			return isEmpty(x) && isEmpty(y)
		}
	}
	if a.Unordered && a.Type.IsListType() {
		return sameElements(x, y)
	}
	return x.RawEquals(y)
}

func equalPrimitives(x, y cty.Value) bool {
	switch {
	case !x.IsKnown() || !y.IsKnown():
		return false
	case x.IsNull() || y.IsNull():
		return x.IsNull() && y.IsNull()
	case x.Type() == cty.String && y.Type() == cty.String:
		return x.AsString() == y.AsString()
	}
	return x.RawEquals(y)
}

// saysNothing reports whether a string or number is null, or one that an object keeps no otherwise
// than null: who writes note = "" finds null there.
func saysNothing(v cty.Value) bool {
	switch {
	case !v.IsKnown():
		return false
	case v.IsNull():
		return true
	case v.Type() == cty.String:
		return v.AsString() == ""
	}
	return v.Type() == cty.Number && v.RawEquals(cty.Zero)
}

func isEmpty(v cty.Value) bool { return v.IsNull() || v.LengthInt() == 0 }

func sameElements(x, y cty.Value) bool {
	if x.LengthInt() != y.LengthInt() {
		return false
	}
	if x.RawEquals(y) {
		return true
	}
	count := make(map[cty.Value]int, x.LengthInt())
	for _, e := range x.AsValueSlice() {
		count[e]++
	}
	for _, e := range y.AsValueSlice() {
		count[e]--
		if count[e] < 0 {
			return false
		}
	}
	return true
}

// Volatiles gives after with every volatile attribute unknown that configuration does not
// set: what becomes of an object that is about to change.
func (s *Schema) Volatiles(config, after cty.Value) cty.Value {
	if after.IsNull() || !after.IsKnown() {
		return after
	}
	m := after.AsValueMap()
	for _, a := range s.Attributes {
		if a.Volatile && part(config, a.Name, a.Type).IsNull() {
			m[a.Name] = cty.UnknownVal(a.Type)
		}
	}
	for _, b := range s.Blocks {
		if b.Nesting != List {
			m[b.Name] = b.Volatiles(part(config, b.Name, b.ImpliedType()), m[b.Name])
		}
	}
	return cty.ObjectVal(m)
}

// Same reports whether two objects of the implied type mean the same.
func (s *Schema) Same(x, y cty.Value) bool {
	if x.IsNull() || y.IsNull() {
		return x.IsNull() && y.IsNull()
	}
	return x.IsKnown() && y.IsKnown() && len(s.Diff(x, y)) == 0
}

// Settle gives actual with the recorded way of writing where both mean the same, so that an
// unordered list keeps the order in which it was configured.
func (s *Schema) Settle(recorded, actual cty.Value) cty.Value {
	if recorded.IsNull() || !recorded.IsKnown() || actual.IsNull() {
		return actual
	}
	m := actual.AsValueMap()
	for _, a := range s.Attributes {
		if r := part(recorded, a.Name, a.Type); a.Equal(r, m[a.Name]) {
			m[a.Name] = r
		}
	}
	for _, b := range s.Blocks {
		if b.Nesting != List {
			m[b.Name] = b.Settle(part(recorded, b.Name, b.ImpliedType()), m[b.Name])
		}
	}
	return cty.ObjectVal(m)
}
