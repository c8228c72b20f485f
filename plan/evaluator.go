package plan

import (
	"os"
	"slices"
	"time"

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
// It is a tree of module instances, each of which knows the names in it (see module). What an
// instance's arguments refer to is looked up by itself: `h[each.key]` makes a scope with that
// one instance in it, so that a thousand instances that refer to a thousand others cost a
// thousand small scopes, not a thousand times the whole block.
//
// It is not safe for concurrent use.
type Evaluator struct {
	cfg       *config.Config
	registry  *providers.Registry
	variables map[string]cty.Value // of the root module
	workspace string
	planTime  time.Time
	cwd       string
	functions map[string]function.Function

	definitions map[addr.Resource]*definition // of all blocks of the configuration
	root        *module
	modules     map[addr.Module]*module   // the instances
	instances   map[addr.Module][]*module // the same, by their static addresses
	applying    bool

	departed map[addr.Instance][]cty.Value    // of what was made at an address, and is at another one
	unknown  map[addr.Module]*hcl.EvalContext // see unknownContext
}

// definition is a resource or data block as it is written, taken apart once for all instances
// of its module.
type definition struct {
	cfg       *config.Resource
	schema    *schema.Schema
	arguments *arguments
	objects   []config.Reference // of the arguments and depends_on, to resources and modules
	static    []config.Reference // of the same, to anything else
	needs     []config.Reference // all of these, and those of count or for_each
}

// block is a definition in one instance of its module, with what is known of its instances.
type block struct {
	*definition
	in   *module
	addr addr.Resource

	expansion expansion
	values    map[addr.Key]cty.Value // of the instances, with marks
	whole     cty.Value              // cty.NilVal until asked for

	base *hcl.EvalContext // what all instances see; nil until asked for
}

// Given is what an evaluation is given from outside of the configuration.
type Given struct {
	Variables map[string]cty.Value // of the root module
	Workspace string
	Time      time.Time // of the plan; zero where there is none
}

func (in *Input) given() Given { return Given{in.Variables, in.Workspace, in.Time} }

// NewEvaluator makes an evaluator in which no instance is known yet, neither of a resource nor
// of a module that is called. The types of all blocks must be in the registry.
func NewEvaluator(cfg *config.Config, given Given, registry *providers.Registry) (*Evaluator, error) {
	cwd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	e := &Evaluator{
		cfg: cfg, registry: registry, variables: given.Variables, workspace: given.Workspace, planTime: given.Time, cwd: cwd,
		functions:   config.FunctionScope{Dir: cfg.Dir, PlanTime: given.Time, Planning: true}.Functions(),
		definitions: map[addr.Resource]*definition{}, unknown: map[addr.Module]*hcl.EvalContext{},
		modules: map[addr.Module]*module{}, instances: map[addr.Module][]*module{},
	}
	for _, c := range cfg.All() {
		for a, r := range c.Resources {
			e.definitions[a] = e.define(r)
		}
	}
	e.root = e.newModule(cfg, nil, nil, addr.Key{})
	return e, nil
}

func (e *Evaluator) define(r *config.Resource) *definition {
	d := &definition{cfg: r, schema: e.registry.Schema(r.Addr)}
	d.arguments = newArguments(r.Body, d.schema)
	refs := simpleKeys(slices.Concat(config.BodyReferences(r.Body, d.schema.Spec()), r.DependsOn, lifecycleReferences(r)))
	for _, ref := range refs {
		if isObject(ref) {
			d.objects = append(d.objects, ref)
		} else {
			d.static = append(d.static, ref)
		}
	}
	d.needs = slices.Concat(refs, simpleKeys(r.Repetition.References()))
	return d
}

// isObject reports whether a reference is to something that may have instances.
func isObject(ref config.Reference) bool {
	return ref.Subject.Kind == config.ResourceSubject || ref.Subject.Kind == config.ModuleSubject
}

// references is config.References with only such keys as can be evaluated without resources.
func references(expr hcl.Expression) []config.Reference { return simpleKeys(config.References(expr)) }

func simpleKeys(refs []config.Reference) []config.Reference {
	for i, ref := range refs {
		if ref.Key != nil && slices.ContainsFunc(config.References(ref.Key), isObject) {
			refs[i].Key = nil
		}
	}
	return refs
}

// block gives the block of an instance's address, or nil where configuration has none.
func (e *Evaluator) block(a addr.Resource) *block {
	m := e.modules[a.Module]
	if m == nil {
		return nil
	}
	return m.blocks[a.Local()]
}

// Begin readies the evaluator for apply: instance values are about to change, so what was
// evaluated from them is dropped, and functions like timestamp give their real values.
func (e *Evaluator) Begin() {
	e.applying = true
	e.functions = config.FunctionScope{Dir: e.cfg.Dir, PlanTime: e.planTime}.Functions()
	for _, m := range e.modules {
		m.forget()
	}
}

// Set makes the value of an instance known. While applying, everything that refers to an
// instance is evaluated after its last Set.
func (e *Evaluator) Set(a addr.Instance, v cty.Value) { e.block(a.Resource).values[a.Key] = v }

// Unset takes the value of an instance away.
func (e *Evaluator) Unset(a addr.Instance) { delete(e.block(a.Resource).values, a.Key) }

// Arguments evaluates the body of an instance: an object of what may be set, with marks.
func (e *Evaluator) Arguments(a addr.Instance) (cty.Value, hcl.Diagnostics) {
	b := e.block(a.Resource)
	scope, diags := b.scope(a.Key)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return b.arguments.evaluate(scope)
}

// Value evaluates an expression that stands in the root module outside of any block.
func (e *Evaluator) Value(expr hcl.Expression) (cty.Value, hcl.Diagnostics) {
	v, diags := e.root.value(expr)
	return v, Explain(diags)
}

// scope is that of an instance's arguments. What all instances of the block see alike is made
// once and is the parent.
func (b *block) scope(key addr.Key) (*hcl.EvalContext, hcl.Diagnostics) {
	if b.base == nil {
		base, diags := b.in.context(nil, b.static, nil)
		if diags.HasErrors() {
			return nil, diags
		}
		b.base = base
	}
	repetition, diags := b.in.repetition(&b.expansion, &b.cfg.Repetition, key)
	if diags.HasErrors() {
		return nil, diags
	}
	if len(b.objects) == 0 && len(repetition) == 0 {
		return b.base, nil
	}
	return b.in.context(b.base, b.objects, repetition)
}

// wholeValue is what the block's address stands for: an object, or a tuple or object of
// objects where the block has count or for_each.
func (b *block) wholeValue() cty.Value {
	if b.whole != cty.NilVal {
		return b.whole
	}
	b.whole = b.expansion.whole(b.value)
	if b.expansion.kind == single && !b.expansion.has(addr.Key{}) {
		b.whole = cty.NullVal(b.schema.ImpliedType())
	}
	return b.whole
}

func (b *block) value(k addr.Key) cty.Value {
	if v, ok := b.values[k]; ok {
		return v
	}
	return cty.UnknownVal(b.schema.ImpliedType())
}
