package main

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/providers/container/output"
)

// logPrinter shows entries of logs, one at a time. Safe for concurrent use.
type logPrinter struct {
	timestamps, asJSON bool
	prefixes           map[addr.Instance]string // of several containers; nil of one
	files              map[output.Stream]*os.File

	mu     sync.Mutex
	buffer []byte
	to     *os.File                 // where the buffer goes
	begun  map[logLine]output.Entry // lines that have not ended, where only whole ones are shown
	inside map[output.Stream]bool   // whether the last that was shown is the beginning of a line, where pieces are
}

// logLine is a line that goes on.
type logLine struct {
	address addr.Instance
	stream  output.Stream
}

func newLogPrinter(v *view, flags logsFlags, list []*openedLog) *logPrinter {
	p := &logPrinter{
		timestamps: flags.timestamps, asJSON: flags.asJSON,
		files: map[output.Stream]*os.File{output.Stdout: v.out.File, output.Stderr: v.err},
		begun: map[logLine]output.Entry{}, inside: map[output.Stream]bool{},
	}
	if flags.asJSON {
		p.files[output.Stderr] = v.out.File
	} else if len(list) > 1 {
		p.prefixes = prefixesOf(v, list)
	}
	return p
}

// prefixesOf gives what the containers' lines begin with, in a colour of each one's own on a
// terminal.
func prefixesOf(v *view, list []*openedLog) map[addr.Instance]string {
	colours := palette(v.out)
	paint := []func(string) string{colours.Cyan, colours.Yellow, colours.Green, colours.Red, colours.Bold, colours.Faint}
	width := 0
	for _, l := range list {
		width = max(width, len(l.address().String()))
	}
	prefixes := map[addr.Instance]string{}
	for i, l := range list {
		prefixes[l.address()] = paint[i%len(paint)](fmt.Sprintf("%-*s |", width, l.address())) + " "
	}
	return prefixes
}

// Of what goes through the printer's memory.
const (
	// printAt is how much is collected before it is written.
	printAt = 64 << 10
	// longestLine is where a line is broken that is shown only as a whole.
	longestLine = 1 << 20
)

// print shows an entry. Pieces of lines are shown at once, but where lines of several
// containers, or JSON objects, could come between them.
func (p *logPrinter) print(a addr.Instance, e output.Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turnTo(e.Stream)
	if p.asJSON || p.prefixes != nil {
		p.collect(a, e)
	} else {
		p.printPiece(e)
	}
	if len(p.buffer) >= printAt {
		p.flushLocked()
	}
}

func (p *logPrinter) printPiece(e output.Entry) {
	if p.timestamps && !p.inside[e.Stream] {
		p.buffer = append(p.buffer, stamp(e.Time)...)
	}
	p.inside[e.Stream] = e.Partial
	p.buffer = append(p.buffer, e.Text...)
	if !e.Partial {
		p.buffer = append(p.buffer, '\n')
	}
}

// collect shows a line when it has ended.
func (p *logPrinter) collect(a addr.Instance, e output.Entry) {
	line := logLine{a, e.Stream}
	if before, ok := p.begun[line]; ok {
		e.Text = append(before.Text, e.Text...)
	} else if e.Partial {
		e.Text = bytes.Clone(e.Text)
	}
	if e.Partial && len(e.Text) < longestLine {
		p.begun[line] = e
		return
	}
	delete(p.begun, line)
	p.printLine(a, e)
}

func (p *logPrinter) printLine(a addr.Instance, e output.Entry) {
	if p.asJSON {
		p.buffer = append(p.buffer, encodeEntry(a, e)...)
		return
	}
	p.buffer = append(p.buffer, p.prefixes[a]...)
	if p.timestamps {
		p.buffer = append(p.buffer, stamp(e.Time)...)
	}
	p.buffer = append(append(p.buffer, e.Text...), '\n')
}

func stamp(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.000000000Z") + " "
}

// loggedLine is a line of a log as -json shows it.
type loggedLine struct {
	Time    time.Time     `json:"time,omitzero"`
	Address string        `json:"address"`
	Stream  output.Stream `json:"stream"`
	Text    string        `json:"text"`
}

func encodeEntry(a addr.Instance, e output.Entry) []byte {
	var b bytes.Buffer
	if err := newEncoder(&b).Encode(loggedLine{e.Time, a.String(), e.Stream, string(e.Text)}); err != nil {
		return fmt.Appendf(nil, "%v\n", err)
	}
	return b.Bytes()
}

func (p *logPrinter) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flushLocked()
}

func (p *logPrinter) flushLocked() {
	if len(p.buffer) > 0 {
		_, _ = p.to.Write(p.buffer) // nobody reads: nobody to tell
		p.buffer = p.buffer[:0]
	}
}

// end shows the lines that will have no end.
func (p *logPrinter) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for line, e := range p.begun {
		p.turnTo(e.Stream)
		p.printLine(line.address, e)
	}
	clear(p.begun)
	p.flushLocked()
}

// turnTo keeps what goes to several files in order.
func (p *logPrinter) turnTo(s output.Stream) {
	if to := p.files[s]; to != p.to {
		p.flushLocked()
		p.to = to
	}
}
