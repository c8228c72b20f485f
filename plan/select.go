package plan

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
)

// addObjects adds the roots of the resources and modules that refs refer to: one instance where
// the key tells which, all of the block else.
func (m *module) addObjects(ctx *hcl.EvalContext, refs []config.Reference) hcl.Diagnostics {
	var blocks []*selection
	var modules []*moduleSelection
	for _, ref := range refs {
		switch {
		case ref.Subject.Kind == config.ResourceSubject:
			blocks = m.choose(blocks, ctx, ref)
		case ref.Subject.Kind == config.ModuleSubject && !ref.Everything:
			modules = m.chooseModule(modules, ctx, ref)
		}
	}
	var managed, data roots
	for _, sel := range blocks {
		v := sel.value()
		if sel.block.cfg.Addr.Mode == addr.Data {
			data.add(sel.block.cfg.Addr, v)
		} else {
			managed.add(sel.block.cfg.Addr, v)
		}
	}
	values := managed.values()
	for name, v := range values {
		ctx.Variables[name] = v
	}
	if slices.ContainsFunc(refs, func(ref config.Reference) bool { return ref.Traversal.RootName() == "resource" }) {
		ctx.Variables["resource"] = cty.ObjectVal(values)
	}
	if data != nil {
		ctx.Variables["data"] = cty.ObjectVal(data.values())
	}
	var diags hcl.Diagnostics
	var called map[string]cty.Value
	for _, sel := range modules {
		v, more := m.moduleValue(sel)
		diags = append(diags, more...)
		put(&called, sel.call.cfg.Name, v)
	}
	if called != nil {
		ctx.Variables["module"] = cty.ObjectVal(called)
	}
	return diags
}

// selection is what of a block is referred to.
type selection struct {
	block *block
	whole bool
	keys  []addr.Key
}

func (m *module) choose(list []*selection, ctx *hcl.EvalContext, ref config.Reference) []*selection {
	b := m.blocks[ref.Subject.Resource]
	i := slices.IndexFunc(list, func(s *selection) bool { return s.block == b })
	if i < 0 {
		i, list = len(list), append(list, &selection{block: b})
	}
	// A key that no instance has makes an error, which tells more about the whole.
	if key, ok := b.expansion.exactKey(ctx, ref); ok && b.expansion.has(key) {
		list[i].keys = append(list[i].keys, key)
	} else {
		list[i].whole = true
	}
	return list
}

func (s *selection) value() cty.Value {
	if s.whole {
		return s.block.wholeValue()
	}
	return partValue(s.keys, s.block.value)
}

// moduleSelection is what of a module that is called is referred to: of which instances which
// outputs, where "" is all of them. An output is evaluated only if it is asked for: others may
// not be known yet.
type moduleSelection struct {
	call  *call
	whole bool
	keys  map[addr.Key][]string
}

func (m *module) chooseModule(list []*moduleSelection, ctx *hcl.EvalContext, ref config.Reference) []*moduleSelection {
	c := m.calls[ref.Subject.Name]
	i := slices.IndexFunc(list, func(s *moduleSelection) bool { return s.call == c })
	if i < 0 {
		i, list = len(list), append(list, &moduleSelection{call: c, keys: map[addr.Key][]string{}})
	}
	key, exact := c.expansion.exactKey(ctx, ref)
	switch {
	case exact && c.expansion.has(key):
		list[i].keys[key] = append(list[i].keys[key], ref.Output)
	case c.expansion.kind == single:
		list[i].keys[addr.Key{}] = append(list[i].keys[addr.Key{}], ref.Output)
	default:
		for _, key := range c.expansion.keys {
			list[i].keys[key] = append(list[i].keys[key], ref.Output)
		}
		list[i].whole = list[i].whole || ref.Output == ""
	}
	return list
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

// partValue is an object of the instances with the given keys. For a block with count it is
// an object too: an index by number finds its attributes, and the tuple would need all
// instances.
func partValue(keys []addr.Key, value func(addr.Key) cty.Value) cty.Value {
	m := make(map[string]cty.Value, len(keys))
	for _, k := range keys {
		m[keyString(k)] = value(k)
	}
	return cty.ObjectVal(m)
}
