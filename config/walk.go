package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
)

// References gives what an expression refers to, in the order of the source, wrong forms
// included. The names that for expressions bind are no references. A nil expression and one
// that was made by hcl.StaticExpr refer to nothing.
func References(expr hcl.Expression) []Reference {
	if expr == nil {
		return nil
	}
	if native, ok := expr.(hclsyntax.Expression); ok {
		return nativeReferences(native)
	}
	if json.IsJSONExpression(expr) {
		return jsonReferences(expr)
	}
	return nil
}

// BodyReferences gives what the arguments of a body refer to, as far as spec knows them. A
// block's spec is that of its resource type.
func BodyReferences(body hcl.Body, spec hcldec.Spec) []Reference {
	// What does not fit the schema is said when the body is decoded.
	schema := hcldec.ImpliedSchema(spec)
	schema.Blocks = append(schema.Blocks, dynamicHeader)
	content, _, _ := body.PartialContent(schema)
	var refs []Reference
	for _, attr := range inOrder(content.Attributes) {
		refs = append(refs, References(attr.Expr)...)
	}
	nested := hcldec.ChildBlockTypes(spec)
	for _, block := range content.Blocks {
		if block.Type == dynamicHeader.Type {
			refs = append(refs, dynamicReferences(block, nested[block.Labels[0]])...)
		} else if spec, ok := nested[block.Type]; ok {
			refs = append(refs, BodyReferences(block.Body, spec)...)
		}
	}
	return refs
}

// dynamicHeader is that of a block which stands for as many others as its for_each says.
var dynamicHeader = hcl.BlockHeaderSchema{Type: "dynamic", LabelNames: []string{"type"}}

var dynamicSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "for_each"}, {Name: "iterator"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "content"}},
}

// HasDynamic reports whether a body, or one in it, has a dynamic block.
func HasDynamic(body hcl.Body, spec hcldec.Spec) bool {
	schema := hcldec.ImpliedSchema(spec)
	schema.Blocks = append(schema.Blocks, dynamicHeader)
	content, _, _ := body.PartialContent(schema)
	nested := hcldec.ChildBlockTypes(spec)
	for _, block := range content.Blocks {
		if block.Type == dynamicHeader.Type {
			return true
		}
		if spec, ok := nested[block.Type]; ok && HasDynamic(block.Body, spec) {
			return true
		}
	}
	return false
}

// Dynamic is a dynamic block.
type Dynamic struct {
	Content  hcl.Body
	DefRange hcl.Range
}

// DynamicBlock gives the one dynamic block of a body that stands for blocks of a type, or nil.
func DynamicBlock(body hcl.Body, name string) *Dynamic {
	content, _, _ := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{dynamicHeader}})
	var found *Dynamic
	for _, block := range content.Blocks {
		if block.Labels[0] != name {
			continue
		}
		inner, _, _ := block.Body.PartialContent(dynamicSchema)
		if found != nil || len(inner.Blocks) != 1 {
			return nil
		}
		found = &Dynamic{Content: inner.Blocks[0].Body, DefRange: block.DefRange}
	}
	return found
}

