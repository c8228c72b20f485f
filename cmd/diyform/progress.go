package main

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/plan"
)

// reporter tells what apply does while it does it.
type reporter interface {
	step(apply.Event) // is called by one goroutine at a time
	close()           // after the last step
}

// reporter gives the one for where the output goes: a stream for programs, a view that is
// redrawn for a terminal, and lines for all else.
func (v *view) reporter(p *plan.Plan) reporter {
	switch {
	case v.stream != nil:
		return newStreamReporter(v.stream)
	case !v.concise && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(v.out.Fd())):
		return newLive(v.out.File, palette(v.out), p.StepCount())
	}
	return newProgress(v)
}

var (
	stepBegins = map[string]string{
		"create": "Creating", "update": "Modifying", "delete": "Destroying", "read": "Reading",
		"import": "Importing", "move": "Moving", "release": "Letting go",
	}
	stepGoesOn = map[string]string{
		"create": "creating", "update": "modifying", "delete": "destroying", "read": "reading",
		"import": "importing", "move": "moving", "release": "letting go",
	}
	stepEnds = map[string]string{
		"create": "Creation", "update": "Modifications", "delete": "Destruction", "read": "Read",
		"import": "Import", "move": "Move", "release": "Release",
	}
)

// underWay is a step that has begun.
type underWay struct {
	stepID
	begun time.Time
	told  time.Time // when it was last told of
	text  string    // what it last told itself
}

type stepID struct {
	address addr.Instance
	action  string
	deposed bool
}

func (id stepID) String() string { return plan.ObjectTitle(id.address, id.deposed) }

func stepOf(e apply.Event) stepID { return stepID{e.Address, e.Action, e.Deposed} }

// underWays are the steps that have begun: a thousand at once are not rare.
type underWays map[stepID]*underWay

// note takes an event in.
func (steps underWays) note(e apply.Event) {
	id := stepOf(e)
	switch u := steps[id]; {
	case e.Kind == apply.Started:
		now := time.Now()
		steps[id] = &underWay{stepID: id, begun: now, told: now}
	case u == nil:
	case e.Kind == apply.Proceeded:
		u.text = e.Text
	default:
		delete(steps, id)
	}
}

// sorted lists them in the order in which they began.
func (steps underWays) sorted() []*underWay {
	return slices.SortedFunc(maps.Values(steps), compareBegun)
}

func compareBegun(a, b *underWay) int {
	return cmp.Or(a.begun.Compare(b.begun), a.address.Compare(b.address))
}

// overdue gives the steps that nothing was told of for a while, which counts as telling.
func (steps underWays) overdue(now time.Time) []*underWay {
	var out []*underWay
	for _, u := range steps {
		if now.Sub(u.told) >= stillEvery {
			u.told = now
			out = append(out, u)
		}
	}
	slices.SortFunc(out, compareBegun)
	return out
}

// stillEvery is after how long it is told that a step is under way still, as Terraform does.
const stillEvery = 10 * time.Second

// heartbeat does something now and then until it is stopped.
type heartbeat struct {
	stop chan struct{}
	over sync.WaitGroup
}

func newHeartbeat(every time.Duration, do func()) *heartbeat {
	h := &heartbeat{stop: make(chan struct{})}
	h.over.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-h.stop:
				return
			case <-ticker.C:
				do()
			}
		}
	})
	return h
}

func (h *heartbeat) end() {
	close(h.stop)
	h.over.Wait()
}

// progress prints lines for each step, through a buffer that is flushed now and then: a
// thousand steps are a thousand lines, not a thousand writes.
type progress struct {
	palette plan.Palette
	concise bool

	mu       sync.Mutex
	out      *bufio.Writer
	underWay underWays
	beat     *heartbeat
}

const flushEvery = 100 * time.Millisecond

func newProgress(v *view) *progress {
	p := &progress{out: bufio.NewWriterSize(v.out, 1<<16), palette: palette(v.out), concise: v.concise, underWay: underWays{}}
	p.beat = newHeartbeat(flushEvery, p.tick)
	return p
}

func (p *progress) step(e apply.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.underWay.note(e)
	if line := eventLine(p.palette, e); line != "" && (!p.concise || over(e)) {
		fmt.Fprintln(p.out, line)
	}
}

// over reports whether an event ends a step.
func over(e apply.Event) bool { return e.Kind != apply.Started && e.Kind != apply.Proceeded }

func (p *progress) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for _, u := range p.underWay.overdue(now) {
		if !p.concise {
			fmt.Fprintln(p.out, stillLine(p.palette, u, now))
		}
	}
	_ = p.out.Flush() // the terminal is gone: nobody to tell
}

func (p *progress) close() {
	p.beat.end()
	p.tick()
}

// eventLine tells an event in a line.
func eventLine(c plan.Palette, e apply.Event) string {
	name := c.Bold(stepOf(e).String() + ":")
	switch e.Kind {
	case apply.Started:
		return fmt.Sprintf("%s %s...", name, stepBegins[e.Action])
	case apply.Proceeded:
		return fmt.Sprintf("%s %s", name, c.Faint(e.Text))
	case apply.Finished:
		return fmt.Sprintf("%s %s complete after %s", name, stepEnds[e.Action], elapsed(e.Elapsed))
	case apply.Failed:
		return fmt.Sprintf("%s %s", name, c.Red(stepEnds[e.Action]+" failed after "+elapsed(e.Elapsed)))
	case apply.Skipped:
		return fmt.Sprintf("%s %s", name, c.Yellow("Not tried, because of "+e.Cause.String()))
	}
	return ""
}

func stillLine(c plan.Palette, u *underWay, now time.Time) string {
	return fmt.Sprintf("%s Still %s... [%s elapsed]", c.Bold(u.String()+":"), stepGoesOn[u.action], now.Sub(u.begun).Round(time.Second))
}
