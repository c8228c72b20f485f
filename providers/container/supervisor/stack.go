package supervisor

import (
	"errors"
	"fmt"
	"sync"

	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/providers/container/output"
)

// launches is how many containers are launched at the same time. The supervisor runs on one
// processor, the rest is in the kernel, under locks that all have in common. More at once would
// only need more memory, of which parts stay in use.
const launches = 4

// stack is what the containers of a supervisor have together.
type stack struct {
	dir       string
	collector *output.Collector
	touched   chan struct{} // has something when the containers' addresses may have changed
	names     names
	launching chan struct{} // has something for each launch that is under way

	mu         sync.Mutex
	containers map[string]*container // by id
}

func newStack(dir string) (*stack, error) {
	collector, err := output.NewCollector()
	if err != nil {
		return nil, err
	}
	s := &stack{
		dir: dir, collector: collector, touched: make(chan struct{}, 1), containers: map[string]*container{},
		launching: make(chan struct{}, launches),
	}
	s.names = names{stack: s, watchers: map[netns.ID]*watcher{}, attempted: map[firstProcess]map[string]string{}}
	return s, nil
}

// find opens the first process of a container, for another that joins its namespaces.
func (s *stack) find(id string) (*pidfd.Process, error) {
	s.mu.Lock()
	c := s.containers[id]
	s.mu.Unlock()
	if c == nil {
		return nil, fmt.Errorf("container %q: %w", id, ErrNotFound)
	}
	status := c.status()
	p, err := status.first()
	if errors.Is(err, pidfd.ErrGone) {
		return nil, fmt.Errorf("container %q is %s: %w", id, status.Phase, ErrNotRunning)
	}
	return p, err
}

// touch lets the containers' files be written anew, soon.
func (s *stack) touch() {
	select {
	case s.touched <- struct{}{}:
	default: // that will happen already
	}
}
