package diag

import (
	"bufio"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcled"
)

// Document is a diagnostic with its source lines and the values in them, in the form of
// `terraform validate -json`.
type Document struct {
	Severity string   `json:"severity"` // "error" or "warning"
	Summary  string   `json:"summary"`
	Detail   string   `json:"detail"`
	Address  string   `json:"address,omitempty"` // of the resource instance that it is about
	Range    *Range   `json:"range,omitempty"`
	Snippet  *Snippet `json:"snippet,omitempty"`
}

// Range is a place in a file.
type Range struct {
	Filename string `json:"filename"`
	Start    Pos    `json:"start"`
	End      Pos    `json:"end"`
}

// Pos is a position: line and column count from 1, bytes from 0.
type Pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// Snippet is the lines at fault. The offsets are bytes in Code.
type Snippet struct {
	Context              *string `json:"context"` // the block that they are in
	Code                 string  `json:"code"`
	StartLine            int     `json:"start_line"`
	HighlightStartOffset int     `json:"highlight_start_offset"`
	HighlightEndOffset   int     `json:"highlight_end_offset"`
	Values               []Value `json:"values"`
	FunctionCall         *Call   `json:"function_call,omitempty"` // the one that failed
}

// NewDocument gives the document of a diagnostic. files are the sources, by name.
func NewDocument(d *hcl.Diagnostic, files map[string]*hcl.File) Document {
	doc := Document{Severity: "error", Summary: d.Summary, Detail: d.Detail + suggestPart(d) + suggestFunction(d), Address: addressOf(d)}
	if d.Severity == hcl.DiagWarning {
		doc.Severity = "warning"
	}
	if d.Subject == nil {
		return doc
	}
	subject := visible(*d.Subject)
	doc.Range = &Range{Filename: subject.Filename, Start: Pos(subject.Start), End: Pos(subject.End)}
	shown := subject
	if d.Context != nil {
		shown = visible(hcl.RangeOver(*d.Context, subject))
	}
	if file := files[subject.Filename]; file != nil && len(file.Bytes) > 0 {
		doc.Snippet = newSnippet(file, shown, subject)
		doc.Snippet.Values, doc.Snippet.FunctionCall = valuesOf(d), callOf(d)
	}
	return doc
}

// visible gives an empty range one character, for there must be something to see.
func visible(r hcl.Range) hcl.Range {
	if r.End == (hcl.Pos{}) {
		r.End = r.Start
	}
	if r.Empty() {
		r.End.Byte++
		r.End.Column++
	}
	return r
}

func newSnippet(file *hcl.File, shown, subject hcl.Range) *Snippet {
	s := &Snippet{StartLine: shown.Start.Line, Values: []Value{}}
	if context := hcled.ContextString(file, subject.Start.Byte); context != "" {
		s.Context = &context
	}
	first := -1
	var code strings.Builder
	lines := hcl.NewRangeScanner(file.Bytes, shown.Filename, bufio.ScanLines)
	for lines.Scan() {
		line := lines.Range()
		if !line.Overlaps(shown) && !(line.Empty() && shown.ContainsPos(line.Start)) {
			continue
		}
		if first < 0 {
			first = line.Start.Byte
		} else {
			code.WriteByte('\n')
		}
		code.Write(lines.Bytes())
	}
	s.Code = code.String()
	within := func(offset int) int { return min(max(offset-max(first, 0), 0), len(s.Code)) }
	s.HighlightStartOffset, s.HighlightEndOffset = within(subject.Start.Byte), within(subject.End.Byte)
	return s
}

// located is the extra of a diagnostic that is about a resource instance.
type located struct {
	address string
	wrapped any
}

func (l located) UnwrapDiagnosticExtra() any { return l.wrapped }

// At notes which resource instance diagnostics are about, where none is noted yet.
func At(diags hcl.Diagnostics, address string) hcl.Diagnostics {
	for _, d := range diags {
		if addressOf(d) == "" {
			d.Extra = located{address, d.Extra}
		}
	}
	return diags
}

func addressOf(d *hcl.Diagnostic) string {
	l, _ := hcl.DiagnosticExtra[located](d)
	return l.address
}
