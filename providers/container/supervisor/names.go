package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/mount"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers/container/enter"
	"github.com/diyform/diyform/providers/container/launch"
	"github.com/diyform/diyform/providers/container/rootfs"
)

// settleTime is how long changes of addresses are collected: links and containers come in
// numbers.
const settleTime = 50 * time.Millisecond

// names keeps the files of running containers as they should be: what they call one another,
// and by which servers they look up other names.
type names struct {
	stack    *stack
	watchers map[netns.ID]*watcher

	mu        sync.Mutex
	peers     []peer                             // of the last look
	attempted map[firstProcess]map[string]string // by path: the text that was written last
}

// firstProcess tells a run from others.
type firstProcess struct {
	pid       int
	startTime uint64
}

func (s Status) firstProcess() firstProcess { return firstProcess{s.PID, s.StartTime} }

// peer is a running container as others see it.
type peer struct {
	id        string
	names     []string
	addresses []netip.Addr
}

// watcher hears of changed addresses in a network namespace.
type watcher struct {
	stop context.CancelFunc
	done chan struct{}
}

// run keeps the files up to date until the end of ctx.
func (n *names) run(ctx context.Context) {
	defer n.watch(ctx, nil)
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.stack.touched:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(settleTime):
		}
		running := n.stack.running()
		n.watch(ctx, running) // before the look: what comes later is in the events
		n.refresh(running)
	}
}

// running gives the containers that run.
func (s *stack) running() []*container {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*container
	for _, c := range s.containers {
		if c.status().Phase == Running {
			list = append(list, c)
		}
	}
	return list
}

// refresh writes what has changed.
func (n *names) refresh(running []*container) {
	var peers []peer
	lives := map[firstProcess]bool{}
	for _, c := range running {
		s := c.status()
		peers = append(peers, peerOf(s))
		lives[s.firstProcess()] = true
	}
	n.mu.Lock()
	n.peers = peers
	maps.DeleteFunc(n.attempted, func(p firstProcess, _ map[string]string) bool { return !lives[p] })
	n.mu.Unlock()
	for _, c := range running {
		s := c.status()
		for _, f := range n.stack.files(s) {
			if f.Path == hostnamePath || !n.attempt(s.firstProcess(), f) {
				continue
			}
			err := rootfs.Rewrite(s.PID, f)
			// What a container has done to the file is its own business, and it may have ended.
			if err != nil && !errors.Is(err, mount.ErrReplaced) && !errors.Is(err, fs.ErrNotExist) {
				complain(err)
			}
		}
	}
}

// attempt notes that a text is written, and reports whether it is another than the last.
func (n *names) attempt(p firstProcess, f rootfs.File) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.attempted[p] == nil {
		n.attempted[p] = map[string]string{}
	}
	last, ok := n.attempted[p][f.Path]
	n.attempted[p][f.Path] = f.Text
	return !ok || last != f.Text
}

func peerOf(s Status) peer {
	p := peer{id: s.Spec.ID, names: peerNames(s.Spec, s.Settings)}
	p.addresses, _ = process.Addresses(s.PID) // it has just ended: then it has none
	return p
}

// watch makes watchers for the network namespaces that there are, and ends the others. For
// one container there is nobody who would look for the others.
func (n *names) watch(ctx context.Context, running []*container) {
	wanted := map[netns.ID]Status{}
	if len(running) > 1 {
		for _, c := range running {
			if s := c.status(); isReachable(s.Spec) {
				wanted[s.Network] = s
			}
		}
	}
	for id, w := range n.watchers {
		select {
		case <-w.done: // the process by which it was entered has ended; perhaps another is there
		default:
			if _, ok := wanted[id]; ok {
				continue
			}
		}
		w.stop()
		<-w.done
		delete(n.watchers, id)
	}
	for id, s := range wanted {
		if n.watchers[id] == nil {
			n.watchers[id] = n.watchOne(ctx, s)
		}
	}
}

// isReachable reports whether anybody can lay a cable into a container's network namespace:
// its own without a name has none, as long as it exists.
func isReachable(s launch.Spec) bool {
	shared := slices.Contains(s.Namespaces.Keep, "network") || slices.Contains(s.Namespaces.Join, "network")
	return shared || s.Network != (launch.Network{})
}

func (n *names) watchOne(ctx context.Context, s Status) *watcher {
	ctx, stop := context.WithCancel(ctx)
	w := &watcher{stop: stop, done: make(chan struct{})}
	events, err := addressEvents(ctx, s)
	if err != nil {
		if !errors.Is(err, pidfd.ErrGone) && ctx.Err() == nil {
			complain(fmt.Errorf("watch addresses of container %q: %w", s.Spec.ID, err))
		}
		close(w.done)
		return w
	}
	go func() {
		defer close(w.done)
		defer events.Close()
		for {
			if _, err := events.Next(ctx); err != nil && !errors.Is(err, rtnl.ErrLost) {
				return
			}
			n.stack.touch()
		}
	}()
	return w
}

func addressEvents(ctx context.Context, s Status) (*rtnl.Events, error) {
	target, err := s.Find()
	if err != nil {
		return nil, err
	}
	defer target.Close()
	socket, err := enter.Route(ctx, target)
	if err != nil {
		return nil, err
	}
	return rtnl.EventsOf(socket, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
}

// files gives the files of a container, as they are to be now. Before its start it has no
// addresses.
func (s *stack) files(status Status) []rootfs.File {
	s.names.mu.Lock()
	peers := s.names.peers
	s.names.mu.Unlock()
	reader := reader{spec: status.Spec, settings: status.Settings}
	if status.Phase == Running {
		reader.subnets, _ = process.Subnets(status.PID) // it has just ended: then nobody reads
	}
	text := func(path string) string {
		b, _ := os.ReadFile(path)
		return string(b)
	}
	return []rootfs.File{
		{Path: hostsPath, Mode: 0o644, Text: reader.hosts(peers)},
		{Path: resolvPath, Mode: 0o644, Text: reader.resolv(text)},
		{Path: hostnamePath, Mode: 0o644, Text: reader.hostname()},
	}
}
