package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/plan"
)

// live shows on a terminal what is under way, in lines that are redrawn in place, below what
// is over, which scrolls.
type live struct {
	palette plan.Palette
	out     io.Writer
	size    func() (width, height int)
	total   int // steps

	mu           sync.Mutex
	underWay     underWays
	over         strings.Builder // lines not written yet
	drawn        []string        // the lines that are redrawn
	done, failed int
	skipped      int
	begun        time.Time
	beat         *heartbeat
}

// drawEvery is often enough to be taken for at once, and seldom enough to cost nothing.
const drawEvery = 100 * time.Millisecond

func newLive(out *os.File, palette plan.Palette, total int) *live {
	l := &live{underWay: underWays{}, out: out, palette: palette, total: total, begun: time.Now(), size: func() (int, int) { return terminalSize(out) }}
	l.beat = newHeartbeat(drawEvery, l.draw)
	return l
}

func terminalSize(f *os.File) (width, height int) {
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

func (l *live) step(e apply.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.underWay.note(e)
	switch e.Kind {
	case apply.Finished:
		l.done++
	case apply.Failed:
		l.failed++
	case apply.Skipped:
		l.skipped++
	}
	if over(e) {
		l.over.WriteString(eventLine(l.palette, e) + "\n")
	}
}

// draw writes what is over, and what is under way below it.
func (l *live) draw() { l.write(true) }

func (l *live) close() {
	l.beat.end()
	l.write(false)
}

func (l *live) write(underWay bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	if underWay {
		lines = l.lines(time.Now())
	}
	if l.over.Len() == 0 && slices.Equal(lines, l.drawn) {
		return
	}
	var b strings.Builder
	if len(l.drawn) > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", len(l.drawn))
	}
	b.WriteString(l.over.String())
	l.over.Reset()
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	l.drawn = lines
	_, _ = io.WriteString(l.out, b.String()) // the terminal is gone: nobody to tell
}

// mostLines are those of steps under way, however high the terminal is.
const mostLines = 10

// lines is what is redrawn: a line a step, and one that sums up. None is longer than the
// terminal is wide, for then it would be two.
func (l *live) lines(now time.Time) []string {
	width, height := l.size()
	steps := l.underWay.sorted()
	shown := steps[:min(len(steps), mostLines, max(1, height/2))]
	var out []string
	for _, u := range shown {
		text := fmt.Sprintf("  %s: %s %s", u, stepGoesOn[u.action], now.Sub(u.begun).Truncate(time.Second))
		if u.text != "" {
			text += "  " + u.text
		}
		out = append(out, cut(text, width-1))
	}
	if more := len(steps) - len(shown); more > 0 {
		out = append(out, cut(fmt.Sprintf("  and %d more", more), width-1))
	}
	return append(out, l.palette.Faint(cut(l.sum(now), width-1)))
}

func (l *live) sum(now time.Time) string {
	text := fmt.Sprintf("%d of %d done", l.done, l.total)
	for _, count := range []struct {
		n    int
		what string
	}{{l.failed, "failed"}, {l.skipped, "not tried"}, {len(l.underWay), "under way"}} {
		if count.n > 0 {
			text += fmt.Sprintf(", %d %s", count.n, count.what)
		}
	}
	return text + ", " + now.Sub(l.begun).Truncate(time.Second).String()
}

// cut shortens a line to so many characters, and shows that.
func cut(line string, width int) string {
	runes := []rune(line)
	if len(runes) <= width {
		return line
	}
	return string(runes[:max(0, width-1)]) + "…"
}
