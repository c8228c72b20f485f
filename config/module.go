package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// Call is a module block: another module, as often as count or for_each says, with values for
// its variables.
type Call struct {
	Repetition
	Name      string
	Source    string // where the module's files are, as it is written
	Arguments map[string]*hcl.Attribute
	DependsOn []Reference

	DeclRange   hcl.Range
	SourceRange hcl.Range
	NameRange   hcl.Range
}

// Repetition says how many instances of a block there are.
type Repetition struct {
	Count   hcl.Expression // nil when the block has none
	ForEach hcl.Expression // nil when the block has none; never set together with Count
	Enabled hcl.Expression // whether the one instance exists; nil: it does
}

// Scope gives the scope of the block's arguments.
func (r *Repetition) Scope() Scope { return Scope{Each: r.ForEach != nil, Count: r.Count != nil} }

// References lists what decides how many instances there are.
func (r *Repetition) References() []Reference {
	return slices.Concat(References(r.Count), References(r.ForEach), References(r.Enabled))
}

var callSchema = &hcl.BodySchema{
	Attributes: append(slices.Clone(metaSchema.Attributes),
		hcl.AttributeSchema{Name: "source", Required: true}, hcl.AttributeSchema{Name: "version"}, hcl.AttributeSchema{Name: "providers"}),
	Blocks: metaSchema.Blocks,
}

func (c *Config) addCall(block *hcl.Block) hcl.Diagnostics {
	call := &Call{Name: block.Labels[0], DeclRange: block.DefRange, NameRange: block.LabelRanges[0]}
	diags := checkName(call.Name, call.NameRange)
	content, rest, more := block.Body.PartialContent(callSchema)
	diags = append(diags, more...)
	diags = append(diags, call.decodeSource(content)...)
	for _, name := range []string{"version", "providers"} {
		if attr, ok := content.Attributes[name]; ok {
			diags = append(diags, diag.Error(&attr.NameRange, "Argument without a meaning here", withoutMeaning[name]))
		}
	}
	diags = append(diags, call.decode(content, "module."+call.Name, block.DefRange)...)
	call.DependsOn, more = decodeDependsOn(content.Attributes["depends_on"])
	diags = append(diags, more...)
	diags = append(diags, call.decodeLifecycle(content.Blocks)...)
	// The native syntax counts blocks as wrong that were taken already, so it is not asked what is.
	call.Arguments, _ = rest.JustAttributes()
	diags = append(diags, unknownBlocks(block.Body)...)
	if first, ok := c.Calls[call.Name]; ok {
		return append(diags, duplicate("module block", call.Name, call.DeclRange, first.DeclRange))
	}
	c.Calls[call.Name] = call
	return diags
}

// unknownBlocks refuses nested blocks other than lifecycle. In JSON they are arguments, of which
// the module has no such variable.
func unknownBlocks(body hcl.Body) hcl.Diagnostics {
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		return nil
	}
	var diags hcl.Diagnostics
	for _, b := range native.Blocks {
		if b.Type != "lifecycle" {
			diags = append(diags, diag.Error(b.TypeRange.Ptr(), "Unsupported block in a module block", fmt.Sprintf(
				"A module block has arguments and a lifecycle block, and no block %q. A variable of the module is set by an argument: %[1]s = ...", b.Type)))
		}
	}
	return diags
}

var withoutMeaning = map[string]string{
	"version": "A version belongs to a module of a registry, and diyform has none: a module comes from a folder, " +
		"a git repository or an archive. Name the version in source, as in git::https://example.org/lab.git?ref=v1.2.",
	"providers": "diyform has its providers built in, and nothing of them is configured. Remove this argument.",
}

func (call *Call) decodeSource(content *hcl.BodyContent) hcl.Diagnostics {
	attr, ok := content.Attributes["source"]
	if !ok {
		return nil
	}
	call.SourceRange = attr.Expr.Range()
	diags := decode(content, "source", &call.Source)
	if !diags.HasErrors() && call.Source == "" {
		diags = append(diags, diag.Error(&call.SourceRange, "Invalid source of a module", "source is empty. Name a folder, as in \"./modules/lab\"."))
	}
	return diags
}

