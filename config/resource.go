package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// metaSchema is what every resource and data block may hold besides its type's arguments.
var metaSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "count"}, {Name: "for_each"}, {Name: "depends_on"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "lifecycle"}},
}

// reservedTypes begin references to something else, so nothing could refer to such a resource.
var reservedTypes = []string{"count", "data", "diyform", "each", "local", "module", "path", "resource", "self", "var"}

func (c *Config) addResource(block *hcl.Block) hcl.Diagnostics {
	r, diags := c.decodeResource(block)
	if first, ok := c.Resources[r.Addr]; ok {
		return append(diags, duplicate(block.Type+" block", r.Addr.String(), r.DeclRange, first.DeclRange))
	}
	c.Resources[r.Addr] = r
	return diags
}

func (c *Config) decodeResource(block *hcl.Block) (*Resource, hcl.Diagnostics) {
	r := &Resource{
		Addr:      addr.Resource{Module: c.Path, Mode: addr.Managed, Type: block.Labels[0], Name: block.Labels[1]},
		Body:      typeBody{block.Body},
		DeclRange: block.DefRange,
		TypeRange: block.LabelRanges[0],
		NameRange: block.LabelRanges[1],
	}
	if block.Type == "data" {
		r.Addr.Mode = addr.Data
	}
	diags := checkName(r.Addr.Type, r.TypeRange)
	diags = append(diags, checkName(r.Addr.Name, r.NameRange)...)
	if slices.Contains(reservedTypes, r.Addr.Type) {
		diags = append(diags, diag.Error(r.TypeRange.Ptr(), "Reserved resource type name",
			fmt.Sprintf("%q cannot be a resource type: references that begin with it mean "+
				"something else. Reserved are %s.", r.Addr.Type, strings.Join(reservedTypes, ", "))))
	}
	return r, append(diags, r.decodeMeta(block.Body)...)
}

func (r *Resource) decodeMeta(body hcl.Body) hcl.Diagnostics {
	content, _, diags := body.PartialContent(metaSchema)
	diags = append(diags, r.Repetition.decode(content, r.Addr.String(), r.DeclRange)...)
	dependsOn, more := decodeDependsOn(content.Attributes["depends_on"])
	r.DependsOn = dependsOn
	diags = append(diags, more...)
	return append(diags, r.decodeLifecycle(content.Blocks)...)
}

// typeBody is a block's body without the meta arguments. It is not what PartialContent leaves
// over, for that would not suggest "count" to who wrote "cuont".
type typeBody struct{ hcl.Body }

func (b typeBody) Content(schema *hcl.BodySchema) (*hcl.BodyContent, hcl.Diagnostics) {
	content, diags := b.Body.Content(withMeta(schema))
	return withoutMeta(content), diags
}

func (b typeBody) PartialContent(schema *hcl.BodySchema) (*hcl.BodyContent, hcl.Body, hcl.Diagnostics) {
	content, rest, diags := b.Body.PartialContent(withMeta(schema))
	return withoutMeta(content), rest, diags
}

func (b typeBody) JustAttributes() (hcl.Attributes, hcl.Diagnostics) {
	_, rest, _ := b.Body.PartialContent(metaSchema)
	return rest.JustAttributes()
}

func withMeta(schema *hcl.BodySchema) *hcl.BodySchema {
	return &hcl.BodySchema{
		Attributes: slices.Concat(schema.Attributes, metaSchema.Attributes),
		Blocks:     slices.Concat(schema.Blocks, metaSchema.Blocks),
	}
}

func withoutMeta(content *hcl.BodyContent) *hcl.BodyContent {
	for _, a := range metaSchema.Attributes {
		delete(content.Attributes, a.Name)
	}
	content.Blocks = slices.DeleteFunc(content.Blocks, func(b *hcl.Block) bool { return b.Type == "lifecycle" })
	return content
}
