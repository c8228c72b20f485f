package plan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers/schema"
)

// failures are what is said of an error that has no summary of its own.
var failures = map[Action]string{
	Create: "The resource cannot be made", Update: "The resource cannot be changed",
	Replace: "The resource cannot be replaced", Delete: "The resource cannot be deleted",
	Read: "The data cannot be read",
}

// place gives an error the range of the argument or block that it is about.
func (p *Plan) place(c *Change, err error) hcl.Diagnostics {
	if err == nil {
		return nil
	}
	var r *config.Resource
	if p.Input.Config != nil {
		r = p.Input.Config.Resource(c.Address.Resource)
	}
	if r == nil {
		return located(err, failures[c.Action], c.Address)
	}
	return placeError(r.Body, c.Schema, &r.DeclRange, failures[c.Action], err)
}

// placeProblems turns problems with arguments into diagnostics at those arguments.
func placeProblems(body hcl.Body, s *schema.Schema, header *hcl.Range, problems []*diag.Problem) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, pr := range problems {
		at := header
		if rng := argumentRange(body, s, pr.Attribute); rng != nil {
			at = rng
		}
		diags = append(diags, &hcl.Diagnostic{Severity: pr.Severity(), Summary: pr.Summary, Detail: pr.Detail, Subject: at})
	}
	return diags
}

// placeError does the same for an error that a provider returned. summary is for one that has
// none of its own.
func placeError(body hcl.Body, s *schema.Schema, header *hcl.Range, summary string, err error) hcl.Diagnostics {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var diags hcl.Diagnostics
		for _, one := range joined.Unwrap() {
			diags = append(diags, placeError(body, s, header, summary, one)...)
		}
		return diags
	}
	var pr *diag.Problem
	if errors.As(err, &pr) {
		return placeProblems(body, s, header, []*diag.Problem{pr})
	}
	return diag.FromError(err, summary, header)
}

// argumentRange finds where the argument at path ("peer.name") is set, or nil.
func argumentRange(body hcl.Body, s *schema.Schema, path string) *hcl.Range {
	if path == "" || body == nil {
		return nil
	}
	name, rest, _ := strings.Cut(path, ".")
	content, _, _ := body.PartialContent(hcldec.ImpliedSchema(s.Spec()))
	if attr, ok := content.Attributes[name]; ok {
		return attr.Expr.Range().Ptr()
	}
	b := s.Block(name)
	if b == nil {
		return nil
	}
	nested := content.Blocks.OfType(name)
	if len(nested) == 0 {
		return dynamicRange(body, b, path)
	}
	nth := 0
	if b.Nesting == schema.List {
		var index string
		index, rest, _ = strings.Cut(rest, ".")
		_, _ = fmt.Sscan(index, &nth)
	}
	for _, block := range nested {
		if nth--; nth >= 0 {
			continue
		}
		if rng := argumentRange(block.Body, b.Schema, rest); rng != nil {
			return rng
		}
		return block.DefRange.Ptr()
	}
	return nil
}

// dynamicRange finds where the argument at path is set in the content of a dynamic block.
func dynamicRange(body hcl.Body, b *schema.Block, path string) *hcl.Range {
	steps := strings.Split(path, ".")[1:]
	if b.Nesting == schema.List && len(steps) > 0 {
		steps = steps[1:] // which of the blocks that came of it
	}
	dynamic := config.DynamicBlock(body, b.Name)
	if dynamic == nil {
		return nil
	}
	if rng := argumentRange(dynamic.Content, b.Schema, strings.Join(steps, ".")); rng != nil {
		return rng
	}
	return &dynamic.DefRange
}

// located makes diagnostics that name the resource at fault, for those without a place.
func located(err error, summary string, a addr.Instance) hcl.Diagnostics {
	return diag.At(diag.FromError(err, summary, nil), a.String())
}
