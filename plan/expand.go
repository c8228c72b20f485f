package plan

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/marks"
)

// expansion says which instances a block has.
type expansion struct {
	kind   expansionKind
	keys   []addr.Key // sorted
	each   map[addr.Key]cty.Value
	late   bool // parts of each are known only after apply
	exists map[addr.Key]bool
}

type expansionKind uint8

const (
	unexpanded expansionKind = iota
	single
	byCount
	byForEach
)

func (x *expansion) has(k addr.Key) bool { return x.exists[k] }

// repetition gives the each or count object of an instance.
func (x *expansion) repetition(k addr.Key) map[string]cty.Value {
	switch x.kind {
	case byCount:
		i, _ := k.Int()
		return map[string]cty.Value{"count": cty.ObjectVal(map[string]cty.Value{"index": cty.NumberIntVal(int64(i))})}
	case byForEach:
		s, _ := k.Str()
		return map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{
			"key": cty.StringVal(s), "value": x.each[k],
		})}
	}
	return nil
}

// key gives the instance key that an index value means.
func (x *expansion) key(v cty.Value) (addr.Key, bool) {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() {
		return addr.Key{}, false
	}
	switch x.kind {
	case byCount:
		n, err := convert.Convert(v, cty.Number)
		if err != nil || !n.AsBigFloat().IsInt() {
			return addr.Key{}, false
		}
		i, _ := n.AsBigFloat().Int64()
		return addr.IntKey(int(i)), true
	case byForEach:
		s, err := convert.Convert(v, cty.String)
		if err != nil {
			return addr.Key{}, false
		}
		return addr.StringKey(s.AsString()), true
	}
	return addr.Key{}, false
}

func keyString(k addr.Key) string {
	if s, ok := k.Str(); ok {
		return s
	}
	i, _ := k.Int()
	return strconv.Itoa(i)
}

// exactKey evaluates the index of a reference, if it has one that is known in ctx.
func (x *expansion) exactKey(ctx *hcl.EvalContext, ref config.Reference) (addr.Key, bool) {
	if ref.Key == nil || x.kind == single {
		return addr.Key{}, false
	}
	v, diags := ref.Key.Value(ctx)
	if diags.HasErrors() {
		return addr.Key{}, false
	}
	return x.key(v)
}

// whole gives the value of all instances: the one, or a tuple or object of them.
func (x *expansion) whole(value func(addr.Key) cty.Value) cty.Value {
	switch x.kind {
	case single:
		return value(addr.Key{})
	case byCount:
		elems := make([]cty.Value, len(x.keys))
		for i, k := range x.keys {
			elems[i] = value(k)
		}
		return cty.TupleVal(elems)
	case byForEach:
		return partValue(x.keys, value)
	}
	return cty.DynamicVal
}

// expand evaluates count or for_each.
func (m *module) expand(x *expansion, r *config.Repetition) hcl.Diagnostics {
	var diags hcl.Diagnostics
	switch {
	case r.Count != nil:
		diags = m.expandCount(x, r)
	case r.ForEach != nil:
		diags = m.expandForEach(x, r)
	default:
		*x = expansion{kind: single}
		var enabled bool
		if enabled, diags = m.enabled(r); enabled {
			x.keys = []addr.Key{{}}
		}
	}
	if diags.HasErrors() {
		*x = expansion{} // so that what refers to it is unknown, and not wrong too
	}
	x.exists = make(map[addr.Key]bool, len(x.keys))
	for _, k := range x.keys {
		x.exists[k] = true
	}
	return diags
}

// expandCall makes the instances of a module that is called.
func (m *module) expandCall(name string) hcl.Diagnostics {
	c := m.calls[name]
	diags := m.expand(&c.expansion, &c.cfg.Repetition)
	for _, k := range c.expansion.keys {
		child := m.newModule(m.cfg.Children[name], m, c, k)
		c.instances[k] = child
		child.inherited = m.inherited
		if len(c.cfg.DependsOn) > 0 {
			child.inherited = child.dependenciesOfCall(c.cfg.DependsOn, child.inherited)
		}
	}
	return diags
}

// enabled evaluates whether a block that is not repeated has its instance.
func (m *module) enabled(r *config.Repetition) (bool, hcl.Diagnostics) {
	if r.Enabled == nil {
		return true, nil
	}
	v, diags := m.value(r.Enabled)
	if diags.HasErrors() {
		return false, diags
	}
	rng := r.Enabled.Range()
	fail := func(detail string) (bool, hcl.Diagnostics) {
		return false, append(diags, diag.Error(&rng, "Invalid enabled", detail))
	}
	if marks.Contains(v, marks.Ephemeral) {
		return fail("enabled comes from an ephemeral value, and whether a resource exists is recorded.")
	}
	v, _ = v.Unmark()
	yes, err := convert.Convert(v, cty.Bool)
	switch {
	case err != nil || yes.IsNull():
		return fail("enabled must be true or false.")
	case !yes.IsKnown():
		return fail("enabled depends on values that are known only after apply, so it cannot be planned whether the resource exists. " + exclude)
	}
	return yes.True(), diags
}

