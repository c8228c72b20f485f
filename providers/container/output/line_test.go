package output

import (
	"bytes"
	"testing"
	"time"
)

// FuzzParse checks that no line of a log is a surprise, and that what was written as an entry
// is read as that one.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "2026-11-23T20:59:47.000000123Z stdout F the line\n", "2026-11-23T20:59:47Z stderr P ",
		"2026-11-23T20:59:47.000000123Z stdout", "2026-11-23T20:59:47.0", "x stdout F y\n", "2026-11-23T20:59:47Z stdin F y\n",
		"2026-11-23T20:59:47Z stdout X y\n", "\x00\xff\n\n", "a\nb\r\nc",
	} {
		f.Add([]byte(seed))
	}
	now := time.Date(2026, 11, 23, 20, 59, 47, 123, time.UTC)
	f.Fuzz(func(t *testing.T, b []byte) {
		e := parseEntry(b)
		if len(e.Text) > len(b) || e.Stream != Stdout && e.Stream != Stderr {
			t.Errorf("%q is %+v", b, e)
		}
		var back []byte
		for line := range bytes.Lines(appendEntries(nil, now, Stderr, b)) {
			e := parseEntry(line)
			if !e.Time.Equal(now) || e.Stream != Stderr {
				t.Errorf("%q is %+v", line, e)
			}
			back = append(back, e.Text...)
			if !e.Partial {
				back = append(back, '\n')
			}
		}
		if !bytes.Equal(back, b) {
			t.Errorf("%q comes back as %q", b, back)
		}
	})
}
