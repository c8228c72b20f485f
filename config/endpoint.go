package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// Endpoint is the address that a moved, removed or import block names, as it was written.
type Endpoint struct {
	Range hcl.Range
	steps []endpointStep
}

type endpointStep struct {
	name string
	key  hcl.Expression // nil where none follows
}

// endpointHint says how such an address is written.
const endpointHint = "Write the address of a resource, of an instance of one, or of a module, without quotes: " +
	"veth_pair.uplink, bridge.lan[0], network_namespace.host[\"a\"], module.lab."

// decodeEndpoint reads the address that an argument holds.
func decodeEndpoint(attr *hcl.Attribute) (*Endpoint, hcl.Diagnostics) {
	expr := native(attr.Expr)
	e := &Endpoint{Range: attr.Expr.Range()}
	native, ok := expr.(hclsyntax.Expression)
	if !ok || !e.walk(native) || !e.isAddress() {
		return nil, hcl.Diagnostics{diag.Error(&e.Range, "Not an address", endpointHint)}
	}
	return e, nil
}

// walk takes the names and keys of an expression.
func (e *Endpoint) walk(expr hclsyntax.Expression) bool {
	switch x := expr.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		return e.take(x.Traversal)
	case *hclsyntax.RelativeTraversalExpr:
		return e.walk(x.Source) && e.take(x.Traversal)
	case *hclsyntax.IndexExpr:
		if !e.walk(x.Collection) {
			return false
		}
		return e.index(x.Key)
	}
	return false
}

func (e *Endpoint) take(t hcl.Traversal) bool {
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			e.steps = append(e.steps, endpointStep{name: s.Name})
		case hcl.TraverseAttr:
			e.steps = append(e.steps, endpointStep{name: s.Name})
		case hcl.TraverseIndex:
			if !e.index(hcl.StaticExpr(s.Key, s.SrcRange)) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func (e *Endpoint) index(key hcl.Expression) bool {
	last := len(e.steps) - 1
	if last < 0 || e.steps[last].key != nil {
		return false
	}
	e.steps[last].key = key
	return true
}

// isAddress reports whether the names are those of modules and then of a resource.
func (e *Endpoint) isAddress() bool {
	rest := e.steps
	for len(rest) >= 2 && rest[0].name == "module" && rest[0].key == nil {
		rest = rest[2:]
	}
	if len(rest) == 0 {
		return len(e.steps) > 0
	}
	if len(rest) != 2 || rest[0].key != nil {
		return false
	}
	kind, special := kindsByRoot[rest[0].name]
	return !special || kind == ResourceSubject && rest[0].name != "data"
}

// resourceType gives the type of the resource that is named; false where it is a module.
func (e *Endpoint) resourceType() (string, bool) {
	rest := e.steps
	for len(rest) >= 2 && rest[0].name == "module" {
		rest = rest[2:]
	}
	if len(rest) == 0 {
		return "", false
	}
	return rest[0].name, true
}

// HasKey reports whether an instance is named, of the last or of any module before it.
func (e *Endpoint) HasKey() bool {
	for _, s := range e.steps {
		if s.key != nil {
			return true
		}
	}
	return false
}

// keys lists the indexes.
func (e *Endpoint) keys() []hcl.Expression {
	var out []hcl.Expression
	for _, s := range e.steps {
		if s.key != nil {
			out = append(out, s.key)
		}
	}
	return out
}

// References gives what the indexes refer to.
func (e *Endpoint) References() []Reference {
	var refs []Reference
	for _, key := range e.keys() {
		refs = append(refs, References(key)...)
	}
	return refs
}

// Evaluate gives the address. ctx may be nil where no index refers to anything.
func (e *Endpoint) Evaluate(ctx *hcl.EvalContext) (addr.Endpoint, hcl.Diagnostics) {
	var out addr.Endpoint
	var diags hcl.Diagnostics
	rest := e.steps
	for len(rest) >= 2 && rest[0].name == "module" {
		key, more := evaluateKey(rest[1].key, ctx)
		diags = append(diags, more...)
		out.Modules = append(out.Modules, addr.ModuleStep{Name: rest[1].name, Key: key})
		rest = rest[2:]
	}
	if len(rest) == 2 {
		key, more := evaluateKey(rest[1].key, ctx)
		diags = append(diags, more...)
		out.Resource, out.Key = addr.Resource{Type: rest[0].name, Name: rest[1].name}, key
	}
	return out, diags
}

func evaluateKey(expr hcl.Expression, ctx *hcl.EvalContext) (addr.Key, hcl.Diagnostics) {
	if expr == nil {
		return addr.Key{}, nil
	}
	rng := expr.Range()
	fail := func(detail string) (addr.Key, hcl.Diagnostics) {
		return addr.Key{}, hcl.Diagnostics{diag.Error(&rng, "Invalid index in an address", detail)}
	}
	v, diags := expr.Value(ctx)
	if diags.HasErrors() {
		return addr.Key{}, diags
	}
	v, _ = v.Unmark()
	switch {
	case !v.IsKnown():
		return fail("The index depends on values that are known only after apply, so it cannot be told which instance is meant.")
	case v.IsNull():
		return fail("The index is null.")
	case v.Type() == cty.String:
		return addr.StringKey(v.AsString()), nil
	case v.Type() == cty.Number && v.AsBigFloat().IsInt() && v.AsBigFloat().Sign() >= 0:
		n, _ := v.AsBigFloat().Int64()
		return addr.IntKey(int(n)), nil
	}
	return fail("An index is a string, for an instance of for_each, or a whole number, for one of count.")
}

// static evaluates an address in which indexes are literals.
func (e *Endpoint) static(block string) (addr.Endpoint, hcl.Diagnostics) {
	for _, ref := range e.References() {
		return addr.Endpoint{}, hcl.Diagnostics{diag.Error(&ref.Range, "Invalid index in an address",
			fmt.Sprintf("In a %s block an index is written out, as in [0] or [\"a\"]: it cannot refer to %s.", block, ref.Subject))}
	}
	return e.Evaluate(nil)
}
