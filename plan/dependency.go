package plan

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
)

// Dependency is one instance, all of a block, or all that is in a module: then Block has a
// Module alone.
type Dependency struct {
	Block addr.Resource
	Key   addr.Key
	Exact bool // the instance with Key; else the whole block
}

// isModule reports whether it is all that is in a module.
func (d Dependency) isModule() bool { return d.Block.Type == "" }

func (d Dependency) String() string {
	switch {
	case d.isModule():
		return string(d.Block.Module)
	case d.Exact:
		return d.Block.Instance(d.Key).String()
	}
	return d.Block.String()
}

// ParseDependency reads what String wrote, which is also what users name a part of a stack by:
// the address of an instance, of a block or of a module.
func ParseDependency(text string) (Dependency, error) {
	a, err := addr.Parse(text)
	if err == nil {
		return Dependency{Block: a.Resource, Key: a.Key, Exact: !a.Key.IsZero()}, nil
	}
	if m, moduleErr := addr.ParseModule(text); moduleErr == nil {
		return Dependency{Block: m.Resource(addr.Resource{})}, nil
	}
	return Dependency{}, err
}

// Covers reports whether an instance is meant, where a module without a key means all its
// instances.
func (d Dependency) Covers(a addr.Instance) bool {
	switch {
	case d.isModule():
		return d.Block.Module.Contains(a.Module)
	case d.Block.Local() != a.Local() || d.Exact && d.Key != a.Key:
		return false
	}
	return d.Block.Module.Matches(a.Module)
}

// dependencies lists what an instance depends on: instances where the reference tells which,
// else whole blocks. scope is that of the instance.
func (b *block) dependencies(scope *hcl.EvalContext) []Dependency {
	out := slices.Clone(b.in.inherited)
	for _, d := range b.in.dependencies(scope, b.needs, nil) {
		if d.Block != b.addr {
			out = append(out, d)
		}
	}
	return distinct(out)
}

// distinct drops what stands in the list before.
func distinct(list []Dependency) []Dependency {
	if len(list) < 2 {
		return list
	}
	seen := make(map[Dependency]bool, len(list))
	return slices.DeleteFunc(list, func(d Dependency) bool {
		again := seen[d]
		seen[d] = true
		return again
	})
}

// dependencies follows references down to resources.
func (m *module) dependencies(scope *hcl.EvalContext, refs []config.Reference, out []Dependency) []Dependency {
	for _, ref := range refs {
		switch s := ref.Subject; s.Kind {
		case config.LocalSubject, config.VariableSubject:
			out = append(out, m.needsOf(s)...)
		case config.ModuleSubject:
			out = m.dependenciesOnModule(scope, ref, out)
		case config.ResourceSubject:
			d := Dependency{Block: m.addr.Resource(s.Resource)}
			if b := m.blocks[s.Resource]; b != nil {
				if k, ok := b.expansion.exactKey(scope, ref); ok {
					d.Key, d.Exact = k, true
				} else if b.expansion.kind == single {
					d.Exact = true
				}
			}
			out = append(out, d)
		}
	}
	return out
}

// dependenciesOnModule follows a reference to the outputs of a module, or to all that is in it.
func (m *module) dependenciesOnModule(scope *hcl.EvalContext, ref config.Reference, out []Dependency) []Dependency {
	c := m.calls[ref.Subject.Name]
	keys := c.expansion.keys
	key, exact := c.expansion.exactKey(scope, ref)
	if exact {
		keys = []addr.Key{key}
	}
	if ref.Everything {
		return append(out, Dependency{Block: m.addr.Child(ref.Subject.Name, key).Resource(addr.Resource{})})
	}
	if !exact && len(keys) > 1 {
		return append(out, m.needsOfAll(c, ref.Output)...)
	}
	for _, k := range keys {
		if child := c.instances[k]; child != nil { // else evaluation tells that there is none
			out = child.needsOfOutput(ref.Output, out)
		}
	}
	return out
}

