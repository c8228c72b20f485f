package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// Scope is where an expression stands, as far as that decides what it can refer to. The zero
// Scope is that of outputs, locals, count and for_each.
type Scope struct {
	Each  bool      // each.key and each.value exist
	Count bool      // count.index exists
	Self  bool      // self exists: it is a postcondition
	Data  *Resource // the data block of the check around it, or nil
}

// Scope gives the scope of the check's asserts.
func (k *Check) Scope() Scope { return Scope{Data: k.Data} }

// CheckReference says what is wrong with a reference at a place: a form that means nothing,
// a name that is not declared, or one that does not exist there.
func (c *Config) CheckReference(ref Reference, at Scope) hcl.Diagnostics {
	s := ref.Subject
	switch s.Kind {
	case VariableSubject:
		if _, ok := c.Variables[s.Name]; !ok {
			return undeclared(ref, "variable", s.Name, keysOf(c.Variables),
				fmt.Sprintf(" Declare it with: variable %q {}", s.Name))
		}
	case LocalSubject:
		if _, ok := c.Locals[s.Name]; !ok {
			return undeclared(ref, "local value", s.Name, keysOf(c.Locals), " Declare it in a locals block.")
		}
	case ResourceSubject:
		return c.checkResourceReference(ref, at)
	case EachSubject:
		return checkFixed(ref, "each", []string{"key", "value"}, at.Each, "for_each")
	case CountSubject:
		return checkFixed(ref, "count", []string{"index"}, at.Count, "count")
	case PathSubject:
		return checkFixed(ref, "path", []string{"cwd", "module", "root"}, true, "")
	case WorkspaceSubject:
		return checkFixed(ref, "diyform", []string{"workspace"}, true, "")
	case ModuleSubject:
		return c.checkModuleReference(ref)
	case SelfSubject:
		if !at.Self {
			return referenceError(ref, "Reference without a value here",
				"self is the resource itself, and has a value only in the postcondition blocks of its lifecycle block.")
		}
	default:
		return c.invalidReference(ref)
	}
	return nil
}

// CheckReferences checks several references at one place.
func (c *Config) CheckReferences(refs []Reference, at Scope) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, ref := range refs {
		diags = append(diags, c.CheckReference(ref, at)...)
	}
	return diags
}

func (c *Config) checkResourceReference(ref Reference, at Scope) hcl.Diagnostics {
	res := c.Path.Resource(ref.Subject.Resource)
	if at.Data != nil && at.Data.Addr == res {
		return nil
	}
	if r, ok := c.Resources[res]; ok {
		return checkIndex(ref, &r.Repetition)
	}
	what := "resource"
	if res.Mode == addr.Data {
		what = "data block"
	}
	if k := c.checkWithData(res); k != nil {
		return referenceError(ref, "Reference to data inside a check",
			fmt.Sprintf("%s is declared inside check %q and is visible there only. Declare it outside "+
				"to use it elsewhere.", res.Local(), k.Name))
	}
	name := res.Local().String()
	if at.Data != nil && at.Data.Addr.Type == res.Type && res.Mode == addr.Data {
		return undeclared(ref, what, name, []string{at.Data.Addr.Local().String()}, "")
	}
	other := res
	other.Mode = addr.Data - res.Mode
	if c.Resources[other] != nil {
		return undeclared(ref, what, name, nil, fmt.Sprintf(" Did you mean %q?", other.Local()))
	}
	return undeclared(ref, what, name, c.namesLike(res), "")
}

// checkModuleReference finds module blocks and outputs that are not there.
func (c *Config) checkModuleReference(ref Reference) hcl.Diagnostics {
	name := ref.Subject.Name
	call, ok := c.Calls[name]
	if !ok {
		return undeclared(ref, "module block", name, keysOf(c.Calls), "")
	}
	if diags := checkIndex(ref, &call.Repetition); diags.HasErrors() {
		return diags
	}
	child := c.Children[name]
	if child == nil || ref.Output == "" || child.Outputs[ref.Output] != nil {
		return nil
	}
	hint := diag.Suggest(ref.Output, keysOf(child.Outputs))
	switch {
	case hint != "":
	case len(child.Outputs) == 0:
		hint = " The module has no outputs."
	default:
		hint = fmt.Sprintf(" It has: %s.", strings.Join(keysOf(child.Outputs), ", "))
	}
	return referenceError(ref, "Reference to undeclared output",
		fmt.Sprintf("The module %q, called at %s, has no output %q.%s", name, call.DeclRange, ref.Output, hint))
}