// dynamicReferences gives what a dynamic block refers to. Its iterator is no reference.
func dynamicReferences(block *hcl.Block, spec hcldec.Spec) []Reference {
	content, _, _ := block.Body.PartialContent(dynamicSchema)
	iterator := block.Labels[0]
	var refs []Reference
	if attr, ok := content.Attributes["for_each"]; ok {
		refs = References(attr.Expr)
	}
	if attr, ok := content.Attributes["iterator"]; ok {
		iterator = hcl.ExprAsKeyword(native(attr.Expr))
	}
	if spec == nil {
		return refs // decoding tells that there is no such block
	}
	for _, body := range content.Blocks {
		for _, ref := range BodyReferences(body.Body, spec) {
			if ref.Traversal.RootName() != iterator {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

func nativeReferences(expr hclsyntax.Expression) []Reference {
	w := &referenceWalker{
		keys: map[*hclsyntax.ScopeTraversalExpr]hclsyntax.Expression{}, rests: map[hclsyntax.Node]hcl.Traversal{},
	}
	// The walker returns no diagnostics.
	_ = hclsyntax.Walk(expr, w)
	return w.refs
}

// referenceWalker collects references from the syntax tree. It meets an index before the
// traversal that is indexed, and a scope before the expressions in it.
type referenceWalker struct {
	refs   []Reference
	keys   map[*hclsyntax.ScopeTraversalExpr]hclsyntax.Expression
	rests  map[hclsyntax.Node]hcl.Traversal // what follows an index, or the traversal that is indexed
	scopes []map[string]struct{}
	types  []hclsyntax.Node // arguments that are types: names in them are no values
	inType bool
}

func (w *referenceWalker) Enter(node hclsyntax.Node) hcl.Diagnostics {
	w.inType = w.inType || slices.Contains(w.types, node)
	switch n := node.(type) {
	case *hclsyntax.FunctionCallExpr:
		if i, ok := typeArguments[n.Name]; ok && i < len(n.Args) {
			w.types = append(w.types, n.Args[i])
		}
	case hclsyntax.ChildScope:
		w.scopes = append(w.scopes, n.LocalNames)
	case *hclsyntax.RelativeTraversalExpr:
		w.rests[unwrapParentheses(n.Source)] = n.Traversal
	case *hclsyntax.IndexExpr:
		if t, ok := unwrapParentheses(n.Collection).(*hclsyntax.ScopeTraversalExpr); ok {
			w.keys[t], w.rests[t] = n.Key, w.rests[n]
		}
	case *hclsyntax.ScopeTraversalExpr:
		if !w.inType && !w.isLocal(n.Traversal.RootName()) {
			w.refs = append(w.refs, newReference(n.Traversal, w.keyOf(n), w.rests[n]))
		}
	}
	return nil
}

func (w *referenceWalker) Exit(node hclsyntax.Node) hcl.Diagnostics {
	if w.inType && slices.Contains(w.types, node) {
		w.inType = false
	}
	if _, ok := node.(hclsyntax.ChildScope); ok {
		w.scopes = w.scopes[:len(w.scopes)-1]
	}
	return nil
}

func (w *referenceWalker) isLocal(name string) bool {
	for _, names := range w.scopes {
		if _, ok := names[name]; ok {
			return true
		}
	}
	return false
}

// keyOf gives the index expression that follows t, unless it needs a name that only the
// expression around it binds: then nobody else could evaluate it.
func (w *referenceWalker) keyOf(t *hclsyntax.ScopeTraversalExpr) hcl.Expression {
	key, ok := w.keys[t]
	if !ok || usesSplatItem(key) {
		return nil
	}
	for _, v := range key.Variables() {
		if w.isLocal(v.RootName()) {
			return nil
		}
	}
	return key
}

// usesSplatItem reports whether key speaks of the item of a splat expression around it.
func usesSplatItem(key hclsyntax.Expression) bool {
	own := map[*hclsyntax.AnonSymbolExpr]bool{}
	uses := false
	_ = hclsyntax.VisitAll(key, func(node hclsyntax.Node) hcl.Diagnostics {
		switch n := node.(type) {
		case *hclsyntax.SplatExpr:
			own[n.Item] = true
		case *hclsyntax.AnonSymbolExpr:
			uses = uses || !own[n]
		}
		return nil
	})
	return uses
}

func unwrapParentheses(expr hclsyntax.Expression) hclsyntax.Expression {
	for {
		p, ok := expr.(*hclsyntax.ParenthesesExpr)
		if !ok {
			return expr
		}
		expr = p.Expression
	}
}

// jsonReferences descends a JSON value to its strings and reads each as the template that it
// is, since the JSON expression itself tells variables but no index expressions.
func jsonReferences(expr hcl.Expression) []Reference {
	var refs []Reference
	if items, diags := hcl.ExprList(expr); !diags.HasErrors() {
		for _, item := range items {
			refs = append(refs, References(item)...)
		}
		return refs
	}
	if pairs, diags := hcl.ExprMap(expr); !diags.HasErrors() {
		for _, pair := range pairs {
			refs = append(refs, References(pair.Key)...)
			refs = append(refs, References(pair.Value)...)
		}
		return refs
	}
	if template := jsonTemplate(expr); template != nil {
		return nativeReferences(template)
	}
	return nil
}

// jsonTemplate parses a JSON string as a template, as its evaluation does. It is nil for
// other values, and for a string that is no template, which evaluation reports.
func jsonTemplate(expr hcl.Expression) hclsyntax.Expression {
	// Without a context a JSON string is taken literally.
	val, diags := expr.Value(nil)
	if diags.HasErrors() || val.IsNull() || !val.Type().Equals(cty.String) {
		return nil
	}
	rng := expr.Range()
	start := rng.Start
	start.Byte++
	start.Column++
	template, diags := hclsyntax.ParseTemplate([]byte(val.AsString()), rng.Filename, start)
	if diags.HasErrors() {
		return nil
	}
	return template
}
