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
	if r.To.Mode == addr.Data {
		return hcl.Diagnostics{diag.Error(nil, "Data cannot be imported",
			fmt.Sprintf("%s is read at every plan, and nothing of it is managed.", r.To))}
	}
	if diags := refuseImport(r.To.Type, p.Input.Registry, nil); diags.HasErrors() {
		return diags
	}
	if rec := p.recorded[r.To]; rec != nil && rec.Actual != nil {
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