// checkIndex finds attributes of a block that is repeated, where an instance has to be named, and
// numbers of instances of one that is not.
func checkIndex(ref Reference, r *Repetition) hcl.Diagnostics {
	steps := len(ref.Traversal) - len(ref.Rest())
	if len(ref.Traversal) == steps {
		return nil
	}
	what := text(ref.Traversal[:steps])
	switch next := ref.Traversal[steps].(type) {
	case hcl.TraverseAttr:
		if r.Count != nil {
			return referenceError(ref, "Missing instance key", fmt.Sprintf("%[1]s has count, so %[1]s.%[2]s is of no one instance. "+
				"Name one, as in %[1]s[0].%[2]s, or take all: %[1]s[*].%[2]s.", what, next.Name))
		}
		if r.ForEach != nil {
			return referenceError(ref, "Missing instance key", fmt.Sprintf("%[1]s has for_each, so %[1]s.%[2]s is of no one instance. "+
				"Name one, as in %[1]s[each.key].%[2]s, or take all: [for x in %[1]s : x.%[2]s].", what, next.Name))
		}
	case hcl.TraverseIndex:
		if r.Count == nil && r.ForEach == nil && next.Key.Type() == cty.Number {
			return referenceError(ref, "Unexpected instance key",
				fmt.Sprintf("%s has neither count nor for_each, so there is one of it, which has no number. Remove the index.", what))
		}
	}
	return nil
}

// checkWithData gives the check whose data block has address res, or nil.
func (c *Config) checkWithData(res addr.Resource) *Check {
	for _, name := range keysOf(c.Checks) {
		if k := c.Checks[name]; k.Data != nil && k.Data.Addr == res {
			return k
		}
	}
	return nil
}

// namesLike lists what could have been meant by want: the addresses of its own type where
// there are any, else those of its mode and, for a resource, the other kinds of names.
func (c *Config) namesLike(want addr.Resource) []string {
	var sameType, others []string
	for a := range c.Resources {
		switch {
		case a.Mode == want.Mode && a.Type == want.Type:
			sameType = append(sameType, a.Local().String())
		case a.Mode == want.Mode:
			others = append(others, a.Local().String())
		}
	}
	if len(sameType) > 0 || want.Mode == addr.Data {
		return append(sameType, others...)
	}
	for name := range c.Variables {
		others = append(others, "var."+name)
	}
	for name := range c.Locals {
		others = append(others, "local."+name)
	}
	for name := range c.Calls {
		others = append(others, "module."+name)
	}
	return append(others, "each.key", "each.value", "count.index")
}

// checkFixed checks a reference to a root whose names are fixed. With exists false the root
// has no value at that place because the block has no argument of name argument.
func checkFixed(ref Reference, root string, names []string, exists bool, argument string) hcl.Diagnostics {
	if !slices.Contains(names, ref.Subject.Name) {
		return referenceError(ref, "Reference to unknown attribute",
			fmt.Sprintf("%s has no %s.%s It has %s.", root, ref.Subject.Name,
				diag.Suggest(ref.Subject.Name, names), strings.Join(names, " and ")))
	}
	if !exists {
		return referenceError(ref, "Reference without a value here",
			fmt.Sprintf("%s has a value only in the arguments of a resource, data or module block with %s.",
				ref.Subject, argument))
	}
	return nil
}

func undeclared(ref Reference, what, name string, known []string, hint string) hcl.Diagnostics {
	if s := diag.Suggest(name, known); s != "" {
		hint = s
	}
	return referenceError(ref, "Reference to undeclared "+what,
		fmt.Sprintf("There is no %s %s in this configuration.%s", what, name, hint))
}

func referenceError(ref Reference, summary, detail string) hcl.Diagnostics {
	return hcl.Diagnostics{{
		Severity: hcl.DiagError,
		Summary:  summary,
		Detail:   detail,
		Subject:  ref.Range.Ptr(),
		Context:  ref.Traversal.SourceRange().Ptr(),
	}}
}

// invalidReference explains a form that means nothing.
func (c *Config) invalidReference(ref Reference) hcl.Diagnostics {
	root := ref.Traversal.RootName()
	examples := map[string]string{
		"var": "var.subnet", "local": "local.hosts", "each": "each.key", "count": "count.index",
		"path": "path.module", "data": "data.default_route.wan", "module": "module.lab.subnet", "diyform": "diyform.workspace",
		"resource": "resource.veth_pair.uplink",
	}
	for _, a := range c.addresses() {
		if a.Mode == addr.Managed {
			examples[a.Type] = a.Local().String()
		}
	}
	detail := ""
	switch example, known := examples[root]; {
	case known:
		detail = fmt.Sprintf("%s is not complete. Write it with a name, as in %s.", text(ref.Traversal), example)
	case root == "terraform" || root == "tofu":
		detail = fmt.Sprintf("%s is not a value. The name of the workspace is diyform.workspace.", root)
	default:
		detail = fmt.Sprintf("%s is not a value. A resource is referred to by type and name, as in "+
			"veth_pair.uplink, and a text is written in quotes.%s", root, diag.Suggest(root, keysOf(examples)))
	}
	return referenceError(ref, "Invalid reference", detail)
}

// addresses lists the declared resources in order.
func (c *Config) addresses() []addr.Resource {
	return slices.SortedFunc(maps.Keys(c.Resources), addr.Resource.Compare)
}

// text writes the names that a traversal begins with.
func text(traversal hcl.Traversal) string {
	return strings.Join(leadingNames(traversal), ".")
}

// keysOf lists the keys of m in order.
func keysOf[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
