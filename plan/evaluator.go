package plan

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

// Evaluator evaluates expressions of a configuration against the values of resource
// instances as far as they are known: planned ones while planning, real ones while applying.
//
// What an instance's arguments refer to is looked up by itself: `h[each.key]` makes a scope
// with that one instance in it, so that a thousand instances that refer to a thousand others
// cost a thousand small scopes, not a thousand times the whole block.
//
// It is not safe for concurrent use.
type Evaluator struct {
	cfg       *config.Config
	registry  *providers.Registry
	variables map[string]cty.Value
	paths     cty.Value
	functions map[string]function.Function

	blocks   map[addr.Resource]*block
	locals   map[string]localValue         // evaluated so far
	needs    map[string][]config.Reference // of locals, once asked for
	applying bool
}

type localValue struct {
	value cty.Value
	diags hcl.Diagnostics
}

// block is a resource or data block with what is known of its instances.
type block struct {
	cfg       *config.Resource
	schema    *schema.Schema
	arguments *arguments
	resources []config.Reference // of the arguments and depends_on, to resources
	static    []config.Reference // of the same, to anything else
	needs     []config.Reference // all of these, and those of count or for_each

	expansion expansion
	values    map[addr.Key]cty.Value // of the instances, with marks
	whole     cty.Value              // cty.NilVal until asked for

	base *hcl.EvalContext // what all instances see; nil until asked for
}

// NewEvaluator makes an evaluator in which no instance is known yet. The types of all blocks
// must be in the registry.
func NewEvaluator(cfg *config.Config, variables map[string]cty.Value, registry *providers.Registry) (*Evaluator, error) {
	cwd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	e := &Evaluator{
		cfg: cfg, registry: registry, variables: variables,
		functions: config.PlanFunctions(cfg.Dir),
		paths: cty.ObjectVal(map[string]cty.Value{
			"module": cty.StringVal(root), "root": cty.StringVal(root), "cwd": cty.StringVal(cwd),
		}),
		blocks: map[addr.Resource]*block{},
		locals: map[string]localValue{},
		needs:  map[string][]config.Reference{},
	}
	for a, r := range cfg.Resources {
		e.blocks[a] = e.newBlock(r)
	}
	return e, nil
}

func (e *Evaluator) newBlock(r *config.Resource) *block {
	b := &block{cfg: r, schema: e.schemaOf(r.Addr), values: map[addr.Key]cty.Value{}}
	b.arguments = newArguments(r.Body, b.schema)
	refs := simpleKeys(slices.Concat(config.BodyReferences(r.Body, b.schema.Spec()), r.DependsOn, lifecycleReferences(r)))
	for _, ref := range refs {
		if ref.Subject.Kind == config.ResourceSubject {
			b.resources = append(b.resources, ref)
		} else {
			b.static = append(b.static, ref)
		}
	}
	b.needs = slices.Concat(refs, references(r.Count), references(r.ForEach), references(r.Lifecycle.Enabled))
	return b
}

// references is config.References with only such keys as can be evaluated without resources.
func references(expr hcl.Expression) []config.Reference { return simpleKeys(config.References(expr)) }

func simpleKeys(refs []config.Reference) []config.Reference {
	for i, ref := range refs {
		if ref.Key == nil {
			continue
		}
		for _, nested := range config.References(ref.Key) {
			if nested.Subject.Kind == config.ResourceSubject {
				refs[i].Key = nil
			}
		}
	}
	return refs
}

func (e *Evaluator) schemaOf(a addr.Resource) *schema.Schema {
	if a.Mode == addr.Data {
		return e.registry.DataType(a.Type).Schema()
	}
	return e.registry.Type(a.Type).Schema()
}

// Begin readies the evaluator for apply: instance values are about to change, so what was
// evaluated from them is dropped, and functions like timestamp give their real values.
func (e *Evaluator) Begin() {
	e.applying = true
	e.functions = config.Functions(e.cfg.Dir)
	clear(e.locals)
	for _, b := range e.blocks {
		b.whole, b.base = cty.NilVal, nil
	}
}

