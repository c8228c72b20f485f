package apply

import (
	"sync"
	"time"

	"github.com/diyform/diyform/providers"
)

// slow is how long a batch may take before what it has finished is settled without waiting
// for the rest: a build, or a container that becomes healthy, takes minutes. Less would part
// the batches of what waits for this one, see maxBatch.
const slow = 500 * time.Millisecond

// settler settles the operations of a batch: all together at its end, and of a slow batch
// every now and then those that are finished.
type settler struct {
	run  *run
	ops  []*operation
	stop chan struct{}
	over sync.WaitGroup

	mu       sync.Mutex
	finished map[*providers.Operation]bool // and not settled
}

func newSettler(r *run, ops []*operation) *settler {
	s := &settler{run: r, ops: ops, stop: make(chan struct{}), finished: map[*providers.Operation]bool{}}
	s.over.Go(s.watch)
	return s
}

// done is told of each operation as it finishes.
func (s *settler) done(o *providers.Operation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished[o] = true
}

// end settles what is left.
func (s *settler) end() {
	close(s.stop)
	s.over.Wait()
	if len(s.ops) > 0 {
		s.run.settle(s.ops)
	}
}

func (s *settler) watch() {
	timer := time.NewTimer(slow)
	defer timer.Stop()
	for first := true; ; first = false {
		select {
		case <-s.stop:
			return
		case <-timer.C:
		}
		if first {
			s.run.replaceWorker()
		}
		s.settleFinished()
		timer.Reset(slow)
	}
}

// settleFinished settles what is finished, in the order of the batch, and lets begin what
// waited for it.
func (s *settler) settleFinished() {
	var finished, rest []*operation
	var nodes []int
	s.mu.Lock()
	for _, op := range s.ops {
		if s.finished[op.Operation] {
			finished, nodes = append(finished, op), append(nodes, op.node)
		} else {
			rest = append(rest, op)
		}
	}
	s.ops = rest
	clear(s.finished)
	s.mu.Unlock()
	if len(finished) > 0 {
		s.run.settle(finished)
		s.run.free(nodes)
	}
}