// needsOfOutput lists what an output depends on, or all outputs where none is named.
func (m *module) needsOfOutput(name string, out []Dependency) []Dependency {
	names := []string{name}
	if name == "" {
		names = sortedNames(m.cfg.Outputs)
	}
	for _, name := range names {
		out = append(out, m.needsOf(config.Subject{Kind: config.OutputSubject, Name: name})...)
	}
	return out
}

// needsOfAll lists what an output of all instances of a module depends on. Of what is in them that
// is one dependency a block, not one an instance: each of many may refer to each of many.
func (m *module) needsOfAll(c *call, output string) []Dependency {
	of := config.Subject{Kind: config.ModuleSubject, Name: c.cfg.Name + "." + output}
	if list, ok := m.needs[of]; ok {
		return list
	}
	var out []Dependency
	all := m.addr.Child(c.cfg.Name, addr.Key{})
	for _, k := range c.expansion.keys {
		child := c.instances[k]
		for _, d := range child.needsOfOutput(output, nil) {
			if child.addr.Contains(d.Block.Module) {
				d.Block.Module = d.Block.Module.Within(len(m.addr.Steps()), all)
				d.Key, d.Exact = addr.Key{}, false
			}
			out = append(out, d)
		}
	}
	m.needs[of] = distinct(out)
	return m.needs[of]
}

// needsOf lists what a variable, local value or output depends on.
func (m *module) needsOf(s config.Subject) []Dependency {
	list, ok := m.needs[s]
	if !ok {
		list = distinct(m.findNeeds(s))
		m.needs[s] = list
	}
	return list
}

func (m *module) findNeeds(s config.Subject) []Dependency {
	switch s.Kind {
	case config.LocalSubject:
		return m.dependencies(&hcl.EvalContext{}, references(m.cfg.Locals[s.Name].Expr), nil)
	case config.OutputSubject:
		o := m.cfg.Outputs[s.Name]
		if o == nil {
			return nil
		}
		ctx := &hcl.EvalContext{}
		return m.dependencies(ctx, simpleKeys(o.References()), slices.Clone(m.inherited))
	}
	if m.parent == nil {
		return nil
	}
	attr := m.call.cfg.Arguments[s.Name]
	if attr == nil {
		return nil
	}
	return m.dependenciesOfCall(append(references(attr.Expr), simpleKeys(m.call.cfg.Repetition.References())...), nil)
}

// dependenciesOfCall follows what the module block refers to that m is an instance of.
func (m *module) dependenciesOfCall(refs []config.Reference, out []Dependency) []Dependency {
	scope, diags := m.callScope(nil)
	if diags.HasErrors() {
		scope = &hcl.EvalContext{} // the keys of instances are not known then, and whole blocks are meant
	}
	return distinct(m.parent.dependencies(scope, refs, slices.Clone(out)))
}

// within lists the instances of modules that a module's address means, with all that are in
// them.
func (e *Evaluator) within(path addr.Module) []*module {
	var out []*module
	for _, a := range slices.SortedFunc(maps.Keys(e.modules), addr.Module.Compare) {
		if path.Contains(a) {
			out = append(out, e.modules[a])
		}
	}
	return out
}

// addressesOf lists the instances that a dependency on something of the configuration means, in
// order.
func (e *Evaluator) addressesOf(d Dependency) []addr.Instance {
	if d.Exact {
		return []addr.Instance{d.Block.Instance(d.Key)}
	}
	var blocks []*block
	if d.isModule() {
		for _, m := range e.within(d.Block.Module) {
			for _, a := range sortedResources(m.blocks) {
				blocks = append(blocks, m.blocks[a])
			}
		}
	} else if b := e.block(d.Block); b != nil {
		blocks = append(blocks, b)
	} else {
		for _, m := range e.instances[d.Block.Module.Static()] {
			if d.Block.Module.Matches(m.addr) && m.blocks[d.Block.Local()] != nil {
				blocks = append(blocks, m.blocks[d.Block.Local()])
			}
		}
	}
	var out []addr.Instance
	for _, b := range blocks {
		for _, k := range b.expansion.keys {
			out = append(out, b.addr.Instance(k))
		}
	}
	return out
}