// Set makes the value of an instance known. While applying, everything that refers to an
// instance is evaluated after its last Set.
func (e *Evaluator) Set(a addr.Instance, v cty.Value) { e.blocks[a.Resource].values[a.Key] = v }

// Unset takes the value of an instance away.
func (e *Evaluator) Unset(a addr.Instance) { delete(e.blocks[a.Resource].values, a.Key) }

// Arguments evaluates the body of an instance: an object of what may be set, with marks.
func (e *Evaluator) Arguments(a addr.Instance) (cty.Value, hcl.Diagnostics) {
	b := e.blocks[a.Resource]
	scope, diags := e.instanceContext(b, a.Key)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return b.arguments.evaluate(scope)
}

// Value evaluates an expression that stands outside of any block: an output, a local value.
func (e *Evaluator) Value(expr hcl.Expression) (cty.Value, hcl.Diagnostics) {
	ctx, diags := e.context(nil, references(expr), nil)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return expr.Value(ctx)
}

// checkValue evaluates an expression of a check, which sees its own data block.
func (e *Evaluator) checkValue(k *config.Check, data cty.Value, expr hcl.Expression) (cty.Value, hcl.Diagnostics) {
	refs := references(expr)
	var own addr.Resource
	if k.Data != nil {
		own = k.Data.Addr
		e.blocks[own] = &block{
			cfg: k.Data, schema: e.schemaOf(own),
			expansion: expansion{kind: single, keys: []addr.Key{{}}, exists: map[addr.Key]bool{{}: true}},
			values:    map[addr.Key]cty.Value{{}: data},
		}
		defer delete(e.blocks, own)
	}
	ctx, diags := e.context(nil, refs, nil)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return expr.Value(ctx)
}

// instanceContext is the scope of an instance's arguments. What all instances of the block
// see alike is made once and is the parent.
func (e *Evaluator) instanceContext(b *block, key addr.Key) (*hcl.EvalContext, hcl.Diagnostics) {
	if b.base == nil {
		base, diags := e.context(nil, b.static, nil)
		if diags.HasErrors() {
			return nil, diags
		}
		b.base = base
	}
	repetition, diags := e.repetition(b, key)
	if diags.HasErrors() {
		return nil, diags
	}
	if len(b.resources) == 0 && len(repetition) == 0 {
		return b.base, nil
	}
	return e.context(b.base, b.resources, repetition)
}

// context makes a scope with what refs refer to and the each or count object.
func (e *Evaluator) context(parent *hcl.EvalContext, refs []config.Reference, repetition map[string]cty.Value) (*hcl.EvalContext, hcl.Diagnostics) {
	ctx := &hcl.EvalContext{Functions: e.functions, Variables: map[string]cty.Value{}}
	if parent != nil {
		ctx = parent.NewChild()
		ctx.Variables = map[string]cty.Value{}
	}
	for name, v := range repetition {
		ctx.Variables[name] = v
	}
	var diags hcl.Diagnostics
	var variables, locals map[string]cty.Value
	for _, ref := range refs {
		switch s := ref.Subject; s.Kind {
		case config.VariableSubject:
			put(&variables, s.Name, e.variables[s.Name])
		case config.LocalSubject:
			v, more := e.local(s.Name)
			diags = append(diags, more...)
			put(&locals, s.Name, v)
		case config.PathSubject:
			ctx.Variables["path"] = e.paths
		}
	}
	if variables != nil {
		ctx.Variables["var"] = cty.ObjectVal(variables)
	}
	if locals != nil {
		ctx.Variables["local"] = cty.ObjectVal(locals)
	}
	if !diags.HasErrors() {
		e.addResources(ctx, refs)
	}
	return ctx, diags
}

func put(m *map[string]cty.Value, name string, v cty.Value) {
	if *m == nil {
		*m = map[string]cty.Value{}
	}
	(*m)[name] = v
}

func (e *Evaluator) local(name string) (cty.Value, hcl.Diagnostics) {
	l, ok := e.locals[name]
	if !ok {
		l.value, l.diags = e.Value(e.cfg.Locals[name].Expr)
		e.locals[name] = l
	}
	return l.value, l.diags
}

