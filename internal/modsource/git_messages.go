package modsource

import (
	"slices"
	"strings"
)

// messages is what git writes to its standard error: progress, which is told now and then, and
// the rest, whose end is kept for an error.
type messages struct {
	*progress
	name      string // of the package
	line      []byte // what has no end yet
	overwrite bool   // a carriage return ended it, unless a newline follows
	kept      []string
}

// keep is how many lines of an error are told.
const keep = 8

// Write implements io.Writer.
func (m *messages) Write(b []byte) (int, error) {
	for _, c := range b {
		if m.overwrite && c != '\n' {
			m.end(true)
		}
		m.overwrite = c == '\r'
		switch {
		case c == '\n':
			m.end(false)
		case c != '\r' && len(m.line) < 1000:
			m.line = append(m.line, c)
		}
	}
	return len(b), nil
}

// end is the end of a line. What the next one is written over is progress, and so is the last of
// each kind, which ends in "done.".
func (m *messages) end(overwritten bool) {
	line := strings.TrimSpace(printable(string(m.line)))
	m.line = m.line[:0]
	switch {
	case line == "":
	case overwritten || strings.HasSuffix(line, ", done."):
		m.tell(func() string { return m.name + ": " + line })
	default:
		m.kept = append(m.kept, line)
		m.kept = m.kept[max(0, len(m.kept)-keep):]
	}
}

// printable leaves out what a server could send to change the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// prefixes say what a line of git is.
var prefixes = []string{"fatal: ", "error: ", "remote: "}

// noise is how lines begin that say nothing about an error.
var noise = []string{"hint: ", "From ", "* ", "Please make sure you have", "and the repository exists"}

// text is what an error tells, in one line.
func (m *messages) text() string {
	m.end(false)
	var told []string
	for _, line := range m.kept {
		if slices.ContainsFunc(noise, func(n string) bool { return strings.HasPrefix(line, n) }) {
			continue
		}
		for _, p := range prefixes {
			line = strings.TrimPrefix(line, p)
		}
		if line != "" {
			told = append(told, strings.TrimSuffix(line, "."))
		}
	}
	return strings.Join(told, "; ")
}
