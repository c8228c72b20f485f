package diag

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Call is a call of a function that failed.
type Call struct {
	CalledAs string `json:"called_as"`

	parameters []string
}

// callOf gives the call that a diagnostic is about, or nil.
func callOf(d *hcl.Diagnostic) *Call {
	call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
	if !ok || call.CalledFunctionName() == "" {
		return nil
	}
	c := &Call{CalledAs: call.CalledFunctionName()}
	for scope := d.EvalContext; scope != nil; scope = scope.Parent() {
		f, there := scope.Functions[c.CalledAs]
		if !there {
			continue
		}
		for _, p := range f.Params() {
			c.parameters = append(c.parameters, p.Name)
		}
		if p := f.VarParam(); p != nil {
			c.parameters = append(c.parameters, p.Name+"...")
		}
		return c
	}
	return nil // it is no function
}

func (c *Call) String() string { return c.CalledAs + "(" + strings.Join(c.parameters, ", ") + ")" }
