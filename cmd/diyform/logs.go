package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers/container/output"
	"github.com/diyform/diyform/providers/container/supervisor"
)

type logsFlags struct {
	follow, timestamps, asJSON bool
	stdout, stderr             bool
	since, until, tail         string
}

func newLogs(v *view) *cobra.Command {
	var flags logsFlags
	cmd := &cobra.Command{
		Use:   "logs [flags] ADDRESS ...",
		Short: "Show what containers have written",
		Long: "Shows what containers have written: their standard output on ours, their standard error on ours.\n" +
			"Of several containers each line begins with the address.\n\n" +
			"TIME is as in 2026-01-31T15:04:05Z, \"2026-01-31 15:04:05\", 2026-01-31, 15:04, or how long ago: 10m, 1h30m.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeContainers(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			return v.logs(cmd.Context(), args, flags)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&flags.follow, "follow", "f", false, "go on as they write, until they have ended for good")
	f.StringVar(&flags.since, "since", "", "only what was written from `TIME` on")
	f.StringVar(&flags.until, "until", "", "only what was written until `TIME`")
	f.StringVarP(&flags.tail, "tail", "n", "all", "only the last `LINES`")
	f.BoolVarP(&flags.timestamps, "timestamps", "t", false, "begin each line with the time")
	f.BoolVar(&flags.asJSON, "json", false, "print each line as a JSON object: time, address, stream, text")
	f.BoolVar(&flags.stdout, "stdout", false, "only standard output")
	f.BoolVar(&flags.stderr, "stderr", false, "only standard error")
	return cmd
}

func (v *view) logs(ctx context.Context, addresses []string, flags logsFlags) error {
	query, err := flags.query(time.Now())
	if err != nil {
		return v.failWith(err, "")
	}
	s, err := v.openContainers()
	if err != nil {
		return err
	}
	defer s.close()
	containers, err := s.containersOf(ctx, addresses, false)
	if err != nil {
		return err
	}
	list, err := openLogs(containers, query)
	defer func() {
		for _, l := range list {
			l.reader.Close()
		}
	}()
	if err != nil {
		return err
	}
	p := newLogPrinter(v, flags, list)
	defer p.end()
	if err := mergeLogs(list, p); err != nil {
		return v.failWith(err, "The log cannot be read")
	}
	if !flags.follow {
		return nil
	}
	return followLogs(ctx, list, p)
}

// query gives what to read. Without follow that ends now: a container may write faster than
// we read.
func (f logsFlags) query(now time.Time) (output.Query, error) {
	q := output.Query{Tail: output.All}
	if !f.follow {
		q.Until = now
	}
	for _, limit := range []struct {
		flag, text string
		to         *time.Time
	}{{"since", f.since, &q.Since}, {"until", f.until, &q.Until}} {
		if limit.text == "" {
			continue
		}
		t, err := parseMoment(limit.text, now)
		if err != nil {
			return q, &diag.Problem{
				Summary: "Not a time", Err: err,
				Detail: fmt.Sprintf("-%s=%s is neither a time, as in 2026-01-31T15:04:05Z or 15:04, nor how long ago, as in 10m.", limit.flag, limit.text),
			}
		}
		*limit.to = t
	}
	if f.tail != "all" {
		n, err := strconv.ParseUint(f.tail, 10, 31)
		if err != nil {
			return q, &diag.Problem{
				Summary: "Not a number of lines", Err: err,
				Detail: fmt.Sprintf("-tail=%s is neither a number of lines nor \"all\".", f.tail),
			}
		}
		q.Tail = int(n)
	}
	if f.stdout != f.stderr {
		q.Streams = []output.Stream{output.Stdout}
		if f.stderr {
			q.Streams[0] = output.Stderr
		}
	}
	return q, nil
}

var errNoMoment = errors.New("no time")

// parseMoment reads a time, of which the local zone is meant where it says none, or how long
// before now.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{time.TimeOnly, "15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	return time.Time{}, errNoMoment
}

// openedLog is a container's log that is being shown.
type openedLog struct {
	*recordedContainer
	reader *output.Reader
	next   *output.Entry // read, and not shown yet
}

func openLogs(containers []*recordedContainer, q output.Query) (list []*openedLog, err error) {
	for _, c := range containers {
		r, err := output.Open(c.status.Log, q)
		if errors.Is(err, fs.ErrNotExist) {
			continue // nothing was ever written
		}
		if err != nil {
			return list, c.failWith(err, "The log cannot be read")
		}
		list = append(list, &openedLog{recordedContainer: c, reader: r})
	}
	return list, nil
}

// mergeLogs shows what is in the logs, in the order in which it was written.
func mergeLogs(list []*openedLog, p *logPrinter) error {
	defer p.flush()
	for {
		var first *openedLog
		for _, l := range list {
			if err := l.peek(); err != nil {
				return err
			}
			if l.next != nil && (first == nil || l.next.Time.Before(first.next.Time)) {
				first = l
			}
		}
		if first == nil {
			break
		}
		p.print(first.address(), *first.next)
		first.next = nil
	}
	for _, l := range list {
		if e, ok := l.reader.Torn(); ok && !l.status.Phase.Alive() {
			p.print(l.address(), e)
		}
	}
	return nil
}

// peek reads the next entry, if there is one.
func (l *openedLog) peek() error {
	if l.next != nil {
		return nil
	}
	e, err := l.reader.Next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		l.next = &e
	}
	return err
}

// followLogs shows what is written until all containers have ended, or are gone.
func followLogs(ctx context.Context, list []*openedLog, p *logPrinter) error {
	var following sync.WaitGroup
	errs := make([]error, len(list))
	for i, l := range list {
		following.Go(func() { errs[i] = l.follow(ctx, p) })
	}
	following.Wait()
	for i, err := range errs {
		if err != nil && context.Cause(ctx) == nil {
			errs[i] = list[i].failWith(err, "The log cannot be read")
		}
	}
	if context.Cause(ctx) != nil {
		return nil // an interrupt is how following ends
	}
	return errors.Join(errs...)
}

// follow shows what a container writes until it has ended, or is gone.
func (l *openedLog) follow(ctx context.Context, p *logPrinter) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, err := l.client().Wait(running, l.status.Spec.ID)
		ended <- err
		stop()
	}()
	err := l.showWhile(running, p)
	if err != nil || ctx.Err() != nil || l.reader.Done() {
		return err
	}
	if err := <-ended; err != nil && !errors.Is(err, supervisor.ErrNotFound) {
		return err
	}
	if err := l.show(p); err != nil {
		return err
	}
	if e, ok := l.reader.Torn(); ok {
		p.print(l.address(), e)
		p.flush()
	}
	return nil
}

// showWhile shows what is written until the context ends.
func (l *openedLog) showWhile(ctx context.Context, p *logPrinter) error {
	for {
		if err := l.show(p); err != nil || l.reader.Done() {
			return err
		}
		if err := l.reader.Wait(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// show shows what there is now.
func (l *openedLog) show(p *logPrinter) error {
	defer p.flush()
	for {
		e, err := l.reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		p.print(l.address(), e)
	}
}
