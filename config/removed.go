package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// Removed is a removed block: what is no longer in configuration, and what becomes of it.
type Removed struct {
	From      addr.Endpoint // without keys
	Destroy   bool          // else it is only let go of
	FromRange hcl.Range
	DeclRange hcl.Range
}

var (
	removedSchema = &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "from", Required: true}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "lifecycle"}},
	}
	removedLifecycleSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "destroy"}}}
)

func (c *Config) addRemoved(block *hcl.Block) hcl.Diagnostics {
	content, diags := block.Body.Content(removedSchema)
	if diags.HasErrors() {
		return diags
	}
	r := &Removed{Destroy: true, DeclRange: block.DefRange}
	e, more := decodeEndpoint(content.Attributes["from"])
	diags = append(diags, more...)
	if e != nil {
		r.FromRange = e.Range
		if e.HasKey() {
			diags = append(diags, diag.Error(&e.Range, "Instance in a removed block",
				"A removed block is about a whole resource or module, all of its instances: leave the index out. "+
					"To let go of one instance alone, move it to an address of its own with a moved block first."))
		}
		r.From, more = e.static("removed")
		diags = append(diags, more...)
	}
	diags = append(diags, r.decodeLifecycle(content.Blocks)...)
	from := r.From.String()
	if other := c.removedFrom[from]; e != nil && other != nil {
		return append(diags, diag.Error(&r.FromRange, "Duplicate removed block",
			fmt.Sprintf("Another removed block is about %s already, at %s. Keep one of the two.", r.From, other.DeclRange)))
	}
	if diags.HasErrors() {
		return diags
	}
	if c.removedFrom == nil {
		c.removedFrom = map[string]*Removed{}
	}
	c.removedFrom[from] = r
	c.Removed = append(c.Removed, r)
	return diags
}

func (r *Removed) decodeLifecycle(blocks hcl.Blocks) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i, block := range blocks {
		if i > 0 {
			diags = append(diags, diag.Error(&block.DefRange, "Duplicate lifecycle block",
				fmt.Sprintf("This removed block has a lifecycle block already, at %s. Write both as one.", blocks[0].DefRange)))
			continue
		}
		content, more := block.Body.Content(removedLifecycleSchema)
		diags = append(diags, more...)
		diags = append(diags, decode(content, "destroy", &r.Destroy)...)
	}
	return diags
}
