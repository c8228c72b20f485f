// Package diag makes the errors and warnings that people read. A diagnostic is an
// hcl.Diagnostic: a summary without names, a detail that says what, why and what to do,
// and the place in the configuration. Providers, which know no configuration, return a
// Problem; the engine adds the place.
package diag

import (
	"errors"

	"github.com/hashicorp/hcl/v2"
)

// Problem is an error for people that has no place in the configuration yet.
type Problem struct {
	Summary   string // without names: "The link is not ours"
	Detail    string // what, why, what to do
	Attribute string // path of the attribute at fault, "peer.name"; "" for the whole resource
	Err       error  // what the kernel or a library said, or nil; Detail already tells it
	Warning   bool   // it is worth knowing, and stands in the way of nothing
}

// Severity is that of the diagnostic that the problem becomes.
func (p *Problem) Severity() hcl.DiagnosticSeverity {
	if p.Warning {
		return hcl.DiagWarning
	}
	return hcl.DiagError
}

func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Summary
	}
	return p.Summary + ": " + p.Detail
}

func (p *Problem) Unwrap() error { return p.Err }

// Error is one error diagnostic about the place subject, which may be nil.
func Error(subject *hcl.Range, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: subject}
}

// Warning is one warning diagnostic about the place subject, which may be nil.
func Warning(subject *hcl.Range, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: summary, Detail: detail, Subject: subject}
}

// Condition says of a diagnostic, as its Extra, that a condition of an object does not hold.
type Condition struct {
	Object string // var.subnet, check.gateway_answers, output.address, veth_pair.uplink["a"]
	Block  string // of an instance: veth_pair.uplink
	Check  bool   // it is a check's, which stands in the way of nothing
}

// Broken gives the condition that a diagnostic says does not hold.
func Broken(d *hcl.Diagnostic) (Condition, bool) {
	return hcl.DiagnosticExtra[Condition](d)
}

// FromError turns err into diagnostics: a Problem keeps its texts, diagnostics stay as they
// are, joined errors become one each, and any other error gets the given summary.
func FromError(err error, summary string, subject *hcl.Range) hcl.Diagnostics {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out hcl.Diagnostics
		for _, e := range joined.Unwrap() {
			out = append(out, FromError(e, summary, subject)...)
		}
		return out
	}
	var diags hcl.Diagnostics
	if errors.As(err, &diags) {
		return diags
	}
	var p *Problem
	if errors.As(err, &p) {
		return hcl.Diagnostics{{Severity: p.Severity(), Summary: p.Summary, Detail: p.Detail, Subject: subject}}
	}
	return hcl.Diagnostics{Error(subject, summary, Sentence(err.Error()))}
}

// Sentence gives s a final full stop, unless it ends in a mark already.
func Sentence(s string) string {
	if s == "" {
		return s
	}
	switch s[len(s)-1] {
	case '.', '!', '?', '\n':
		return s
	}
	return s + "."
}
