package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// Lifecycle is a lifecycle block: how a resource's changes are to be made. The zero value is
// that of a block without one.
type Lifecycle struct {
	// PreventDestroy makes a plan fail that would destroy the resource.
	PreventDestroy bool
	// Stays says that the object stays, as nobody's, when the resource goes: destroy = false.
	Stays      bool
	StaysRange hcl.Range // of that argument
	// CreateBeforeDestroy makes the new object of a replacement before the old one goes.
	CreateBeforeDestroy bool
	CreateRange         hcl.Range // of that argument
	// IgnoreAll leaves the resource as it was made, whatever configuration says later.
	IgnoreAll bool
	// Ignore are the parts of the resource that stay as they are: paths from an attribute on.
	Ignore []Ignored
	// ReplaceTriggeredBy are the resources, instances or attributes whose change replaces this
	// resource.
	ReplaceTriggeredBy []Reference
	Preconditions      []Condition
	Postconditions     []Condition // self is the resource

	DeclRange hcl.Range // empty where there is no block
}

// Ignored is an item of ignore_changes.
type Ignored struct {
	Path  cty.Path
	Range hcl.Range
}

var lifecycleSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{
		{Name: "enabled"}, {Name: "prevent_destroy"}, {Name: "destroy"}, {Name: "create_before_destroy"},
		{Name: "ignore_changes"}, {Name: "replace_triggered_by"},
	},
	Blocks: []hcl.BlockHeaderSchema{{Type: "precondition"}, {Type: "postcondition"}},
}

// forManaged are the arguments that say nothing about what is only read.
var forManaged = []string{"prevent_destroy", "destroy", "create_before_destroy", "ignore_changes", "replace_triggered_by"}

func (r *Resource) decodeLifecycle(blocks hcl.Blocks) hcl.Diagnostics {
	if len(blocks) == 0 {
		return nil
	}
	var diags hcl.Diagnostics
	if len(blocks) > 1 {
		diags = append(diags, diag.Error(&blocks[1].DefRange, "Duplicate lifecycle block",
			fmt.Sprintf("%s has a lifecycle block already, at %s. Write both as one.", r.Addr, blocks[0].DefRange)))
	}
	content, more := blocks[0].Body.Content(lifecycleSchema)
	diags = append(diags, more...)
	if r.Addr.Mode == addr.Data {
		for _, name := range forManaged {
			if attr, ok := content.Attributes[name]; ok {
				diags = append(diags, diag.Error(&attr.NameRange, "Lifecycle argument of a resource",
					fmt.Sprintf("%s is data, which is read and never made, so %s has no meaning for it.", r.Addr, name)))
			}
		}
	}
	l := &r.Lifecycle
	l.DeclRange = blocks[0].DefRange
	diags = append(diags, r.decodeEnabled(content.Attributes["enabled"], r.Addr.String())...)
	diags = append(diags, decode(content, "prevent_destroy", &l.PreventDestroy)...)
	diags = append(diags, decode(content, "create_before_destroy", &l.CreateBeforeDestroy)...)
	diags = append(diags, l.decodeDestroy(content)...)
	if attr := content.Attributes["create_before_destroy"]; attr != nil {
		l.CreateRange = attr.Range
	}
	diags = append(diags, l.decodeIgnore(content.Attributes["ignore_changes"])...)
	triggers, more := decodeTriggers(content.Attributes["replace_triggered_by"])
	l.ReplaceTriggeredBy = triggers
	diags = append(diags, more...)
	for _, block := range content.Blocks {
		cond, more := decodeCondition(block)
		diags = append(diags, more...)
		switch {
		case cond == nil:
		case block.Type == "precondition":
			l.Preconditions = append(l.Preconditions, *cond)
		default:
			l.Postconditions = append(l.Postconditions, *cond)
		}
	}
	return diags
}

func (l *Lifecycle) decodeDestroy(content *hcl.BodyContent) hcl.Diagnostics {
	destroy := true
	diags := decode(content, "destroy", &destroy)
	if attr := content.Attributes["destroy"]; attr != nil && !diags.HasErrors() {
		l.Stays, l.StaysRange = !destroy, attr.Range
	}
	if l.Stays && l.PreventDestroy {
		diags = append(diags, diag.Error(&l.StaysRange, "Both destroy = false and prevent_destroy",
			"With destroy = false the object is never destroyed, so there is nothing to prevent. Keep one of the two."))
	}
	return diags
}

// decodeIgnore reads ignore_changes: all, or a list of attributes and what is in them.
func (l *Lifecycle) decodeIgnore(attr *hcl.Attribute) hcl.Diagnostics {
	if attr == nil {
		return nil
	}
	if hcl.ExprAsKeyword(native(attr.Expr)) == "all" {
		l.IgnoreAll = true
		return nil
	}
	items, diags := hcl.ExprList(attr.Expr)
	for _, item := range items {
		traversal, more := hcl.RelTraversalForExpr(native(item))
		if more.HasErrors() {
			diags = append(diags, diag.Error(item.Range().Ptr(), "Invalid item of ignore_changes",
				"An item is an attribute of the resource, or a part of one"+withoutQuotes(item)+": mtu, peer.addresses, env[\"HOME\"]."))
			continue
		}
		l.Ignore = append(l.Ignore, Ignored{pathOf(traversal), item.Range()})
	}
	return diags
}

// pathOf gives the path that a traversal from an object on means.
func pathOf(traversal hcl.Traversal) cty.Path {
	var path cty.Path
	for _, step := range traversal {
		switch s := step.(type) {
		case hcl.TraverseAttr:
			path = path.GetAttr(s.Name)
		case hcl.TraverseIndex:
			path = path.Index(s.Key)
		}
	}
	return path
}

// decodeTriggers reads replace_triggered_by: resources, their instances, or attributes.
func decodeTriggers(attr *hcl.Attribute) ([]Reference, hcl.Diagnostics) {
	if attr == nil {
		return nil, nil
	}
	items, diags := hcl.ExprList(attr.Expr)
	var refs []Reference
	for _, item := range items {
		expr, ok := native(item).(hclsyntax.Expression)
		var found []Reference
		if ok {
			found = nativeReferences(expr)
		}
		if len(found) == 0 || found[0].Subject.Kind != ResourceSubject || found[0].Subject.Resource.Mode != addr.Managed {
			diags = append(diags, diag.Error(item.Range().Ptr(), "Invalid item of replace_triggered_by",
				"An item is a resource, an instance of one, or an attribute of that"+withoutQuotes(item)+": "+
					"veth_pair.uplink, bridge.lan[each.key].mtu."))
			continue
		}
		refs = append(refs, found...)
	}
	return refs, diags
}

// native gives the expression that a JSON string holds, and any other expression as it is.
func native(expr hcl.Expression) hcl.Expression {
	if _, ok := expr.(hclsyntax.Expression); ok {
		return expr
	}
	if parsed := jsonAddress(expr); parsed != nil {
		return parsed
	}
	return expr
}