// What helps where values are known only after apply.
const (
	knownKeys = "Take a map whose keys are known, and put what is not into its values. "
	exclude   = "To plan in two steps, leave it out of the first by -exclude."
)

// maxCount keeps a slip of the pen from taking all memory.
const maxCount = 1_000_000

func (m *module) expandCount(x *expansion, r *config.Repetition) hcl.Diagnostics {
	*x = expansion{kind: byCount}
	v, diags := m.value(r.Count)
	if diags.HasErrors() {
		return diags
	}
	rng := r.Count.Range()
	fail := func(detail string) hcl.Diagnostics {
		return append(diags, diag.Error(&rng, "Invalid count", detail))
	}
	if marks.Contains(v, marks.Ephemeral) {
		return fail("count comes from an ephemeral value, and instances are recorded.")
	}
	v, _ = v.Unmark()
	switch n, err := convert.Convert(v, cty.Number); {
	case err != nil:
		return fail("count must be a whole number: " + diag.Sentence(err.Error()))
	case !n.IsKnown():
		return fail("count depends on values that are known only after apply, so the number of instances cannot be planned. " + exclude)
	case n.IsNull():
		return fail("count must be a whole number, not null.")
	default:
		i, _ := n.AsBigFloat().Int64()
		if !n.AsBigFloat().IsInt() || i < 0 || i > maxCount {
			return fail(fmt.Sprintf("count must be a whole number from 0 to %d, not %s.", maxCount, n.AsBigFloat().Text('g', -1)))
		}
		for k := range int(i) {
			x.keys = append(x.keys, addr.IntKey(k))
		}
	}
	return diags
}

func (m *module) expandForEach(x *expansion, r *config.Repetition) hcl.Diagnostics {
	*x = expansion{kind: byForEach, each: map[addr.Key]cty.Value{}}
	v, diags := m.value(r.ForEach)
	if diags.HasErrors() {
		return diags
	}
	rng := r.ForEach.Range()
	fail := func(detail string) hcl.Diagnostics {
		return append(diags, diag.Error(&rng, "Invalid for_each", detail))
	}
	if v.HasMark(marks.Sensitive) {
		return fail("for_each holds a sensitive value, and instance keys are always shown. Keys that may be shown are made so by nonsensitive().")
	}
	if v.HasMark(marks.Ephemeral) {
		return fail("for_each comes from an ephemeral value, and instances are recorded.")
	}
	t := v.Type()
	switch {
	case !v.IsKnown():
		return fail("for_each depends on values that are known only after apply, so the instances cannot be planned. " + knownKeys + exclude)
	case v.IsNull():
		return fail("for_each must be a map or a set of strings, not null.")
	case t.Equals(cty.Set(cty.DynamicPseudoType)) && v.LengthInt() == 0:
		return diags // toset([])
	case t.IsSetType() && !t.ElementType().Equals(cty.String) || !t.IsSetType() && !t.IsMapType() && !t.IsObjectType():
		return fail(fmt.Sprintf("for_each must be a map or a set of strings, not %s. A list becomes a set by toset().",
			t.FriendlyNameForConstraint()))
	}
	for it := v.ElementIterator(); it.Next(); {
		k, elem := it.Element()
		if t.IsSetType() {
			k = elem
		}
		switch {
		case !k.IsKnown():
			return fail("for_each has an element that is known only after apply, so the instances cannot be planned. " + knownKeys + exclude)
		case k.IsNull():
			return fail("for_each has an element that is null. Only texts are keys: leave it out, as compact() does.")
		}
		key := addr.StringKey(k.AsString())
		x.keys = append(x.keys, key)
		x.each[key] = elem
	}
	x.late = !v.IsWhollyKnown()
	slices.SortFunc(x.keys, addr.Key.Compare)
	return diags
}

// repetition gives the each or count object of an instance. While applying, each.value may
// be known by more than the plan knew.
func (m *module) repetition(x *expansion, r *config.Repetition, key addr.Key) (map[string]cty.Value, hcl.Diagnostics) {
	if m.applying && x.late {
		v, diags := m.value(r.ForEach)
		if diags.HasErrors() {
			return nil, diags
		}
		for it := v.ElementIterator(); it.Next(); {
			k, elem := it.Element()
			x.each[addr.StringKey(k.AsString())] = elem
		}
		x.late = false
	}
	return x.repetition(key), nil
}
