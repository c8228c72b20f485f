package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/term"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/plan"
)

// view is where a command reads and writes.
type view struct {
	in  *os.File
	out *os.File
	err *os.File
}

// palette colours what goes to f only if f is a terminal and NO_COLOR is not set
// (no-color.org).
func palette(f *os.File) plan.Palette {
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
	if len(diags) == 0 {
		return
	}
	width := 0 // no wrapping: what a script greps for stays on its line
	if term.IsTerminal(int(v.err.Fd())) {
		if w, _, err := term.GetSize(int(v.err.Fd())); err == nil {
			width = w
		}
	}
	w := hcl.NewDiagnosticTextWriter(v.err, files, uint(max(0, width)), palette(v.err).On)
	if err := w.WriteDiagnostics(diags); err != nil {
		fmt.Fprintln(v.err, diags.Error())
	}
}

// json writes a value for scripts.
func (v *view) json(value any) error {
	enc := json.NewEncoder(v.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}

// confirm asks and reports whether the answer was "yes".
func (v *view) confirm(question, note string) bool {
	p := palette(v.out)
	v.printf("\n%s\n  %s\n  Only 'yes' is taken as approval.\n\n  %s ", p.Bold(question), note, p.Bold("Enter a value:"))
	line, err := bufio.NewReader(v.in).ReadString('\n')
	v.printf("\n")
	return err == nil && strings.TrimSpace(line) == "yes"
}

// ask gets the value of a variable.
func (v *view) ask(name, description string) (string, bool) {
	p := palette(v.out)
	v.printf("%s\n", p.Bold("var."+name))
	if description != "" {
		v.printf("  %s\n", description)
	}
	v.printf("\n  %s ", p.Bold("Enter a value:"))
	line, err := bufio.NewReader(v.in).ReadString('\n')
	v.printf("\n")
	return strings.TrimRight(line, "\r\n"), err == nil || line != ""
}

// progress prints a line for each step, through a buffer that is flushed now and then: a
// thousand steps are a thousand lines, not a thousand writes.
type progress struct {
	palette plan.Palette

	mu  sync.Mutex
	out *bufio.Writer
	due *time.Timer // of the next flush, or nil: there is nothing in the buffer
}

func newProgress(v *view) *progress {
	return &progress{out: bufio.NewWriterSize(v.out, 1<<16), palette: palette(v.out)}
}

const flushEvery = 100 * time.Millisecond

var (
	stepBegins = map[string]string{"create": "Creating...", "update": "Modifying...", "delete": "Destroying...", "read": "Reading...",
		"import": "Importing...", "move": "Moving...", "release": "Letting go..."}
	stepEnds = map[string]string{"create": "Creation", "update": "Modifications", "delete": "Destruction", "read": "Read",
		"import": "Import", "move": "Move", "release": "Release"}
)

// step is told of each step by apply, one at a time.
func (p *progress) step(e apply.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := p.palette.Bold(plan.ObjectTitle(e.Address, e.Deposed) + ":")
	switch e.Kind {
	case apply.Started:
		fmt.Fprintf(p.out, "%s %s\n", name, stepBegins[e.Action])
	case apply.Proceeded:
		fmt.Fprintf(p.out, "%s %s\n", name, p.palette.Faint(e.Text))
	case apply.Finished:
		fmt.Fprintf(p.out, "%s %s complete after %s\n", name, stepEnds[e.Action], elapsed(e.Elapsed))
	case apply.Failed:
		fmt.Fprintf(p.out, "%s %s\n", name, p.palette.Red(stepEnds[e.Action]+" failed after "+elapsed(e.Elapsed)))
	case apply.Skipped:
		fmt.Fprintf(p.out, "%s %s\n", name, p.palette.Yellow("Not tried, because of "+e.Cause.String()))
	}
	if p.due == nil {
		p.due = time.AfterFunc(flushEvery, p.flush)
	}
}

func (p *progress) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.due != nil {
		p.due.Stop()
		p.due = nil
	}
	_ = p.out.Flush() // the terminal is gone: nobody to tell
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
