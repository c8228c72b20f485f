package diag

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/mitchellh/go-wordwrap"
)

// Style is how diagnostics are written as text.
type Style struct {
	Color bool // with colours and a line at the left, for a terminal
	Width int  // where the detail is wrapped; 0: nowhere, so that what a script looks for stays on its line
}

func (s Style) paint(code, text string) string {
	if !s.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s Style) severity(d Document) (word, colour string) {
	if d.Severity == "warning" {
		return "Warning", "33"
	}
	return "Error", "31"
}

// WriteText writes diagnostics for people, warnings first, so that errors are what is read
// last.
func WriteText(w io.Writer, files map[string]*hcl.File, diags hcl.Diagnostics, s Style) error {
	for _, d := range ErrorsLast(diags) {
		if _, err := io.WriteString(w, s.text(NewDocument(d, files))); err != nil {
			return err
		}
	}
	return nil
}

func (s Style) text(d Document) string {
	var b strings.Builder
	word, colour := s.severity(d)
	fmt.Fprintf(&b, "%s %s\n\n", s.paint("1;"+colour, word+":"), s.paint("1", printable(d.Summary)))
	b.WriteString(s.source(d))
	if d.Detail != "" {
		b.WriteString(s.wrapped(printable(d.Detail)) + "\n")
	}
	if !s.Color {
		return b.String() + "\n"
	}
	return s.ruled(strings.TrimRight(b.String(), "\n"), colour)
}

// ruled puts a line at the left, which shows where the message begins and ends.
func (s Style) ruled(text, colour string) string {
	var b strings.Builder
	b.WriteString(s.paint(colour, "╷") + "\n")
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteString(strings.TrimRight(s.paint(colour, "│")+" "+line, " ") + "\n")
	}
	return b.String() + s.paint(colour, "╵") + "\n"
}

func (s Style) wrapped(text string) string {
	if s.Width <= 2 {
		return text
	}
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(line, " ") {
			line = wordwrap.WrapString(line, uint(s.Width-2))
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func (s Style) source(d Document) string {
	var b strings.Builder
	if d.Address != "" {
		fmt.Fprintf(&b, "  with %s,\n", printable(d.Address))
	}
	switch {
	case d.Range == nil && d.Address == "":
		return ""
	case d.Range == nil:
	case d.Snippet == nil:
		fmt.Fprintf(&b, "  on %s line %d:\n  (source code not available)\n", d.Range.Filename, d.Range.Start.Line)
	default:
		b.WriteString(s.snippet(d.Range, d.Snippet))
	}
	return b.String() + "\n"
}

func (s Style) snippet(r *Range, snippet *Snippet) string {
	var b strings.Builder
	context := ""
	if snippet.Context != nil {
		context = ", in " + *snippet.Context
	}
	fmt.Fprintf(&b, "  on %s line %d%s:\n", r.Filename, r.Start.Line, context)
	line := snippet.StartLine
	for text := range strings.SplitSeq(s.highlighted(snippet), "\n") {
		fmt.Fprintf(&b, "%4d: %s\n", line, text)
		line++
	}
	if len(snippet.Values) > 0 || snippet.FunctionCall != nil {
		b.WriteString("    " + s.paint("2", "├────────────────") + "\n")
	}
	if snippet.FunctionCall != nil {
		fmt.Fprintf(&b, "    %s while calling %s\n", s.paint("2", "│"), snippet.FunctionCall)
	}
	for _, v := range snippet.Values {
		fmt.Fprintf(&b, "    %s %s %s\n", s.paint("2", "│"), s.paint("1", v.Traversal), printable(v.Statement))
	}
	return b.String()
}

// highlighted underlines what is at fault, a line at a time: the line number is none of it.
func (s Style) highlighted(snippet *Snippet) string {
	code, start, end := snippet.Code, snippet.HighlightStartOffset, max(snippet.HighlightStartOffset, snippet.HighlightEndOffset)
	var parts []string
	for part := range strings.SplitSeq(printable(code[start:end]), "\n") {
		if part != "" {
			part = s.paint("4", part)
		}
		parts = append(parts, part)
	}
	return printable(code[:start]) + strings.Join(parts, "\n") + printable(code[end:])
}

// WriteCompact writes warnings with a line or two each: what it is, and where.
func WriteCompact(w io.Writer, diags hcl.Diagnostics, s Style) error {
	var summaries []string
	bySummary := map[string]hcl.Diagnostics{}
	for _, d := range diags {
		if len(bySummary[d.Summary]) == 0 {
			summaries = append(summaries, d.Summary)
		}
		bySummary[d.Summary] = append(bySummary[d.Summary], d)
	}
	if len(summaries) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString(s.paint("1;33", "Warnings:") + "\n\n")
	for _, summary := range summaries {
		list := bySummary[summary]
		fmt.Fprintf(&b, "- %s\n", printable(summary))
		more := ""
		if len(list) > 1 {
			more = fmt.Sprintf(" (and %d more)", len(list)-1)
		}
		if at := list[0].Subject; at != nil {
			fmt.Fprintf(&b, "  on %s line %d%s\n", at.Filename, at.Start.Line, more)
		} else if more != "" {
			fmt.Fprintf(&b, " %s\n", more)
		}
	}
	b.WriteString("\nWithout -compact-warnings they are told in full.\n\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// printable shows control characters, which could do anything to a terminal, as what they are.
func printable(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			fmt.Fprintf(&b, "\\x%02x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