// decodeLifecycle reads the lifecycle block of a module, which can say one thing only.
func (call *Call) decodeLifecycle(blocks hcl.Blocks) hcl.Diagnostics {
	if len(blocks) == 0 {
		return nil
	}
	content, diags := blocks[0].Body.Content(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "enabled"}}})
	return append(diags, call.decodeEnabled(content.Attributes["enabled"], "module."+call.Name)...)
}

// decode reads count and for_each. what is the block's address, for diagnostics.
func (r *Repetition) decode(content *hcl.BodyContent, what string, decl hcl.Range) hcl.Diagnostics {
	if attr, ok := content.Attributes["count"]; ok {
		r.Count = attr.Expr
	}
	attr, ok := content.Attributes["for_each"]
	if !ok {
		return nil
	}
	r.ForEach = attr.Expr
	if r.Count == nil {
		return nil
	}
	r.Count = nil
	return hcl.Diagnostics{{
		Severity: hcl.DiagError,
		Summary:  "Both count and for_each",
		Detail: fmt.Sprintf("%s has count, at %s, and for_each. Keep the one that tells its "+
			"instances apart.", what, content.Attributes["count"].NameRange),
		Subject: attr.NameRange.Ptr(),
		Context: decl.Ptr(),
	}}
}

func (r *Repetition) decodeEnabled(attr *hcl.Attribute, what string) hcl.Diagnostics {
	if attr == nil {
		return nil
	}
	if r.Count != nil || r.ForEach != nil {
		return hcl.Diagnostics{diag.Error(&attr.NameRange, "Both enabled and count or for_each",
			fmt.Sprintf("%s has count or for_each, which may have no instances. Keep that one.", what))}
	}
	r.Enabled = attr.Expr
	return nil
}

// checkArguments holds what a module block sets against the variables that its module has.
func (call *Call) checkArguments(child *Config) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, attr := range inOrder(call.Arguments) {
		if _, ok := child.Variables[attr.Name]; ok {
			continue
		}
		hint := diag.Suggest(attr.Name, append(keysOf(child.Variables), "source", "count", "for_each", "depends_on"))
		if hint == "" {
			hint = variablesHint(child)
		}
		diags = append(diags, diag.Error(&attr.NameRange, "Unsupported argument",
			fmt.Sprintf("The module %q has no variable %q.%s", call.Name, attr.Name, hint)))
	}
	for _, name := range keysOf(child.Variables) {
		if v := child.Variables[name]; v.Required() && call.Arguments[name] == nil {
			diags = append(diags, diag.Error(&call.DeclRange, "Missing required argument",
				fmt.Sprintf("The module %q needs a value for its variable %q, declared at %s.", call.Name, name, v.DeclRange)))
		}
	}
	return diags
}

func variablesHint(child *Config) string {
	if names := keysOf(child.Variables); len(names) > 0 {
		return fmt.Sprintf(" It has: %s.", strings.Join(names, ", "))
	}
	return " It has none."
}

// Key is the module's key for Modules.Folder: the names of the calls from the root module on.
func (c *Config) Key() string { return moduleKey(c.Path) }

func moduleKey(path addr.Module) string { return strings.Join(path.Names(), ".") }

// Module gives the module of the tree that has an address, keys of instances left aside, or nil.
func (c *Config) Module(path addr.Module) *Config {
	if path == c.Path {
		return c
	}
	for _, step := range path.Steps()[len(c.Path.Steps()):] {
		if c = c.Children[step.Name]; c == nil {
			return nil
		}
	}
	return c
}

// Resource gives the block of a resource or data source anywhere in the tree, or nil.
func (c *Config) Resource(a addr.Resource) *Resource {
	m := c.Module(a.Module)
	if m == nil {
		return nil
	}
	return m.Resources[m.Path.Resource(a)]
}

// All lists the modules of the tree, each before those in it.
func (c *Config) All() []*Config {
	list := []*Config{c}
	for _, name := range keysOf(c.Children) {
		list = append(list, c.Children[name].All()...)
	}
	return list
}
