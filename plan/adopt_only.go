package plan

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// ImportRequest is what the import command is asked for.
type ImportRequest struct {
	To addr.Instance
	ID string
}

func (p *Plan) checkImportRequest(r ImportRequest) hcl.Diagnostics {
	t := p.Input.Registry.Type(r.To.Type)
	switch rec := p.recorded[r.To]; {
	case r.To.Mode == addr.Data:
		return hcl.Diagnostics{diag.Error(nil, "Data cannot be imported",
			fmt.Sprintf("%s is read at every plan, and nothing of it is managed.", r.To))}
	case t == nil:
		return hcl.Diagnostics{diag.Error(nil, "Unknown resource type",
			fmt.Sprintf("diyform has no resource type %q.%s", r.To.Type, diag.Suggest(r.To.Type, p.Input.Registry.TypeNames())))}
	case t.ImportForm() == "":
		return hcl.Diagnostics{diag.Error(nil, "Resources of this type cannot be imported",
			fmt.Sprintf("An object of type %s cannot become this state's. %s", r.To.Type, t.RefuseImport()))}
	case rec != nil && rec.Actual != nil:
		return hcl.Diagnostics{diag.Error(nil, "The resource is managed already",
			fmt.Sprintf("%s is recorded, and is there. To let it become another object, take it out first: a removed block with "+
				"destroy = false lets go of it.", r.To))}
	}
	return nil
}

// adoptOnly leaves of the plan what imports the one object as it is. What configuration wants
// otherwise is for the next plan.
func (p *Plan) adoptOnly() {
	c := p.byAddress[p.Input.Options.Import.To]
	p.Pending = c.Differences
	c.Action, c.Reason, c.After, c.Differences = NoOp, "", c.Before, nil
	p.Changes, p.byAddress = []*Change{c}, map[addr.Instance]*Change{c.Address: c}
	p.steps = nil
}
