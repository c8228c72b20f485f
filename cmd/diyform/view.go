package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/term"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
)

// view is where a command reads and writes.
type view struct {
	in  *os.File
	out *sink
	err *os.File

	stream  *stream // of -json: all that is said goes there; nil else
	concise bool    // only what was done, not what is under way
	compact bool    // warnings with a line each

	holding bool // warnings wait for the plan to be shown
	held    []held
}

// held are warnings that wait, with the sources of their excerpts.
type held struct {
	files map[string]*hcl.File
	diags hcl.Diagnostics
}

// palette colours what goes to f only if f is a terminal and NO_COLOR is not set
// (no-color.org).
func palette(f interface{ Fd() uintptr }) plan.Palette {
	return plan.Palette{On: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))}
}

// noColor makes palettes colour nothing. By way of the environment, so that programs that we
// start know it too: those that build images.
func (v *view) noColor() {
	_ = os.Setenv("NO_COLOR", "1") // fails only for names that are none
}

func (v *view) interactive() bool {
	return term.IsTerminal(int(v.in.Fd())) && term.IsTerminal(int(v.out.Fd()))
}

func (v *view) printf(format string, args ...any) { fmt.Fprintf(v.out, format, args...) }

// diagnostics writes errors and warnings with their source lines to standard error.
func (v *view) diagnostics(files map[string]*hcl.File, diags hcl.Diagnostics) {
	if v.stream != nil {
		v.stream.diagnostics(files, diags)
		return
	}
	if len(diags) == 0 {
		return
	}
	if v.holding && !diags.HasErrors() {
		v.held = append(v.held, held{files, diags})
		return
	}
	v.release()
	style := diag.Style{Color: palette(v.err).On, Width: width(v.err)}
	if v.compact {
		if err := diag.WriteCompact(v.err, diag.Warnings(diags), style); err == nil {
			diags = diag.Errors(diags)
		}
	}
	if err := diag.WriteText(v.err, files, diags, style); err != nil {
		fmt.Fprintln(v.err, diags.Error())
	}
}

// release writes the warnings that were held.
func (v *view) release() {
	waiting := v.held
	v.holding, v.held = false, nil
	for _, h := range waiting {
		v.diagnostics(h.files, h.diags)
	}
}

// width is that of a terminal, and 0 of anything else.
func width(f *os.File) int {
	if !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}

// note tells something beside the diagnostics, on standard error.
func (v *view) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if v.stream != nil {
		v.stream.log(text)
		return
	}
	fmt.Fprintln(v.err, text)
}

// json writes a value for scripts.
func (v *view) json(value any) error {
	enc := newEncoder(v.out)
	enc.SetIndent("", "  ")
	return enc.Encode(value)
}

// newEncoder writes JSON, a value a line. Nobody puts it into a page of HTML.
func newEncoder(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc
}

// keys lists the keys of m in order.
func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// count says how many there are of something.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func elapsed(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// table writes rows under a header, columns aligned.
func table(w io.Writer, header []string, rows [][]string) {
	widths := make([]int, len(header))
	for _, row := range append([][]string{header}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	for _, row := range append([][]string{header}, rows...) {
		var b strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&b, "%-*s  ", widths[i], cell)
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}
