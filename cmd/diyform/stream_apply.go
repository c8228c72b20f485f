package main

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/diyform/diyform/apply"
)

// streamHook is about one step.
type streamHook struct {
	Resource streamResource `json:"resource"`
	Action   string         `json:"action,omitempty"`
	Elapsed  *float64       `json:"elapsed_seconds,omitempty"`
	Output   string         `json:"output,omitempty"` // a line that the step has to tell; diyform's own
}

// streamReporter tells a stream what apply does.
type streamReporter struct {
	stream *stream

	mu       sync.Mutex
	underWay underWays
	beat     *heartbeat
}

func newStreamReporter(s *stream) *streamReporter {
	r := &streamReporter{stream: s, underWay: underWays{}}
	r.beat = newHeartbeat(time.Second, r.tick)
	return r
}

func (r *streamReporter) close() { r.beat.end() }

func (r *streamReporter) step(e apply.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.underWay.note(e)
	hook := streamHook{Resource: newStreamResource(e.Address), Action: e.Action, Elapsed: wholeSeconds(e.Elapsed)}
	tell := func(kind, format string, args ...any) {
		r.stream.info(kind, fmt.Sprintf("%s: ", stepOf(e))+fmt.Sprintf(format, args...), fields{"hook": hook})
	}
	switch e.Kind {
	case apply.Started:
		hook.Elapsed = nil
		tell("apply_start", "%s...", stepBegins[e.Action])
	case apply.Proceeded:
		hook.Output = e.Text
		tell("apply_progress", "%s", e.Text)
	case apply.Finished:
		tell("apply_complete", "%s complete after %s", stepEnds[e.Action], elapsed(e.Elapsed))
	case apply.Failed:
		tell("apply_errored", "%s errored after %s", stepEnds[e.Action], elapsed(e.Elapsed))
	case apply.Skipped:
		r.stream.log(fmt.Sprintf("%s: Not tried, because of %s", stepOf(e), e.Cause))
	}
}

// tick tells of what takes long.
func (r *streamReporter) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for _, u := range r.underWay.overdue(now) {
		took := now.Sub(u.begun)
		r.stream.info("apply_progress", fmt.Sprintf("%s: Still %s... [%s elapsed]", u, stepGoesOn[u.action], took.Round(time.Second)),
			fields{"hook": streamHook{Resource: newStreamResource(u.address), Action: u.action, Elapsed: wholeSeconds(took)}})
	}
}

// wholeSeconds is how Terraform counts.
func wholeSeconds(d time.Duration) *float64 {
	s := math.Round(d.Seconds())
	return &s
}
