package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"time"

	"github.com/diyform/diyform/providers/container/enter"
)

const (
	// maxHealthOutput is how much is kept of what a check has said, in bytes.
	maxHealthOutput = 4 << 10
	// firstPause is the time after which the first check comes; it doubles up to the interval,
	// so that a container that is ready soon is known to be healthy soon.
	firstPause = 100 * time.Millisecond
	// outputTime is how long after a check's command what it left behind may write.
	outputTime = 100 * time.Millisecond
)

// begin gives the health of a container that has just started.
func (h *HealthCheck) begin() Health {
	if h == nil {
		return Health{}
	}
	return Health{Status: HealthUnknown}
}

func (h *HealthCheck) equal(o *HealthCheck) bool { return reflect.DeepEqual(h, o) }

// grace is the time after the start in which failures do not count: no check would have been
// made yet in the first interval, but for a success to be found early.
func (h *HealthCheck) grace() time.Duration { return max(h.StartPeriod, h.Interval) }

// result is what one check has shown.
type result struct {
	at     time.Time
	err    error // nil: healthy
	output string
}

// after gives the health after one more check.
func (h Health) after(r result, check *HealthCheck, started time.Time) Health {
	next := Health{Status: h.Status, Failures: h.Failures, Output: r.output, Checked: r.at}
	switch {
	case r.err == nil:
		next.Status, next.Failures = Healthy, 0
	case h.Status == HealthUnknown && r.at.Sub(started) < check.grace():
		next.Output = explain(r)
	default:
		next.Failures++
		next.Output = explain(r)
		if next.Failures >= check.Retries {
			next.Status = Unhealthy
		}
	}
	return next
}

func explain(r result) string {
	if r.output == "" {
		return r.err.Error()
	}
	return r.output
}

// check begins the health checks of a run, in place of those there are.
func (c *container) check(r *run) {
	c.stopChecks(r)
	s := c.status()
	if s.Settings.Health == nil {
		return
	}
	ctx, cancel := context.WithCancel(r.alive)
	c.mu.Lock()
	r.checks = cancel
	c.mu.Unlock()
	c.goBeside(r, func() {
		defer cancel()
		c.checkOn(ctx, r, s)
	})
}

func (c *container) stopChecks(r *run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.checks()
}

// goBeside runs something that is waited for when the run ends, unless that is now.
func (c *container) goBeside(r *run, f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !r.over {
		r.beside.Go(f)
	}
}

// checkOn makes one check after the other.
func (c *container) checkOn(ctx context.Context, r *run, s Status) {
	check, health := s.Settings.Health, s.Health
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for pause := min(firstPause, check.Interval); ; pause = min(2*pause, check.Interval) {
		timer.Reset(pause)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		res := c.checkOnce(ctx, r, s)
		if ctx.Err() != nil {
			return
		}
		before := health.Status
		health = health.after(res, check, s.StartedAt)
		if err := c.saveHealth(ctx, health, health.Status != before); err != nil {
			complain(err)
		}
	}
}

// saveHealth records the health; on disk only if the status is another.
func (c *container) saveHealth(ctx context.Context, h Health, onDisk bool) error {
	change := func(r *Record) {
		if ctx.Err() == nil && r.Phase == Running {
			r.Health = h
		}
	}
	if onDisk {
		return c.update(change)
	}
	c.saving.Lock()
	defer c.saving.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.record)
	close(c.news)
	c.news = make(chan struct{})
	return nil
}

func (c *container) checkOnce(ctx context.Context, r *run, s Status) result {
	check := s.Settings.Health
	ctx, cancel := context.WithTimeoutCause(ctx, check.Timeout, fmt.Errorf("no answer in %v", check.Timeout))
	defer cancel()
	var res result
	switch {
	case check.TCP != "":
		res.err = r.checkTCP(ctx, check.TCP)
	case check.HTTP != "":
		res.output, res.err = r.checkHTTP(ctx, check.HTTP)
	default:
		res.output, res.err = r.checkCommand(ctx, s)
	}
	if res.err != nil && ctx.Err() != nil {
		res.err = context.Cause(ctx)
	}
	res.at = time.Now().UTC()
	return res
}

func (r *run) checkTCP(ctx context.Context, address string) error {
	conn, err := enter.Dial(ctx, r.process, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (r *run) checkHTTP(ctx context.Context, url string) (output string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return enter.Dial(ctx, r.process, network, address)
		},
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxHealthOutput))
	if response.StatusCode >= http.StatusBadRequest {
		return string(body), errors.New(response.Status)
	}
	return string(body), err
}

func (r *run) checkCommand(ctx context.Context, s Status) (output string, err error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return "", err
	}
	defer null.Close()
	theirs, said, err := capture()
	if err != nil {
		return "", err
	}
	o := enter.Options{Command: s.Settings.Health.Command, Stdin: null, Stdout: theirs, Stderr: theirs}
	if r.group != nil {
		o.Place = r.group.Place
	}
	code, err := enter.Run(ctx, r.process, s.Spec, o)
	theirs.Close()
	output = said()
	if err == nil && code != 0 {
		err = fmt.Errorf("exit code %d", code)
	}
	return output, err
}

// capture gives a pipe, and what gives the first of what was written to it.
func capture() (theirs *os.File, said func() string, err error) {
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	var head bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := io.Copy(&head, io.LimitReader(ours, maxHealthOutput)); err == nil {
			io.Copy(io.Discard, ours) // or its writer would wait
		}
	}()
	return theirs, func() string {
		// What the command has left running may have the pipe open.
		ours.SetReadDeadline(time.Now().Add(outputTime))
		<-done
		ours.Close()
		return head.String()
	}, nil
}
