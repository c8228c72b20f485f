package config

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/addr"
)

// Moved is a moved block: what had one address has another.
type Moved struct {
	From, To  addr.Endpoint
	FromRange hcl.Range
	ToRange   hcl.Range
	DeclRange hcl.Range
}

var movedSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
	{Name: "from", Required: true}, {Name: "to", Required: true},
}}

func (c *Config) addMoved(block *hcl.Block) hcl.Diagnostics {
	content, diags := block.Body.Content(movedSchema)
	if diags.HasErrors() {
		return diags
	}
	m := &Moved{DeclRange: block.DefRange}
	for name, into := range map[string]struct {
		endpoint *addr.Endpoint
		at       *hcl.Range
	}{"from": {&m.From, &m.FromRange}, "to": {&m.To, &m.ToRange}} {
		e, more := decodeEndpoint(content.Attributes[name])
		diags = append(diags, more...)
		if e == nil {
			continue
		}
		*into.at = e.Range
		*into.endpoint, more = e.static("moved")
		diags = append(diags, more...)
	}
	if !diags.HasErrors() {
		c.Moves = append(c.Moves, m)
	}
	return diags
}