// addResources adds the roots of the resources that refs refer to: one instance where the
// key tells which, the whole block else.
func (e *Evaluator) addResources(ctx *hcl.EvalContext, refs []config.Reference) {
	var chosen []selection
	for _, ref := range refs {
		if ref.Subject.Kind == config.ResourceSubject {
			chosen = e.choose(chosen, ctx, ref)
		}
	}
	var managed, data roots
	for _, sel := range chosen {
		v := e.valueOf(sel)
		if sel.block.cfg.Addr.Mode == addr.Data {
			data.add(sel.block.cfg.Addr, v)
		} else {
			managed.add(sel.block.cfg.Addr, v)
		}
	}
	for name, v := range managed.values() {
		ctx.Variables[name] = v
	}
	if data != nil {
		ctx.Variables["data"] = cty.ObjectVal(data.values())
	}
}

// selection is what of a block is referred to.
type selection struct {
	block *block
	whole bool
	keys  []addr.Key
}

func (e *Evaluator) choose(list []selection, ctx *hcl.EvalContext, ref config.Reference) []selection {
	b := e.blocks[ref.Subject.Resource]
	i := slices.IndexFunc(list, func(s selection) bool { return s.block == b })
	if i < 0 {
		i, list = len(list), append(list, selection{block: b})
	}
	// A key that no instance has makes an error, which tells more about the whole.
	if key, ok := e.exactKey(ctx, ref); ok && b.expansion.has(key) {
		list[i].keys = append(list[i].keys, key)
	} else {
		list[i].whole = true
	}
	return list
}

func (e *Evaluator) valueOf(s selection) cty.Value {
	if s.whole {
		return s.block.wholeValue()
	}
	return s.block.partValue(s.keys)
}

// roots are the values of resources by type and name.
type roots map[string]map[string]cty.Value

func (r *roots) add(a addr.Resource, v cty.Value) {
	if *r == nil {
		*r = roots{}
	}
	if (*r)[a.Type] == nil {
		(*r)[a.Type] = map[string]cty.Value{}
	}
	(*r)[a.Type][a.Name] = v
}

func (r roots) values() map[string]cty.Value {
	out := make(map[string]cty.Value, len(r))
	for name, m := range r {
		out[name] = cty.ObjectVal(m)
	}
	return out
}

// exactKey evaluates the index of a reference, if it has one that is known in ctx.
func (e *Evaluator) exactKey(ctx *hcl.EvalContext, ref config.Reference) (addr.Key, bool) {
	b := e.blocks[ref.Subject.Resource]
	if ref.Key == nil || b == nil || b.expansion.kind == single {
		return addr.Key{}, false
	}
	v, diags := ref.Key.Value(ctx)
	if diags.HasErrors() {
		return addr.Key{}, false
	}
	return b.expansion.key(v)
}

// wholeValue is what the block's address stands for: an object, or a tuple or object of
// objects where the block has count or for_each.
func (b *block) wholeValue() cty.Value {
	if b.whole != cty.NilVal {
		return b.whole
	}
	switch b.expansion.kind {
	case single:
		b.whole = cty.NullVal(b.schema.ImpliedType())
		if b.expansion.has(addr.Key{}) {
			b.whole = b.value(addr.Key{})
		}
	case byCount:
		elems := make([]cty.Value, len(b.expansion.keys))
		for i, k := range b.expansion.keys {
			elems[i] = b.value(k)
		}
		b.whole = cty.TupleVal(elems)
	case byForEach:
		b.whole = b.partValue(b.expansion.keys)
	default:
		b.whole = cty.DynamicVal
	}
	return b.whole
}

// partValue is an object of the instances with the given keys. For a block with count it is
// an object too: an index by number finds its attributes, and the tuple would need all
// instances.
func (b *block) partValue(keys []addr.Key) cty.Value {
	m := make(map[string]cty.Value, len(keys))
	for _, k := range keys {
		m[keyString(k)] = b.value(k)
	}
	return cty.ObjectVal(m)
}

func (b *block) value(k addr.Key) cty.Value {
	if v, ok := b.values[k]; ok {
		return v
	}
	return cty.UnknownVal(b.schema.ImpliedType())
}
