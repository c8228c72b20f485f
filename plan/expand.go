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

// expand evaluates count or for_each.
func (e *Evaluator) expand(b *block) hcl.Diagnostics {
	var diags hcl.Diagnostics
	switch {
	case b.cfg.Count != nil:
		diags = e.expandCount(b)
	case b.cfg.ForEach != nil:
		diags = e.expandForEach(b)
	default:
		b.expansion = expansion{kind: single}
		var enabled bool
		if enabled, diags = e.enabled(b); enabled {
			b.expansion.keys = []addr.Key{{}}
		}
	}
	if diags.HasErrors() {
		b.expansion = expansion{} // so that what refers to it is unknown, and not wrong too
	}
	b.expansion.exists = make(map[addr.Key]bool, len(b.expansion.keys))
	for _, k := range b.expansion.keys {
		b.expansion.exists[k] = true
	}
	return diags
}

// enabled evaluates whether a block that is not repeated has its instance.
func (e *Evaluator) enabled(b *block) (bool, hcl.Diagnostics) {
	expr := b.cfg.Lifecycle.Enabled
	if expr == nil {
		return true, nil
	}
	v, diags := e.Value(expr)
	if diags.HasErrors() {
		return false, diags
	}
	rng := expr.Range()
	v, _ = v.Unmark()
	yes, err := convert.Convert(v, cty.Bool)
	switch {
	case err != nil || yes.IsNull():
		return false, append(diags, diag.Error(&rng, "Invalid enabled", "enabled must be true or false."))
	case !yes.IsKnown():
		return false, append(diags, diag.Error(&rng, "Invalid enabled",
			"enabled depends on values that are known only after apply, so it cannot be planned whether the resource exists."))
	}
	return yes.True(), diags
}

// maxCount keeps a slip of the pen from taking all memory.
const maxCount = 1_000_000

func (e *Evaluator) expandCount(b *block) hcl.Diagnostics {
	b.expansion = expansion{kind: byCount}
	v, diags := e.Value(b.cfg.Count)
	if diags.HasErrors() {
		return diags
	}
	rng := b.cfg.Count.Range()
	fail := func(detail string) hcl.Diagnostics {
		return append(diags, diag.Error(&rng, "Invalid count", detail))
	}
	v, _ = v.Unmark()
	switch n, err := convert.Convert(v, cty.Number); {
	case err != nil:
		return fail("count must be a whole number: " + diag.Sentence(err.Error()))
	case !n.IsKnown():
		return fail("count depends on values that are known only after apply, so the number of instances cannot be planned.")
	case n.IsNull():
		return fail("count must be a whole number, not null.")
	default:
		i, _ := n.AsBigFloat().Int64()
		if !n.AsBigFloat().IsInt() || i < 0 || i > maxCount {
			return fail(fmt.Sprintf("count must be a whole number from 0 to %d, not %s.", maxCount, n.AsBigFloat().Text('g', -1)))
		}
		for k := range int(i) {
			b.expansion.keys = append(b.expansion.keys, addr.IntKey(k))
		}
	}
	return diags
}

func (e *Evaluator) expandForEach(b *block) hcl.Diagnostics {
	b.expansion = expansion{kind: byForEach, each: map[addr.Key]cty.Value{}}
	v, diags := e.Value(b.cfg.ForEach)
	if diags.HasErrors() {
		return diags
	}
	rng := b.cfg.ForEach.Range()
	fail := func(detail string) hcl.Diagnostics {
		return append(diags, diag.Error(&rng, "Invalid for_each", detail))
	}
	if v.HasMark(marks.Sensitive) {
		return fail("for_each holds a sensitive value, and instance keys are always shown.")
	}
	t := v.Type()
	switch {
	case !v.IsKnown():
		return fail("for_each depends on values that are known only after apply, so the instances cannot be planned.")
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
		if !k.IsKnown() || k.IsNull() {
			return fail("for_each has an element that is null or known only after apply, so the instances cannot be planned.")
		}
		key := addr.StringKey(k.AsString())
		b.expansion.keys = append(b.expansion.keys, key)
		b.expansion.each[key] = elem
	}
	b.expansion.late = !v.IsWhollyKnown()
	slices.SortFunc(b.expansion.keys, addr.Key.Compare)
	return diags
}

// repetition gives the each or count object of an instance. While applying, each.value may
// be known by more than the plan knew.
func (e *Evaluator) repetition(b *block, key addr.Key) (map[string]cty.Value, hcl.Diagnostics) {
	if e.applying && b.expansion.late {
		v, diags := e.Value(b.cfg.ForEach)
		if diags.HasErrors() {
			return nil, diags
		}
		for it := v.ElementIterator(); it.Next(); {
			k, elem := it.Element()
			b.expansion.each[addr.StringKey(k.AsString())] = elem
		}
		b.expansion.late = false
	}
	return b.expansion.repetition(key), nil
}

// dependencies lists what an instance depends on: instances where the reference tells which,
// else whole blocks, as instances with the zero key. scope is that of the instance.
func (e *Evaluator) dependencies(b *block, scope *hcl.EvalContext) []Dependency {
	var out []Dependency
	for _, d := range e.expandReferences(scope, b.needs, nil) {
		if d.Block != b.cfg.Addr && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

// expandReferences follows local values down to resources.
func (e *Evaluator) expandReferences(scope *hcl.EvalContext, refs []config.Reference, out []Dependency) []Dependency {
	for _, ref := range refs {
		switch s := ref.Subject; s.Kind {
		case config.LocalSubject:
			out = e.expandReferences(scope, e.localNeeds(s.Name), out)
		case config.ResourceSubject:
			d := Dependency{Block: s.Resource}
			if k, ok := e.exactKey(scope, ref); ok {
				d.Key, d.Exact = k, true
			} else if b := e.blocks[s.Resource]; b != nil && b.expansion.kind == single {
				d.Exact = true
			}
			out = append(out, d)
		}
	}
	return out
}

func (e *Evaluator) localNeeds(name string) []config.Reference {
	refs, ok := e.needs[name]
	if !ok {
		refs = references(e.cfg.Locals[name].Expr)
		e.needs[name] = refs
	}
	return refs
}

// Dependency is one instance, or all of a block.
type Dependency struct {
	Block addr.Resource
	Key   addr.Key
	Exact bool // the instance with Key; else the whole block
}

func (d Dependency) String() string {
	if d.Exact {
		return d.Block.Instance(d.Key).String()
	}
	return d.Block.String()
}
