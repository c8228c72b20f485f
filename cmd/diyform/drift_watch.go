package main

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/linux/inotify"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/notice"
	"github.com/diyform/diyform/plan"
)

const (
	// What comes in a burst is read once: this long after the last event, but no later than
	// this long after the first.
	burstQuiet = 100 * time.Millisecond
	burstLimit = time.Second
)

// driftWatch reads drift again whenever something may have changed.
type driftWatch struct {
	readings
	asJSON bool
	told   driftMemory
	first  bool
	now    int // how much drift there is

	changed chan struct{} // has one element when something has
	renamed atomic.Bool   // names have come or gone
	named   bool          // names of namespaces are listened to
	ended   sync.WaitGroup
	spaces  map[string]*watchedSpace
}

// watchedSpace is a network namespace that is listened to.
type watchedSpace struct {
	id       netns.ID
	listener *notice.Listener
}

func (v *view) watchDrift(ctx context.Context, f *driftFlags) error {
	r, err := v.readings()
	if err != nil {
		return err
	}
	w := &driftWatch{
		readings: *r, asJSON: f.asJSON, told: driftMemory{}, first: true,
		changed: make(chan struct{}, 1), spaces: map[string]*watchedSpace{},
	}
	defer w.close()
	// Where the record is. Who has none yet is looked at by the interval.
	ctx, cancel := context.WithCancel(ctx)
	defer w.ended.Wait()
	defer cancel()
	w.names(ctx, filepath.Dir(w.store.Backup()))
	for ctx.Err() == nil {
		if err := w.read(ctx); err != nil {
			return err
		}
		w.wait(ctx, f.interval)
	}
	if w.now > 0 {
		return exitStatus(exitChanges)
	}
	return nil
}

// notify says that something may have changed.
func (w *driftWatch) notify() {
	select {
	case w.changed <- struct{}{}:
	default: // it is known already
	}
}

// names listens for files that come and go in a folder, and reports whether it can.
func (w *driftWatch) names(ctx context.Context, dir string) bool {
	watch, err := inotify.Names(dir)
	if err != nil {
		return false
	}
	w.ended.Go(func() {
		defer watch.Close()
		for watch.Written(ctx) == nil {
			w.renamed.Store(true)
			w.notify()
		}
	})
	return true
}

// wait returns when something may have changed and the burst is over, or after the interval.
func (w *driftWatch) wait(ctx context.Context, interval time.Duration) {
	due := time.NewTimer(interval)
	defer due.Stop()
	select {
	case <-ctx.Done():
		return
	case <-due.C:
		return
	case <-w.changed:
	}
	w.forgetGone()
	quiet, limit := time.NewTimer(burstQuiet), time.NewTimer(burstLimit)
	defer quiet.Stop()
	defer limit.Stop()
	for {
		select {
		case <-w.changed:
			w.forgetGone()
			quiet.Reset(burstQuiet)
		case <-quiet.C:
			return
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// read compares and tells the news. It listens before it reads, so that nothing comes in between.
func (w *driftWatch) read(ctx context.Context) error {
	s, err := w.begin()
	if s != nil {
		defer s.close()
	}
	if err != nil {
		return w.view.stateError(err)
	}
	names, diags := plan.NetworkNamespaces(s.input())
	if diags.HasErrors() {
		return w.tellErrors(diags)
	}
	w.follow(ctx, names)
	found, diags := plan.FindDrift(ctx, s.input())
	switch {
	case ctx.Err() != nil:
		return nil // interrupted while it was read
	case diags.HasErrors():
		return w.tellErrors(diags)
	}
	return w.tell(found)
}

func (w *driftWatch) tell(found []*plan.Drift) error {
	news, err := w.told.compare(found)
	if err != nil {
		return w.view.failWith(err, "The drift cannot be shown")
	}
	w.now = len(found)
	if !w.first && len(news.new)+len(news.resolved) == 0 {
		return nil
	}
	defer func() { w.first = false }()
	if w.asJSON {
		return w.tellJSON(&news)
	}
	p := palette(w.view.out)
	if w.first && len(found) == 0 {
		return w.view.showDrift(found, false)
	}
	at := time.Now().Format(time.TimeOnly)
	if len(news.new) > 0 {
		plan.RenderDrift(w.view.out, p, at+" Changed outside of diyform:", news.new)
	}
	for _, address := range news.resolved {
		w.view.printf("%s\n", p.Bold(at+" "+address+" is as recorded."))
	}
	return nil
}

func (w *driftWatch) tellJSON(news *driftNews) error {
	doc, err := newDriftDocument(news.new)
	if err != nil {
		return w.view.failWith(err, "The drift cannot be shown")
	}
	doc.Drifted, doc.Resolved = len(news.found) > 0, news.resolved
	return w.line(doc)
}

func (w *driftWatch) line(doc *driftDocument) error {
	now := time.Now()
	doc.Time = &now
	return newEncoder(w.view.out).Encode(doc)
}

// tellErrors tells what could not be read. The next reading may be luckier.
func (w *driftWatch) tellErrors(diags hcl.Diagnostics) error {
	if !w.asJSON {
		w.view.diagnostics(nil, diags)
		return nil
	}
	return w.line(&driftDocument{
		FormatVersion: "1.0", Drifted: w.now > 0, ResourceDrift: []plan.JSONChange{}, Diagnostics: documents(nil, diags),
	})
}

// follow listens to these namespaces and no others. To those with a name it listens only if it
// hears when they lose it: see forgetGone.
func (w *driftWatch) follow(ctx context.Context, names []string) {
	for name := range w.spaces {
		if !slices.Contains(names, name) {
			w.forget(name)
		}
	}
	for _, name := range names {
		if w.spaces[name] != nil {
			continue
		}
		if name != "" && !w.named {
			if w.named = w.names(ctx, netns.Dir); !w.named {
				continue
			}
		}
		// One that is gone, or another user's, is looked at by the interval.
		if space := w.listen(name); space != nil {
			w.spaces[name] = space
		}
	}
}

func (w *driftWatch) listen(name string) *watchedSpace {
	n, err := openNetwork(name)
	if err != nil {
		return nil
	}
	defer n.Close()
	listener, err := notice.Listen(n, w.notify)
	if err != nil {
		return nil
	}
	return &watchedSpace{id: n.ID(), listener: listener}
}

func openNetwork(name string) (*netns.Namespace, error) {
	if name == "" {
		return netns.Host()
	}
	return netns.Open(name)
}

// forgetGone lets go of namespaces that have lost their names: one that is listened to does not
// go, nor do the links in it, for which somebody may be waiting.
func (w *driftWatch) forgetGone() {
	if !w.renamed.Swap(false) {
		return
	}
	for name, space := range w.spaces {
		if n, err := openNetwork(name); err == nil {
			same := n.ID() == space.id
			n.Close()
			if same {
				continue
			}
		}
		w.forget(name)
	}
}

func (w *driftWatch) forget(name string) {
	_ = w.spaces[name].listener.Close()
	delete(w.spaces, name)
}

func (w *driftWatch) close() {
	for name := range w.spaces {
		w.forget(name)
	}
}
