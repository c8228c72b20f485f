package output

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/fifo"
)

// batch is the most that is copied for one stream before others have their turn: what a FIFO
// holds.
const batch = 64 << 10

// Collector copies the output of any number of containers to their logs, with one goroutine
// and one buffer. Each has its turn when it has written something. Safe for concurrent use.
type Collector struct {
	ready *fifo.Set
	ended chan struct{}

	mu     sync.Mutex // held during a turn; guards all that follows, and every Sink
	feeds  map[int32]*feed
	number int32
}

// NewCollector starts one.
func NewCollector() (*Collector, error) {
	ready, err := fifo.NewSet()
	if err != nil {
		return nil, err
	}
	c := &Collector{ready: ready, ended: make(chan struct{}), feeds: map[int32]*feed{}}
	go c.run()
	return c, nil
}

// Close ends the collector. What containers write from then on stays in their FIFOs.
func (c *Collector) Close() error {
	err := c.ready.Close()
	<-c.ended
	return err
}

// run takes turns until the set is closed.
func (c *Collector) run() {
	defer close(c.ended)
	for {
		numbers, err := c.ready.Wait()
		if err != nil {
			return
		}
		for _, n := range numbers {
			c.turn(n)
		}
	}
}

func (c *Collector) turn(number int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.feeds[number]; f != nil { // it may just have been finished
		f.copy()
	}
}

// Sink is where one container's output goes.
type Sink struct {
	collector *Collector
	log       *log
	feeds     []*feed
	problem   error
	dropped   int // bytes since the last that could be written
}

// Add begins to copy from the FIFOs in a container's runtime folder, which MakePipes has made,
// to a log, which is made where there is none. What a killed collector has left under way is
// finished first.
func (c *Collector) Add(folder, logPath string, limits Limits) (*Sink, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, err := openLog(logPath, limits)
	if err != nil {
		return nil, err
	}
	s := &Sink{collector: c, log: l}
	for _, stream := range []Stream{Stdout, Stderr} {
		if err := s.add(folder, stream); err != nil {
			return nil, errors.Join(err, s.closeLocked())
		}
	}
	return s, nil
}

func (s *Sink) add(folder string, stream Stream) error {
	source, err := fifo.OpenSource(filepath.Join(folder, string(stream)))
	if err != nil {
		return err
	}
	c := s.collector
	c.number++
	f := &feed{sink: s, stream: stream, source: source, spool: newSpool(folder, stream), number: c.number}
	s.feeds = append(s.feeds, f)
	if err := f.settle(); err != nil {
		s.note(err)
	}
	if err := c.ready.Add(source, f.number); err != nil {
		return err
	}
	c.feeds[f.number] = f
	return nil
}

// SetLimits changes how much of the log is kept.
func (s *Sink) SetLimits(limits Limits) error {
	s.collector.mu.Lock()
	defer s.collector.mu.Unlock()
	return s.log.setLimits(limits)
}

// Drain copies what is in the FIFOs now. It gives the first problem that there was: then the
// log is incomplete.
func (s *Sink) Drain() error {
	s.collector.mu.Lock()
	defer s.collector.mu.Unlock()
	s.drain()
	return s.problem
}

// Finish copies what is in the FIFOs, and stops. The error is as of Drain.
func (s *Sink) Finish() error {
	s.collector.mu.Lock()
	defer s.collector.mu.Unlock()
	s.drain()
	return errors.Join(s.problem, s.closeLocked())
}

func (s *Sink) drain() {
	for _, f := range s.feeds {
		f.drain()
	}
}

func (s *Sink) closeLocked() error {
	errs := []error{s.log.close()}
	for _, f := range s.feeds {
		delete(s.collector.feeds, f.number)
		errs = append(errs, f.source.Close(), f.spool.close())
	}
	return errors.Join(errs...)
}

func (s *Sink) note(err error) {
	if s.problem == nil {
		s.problem = err
	}
}

// feed is one stream of a container.
type feed struct {
	sink   *Sink
	stream Stream
	source *fifo.Source
	spool  *spool
	number int32
}

// scratch is what a turn needs; nothing of it is held by containers that are silent.
type scratch struct{ raw, lines []byte }

var scratches = sync.Pool{New: func() any { return &scratch{raw: make([]byte, headerSize+batch)} }}

// keptLines is the most memory for lines that is kept: 64 KB of newlines are 2.4 MB in a log.
const keptLines = 4 * batch

func (s *scratch) release() {
	if cap(s.lines) > keptLines {
		s.lines = nil
	}
	scratches.Put(s)
}

// copy copies a batch, and gives the number of bytes. A log that cannot be written does not
// hold up the container: what it wrote is dropped.
func (f *feed) copy() int {
	n, err := f.spool.move(f.source, f.share())
	switch {
	case errors.Is(err, fifo.ErrEmpty):
		return 0
	case err != nil:
		return f.copyUnsafely(err)
	}
	if err := f.settle(); err != nil {
		f.sink.note(err)
	}
	return n
}

// expansion is more than the times by which a batch grows in the log, even if it is nothing
// but newlines.
const expansion = 64

// share is the most of a batch. It is never more than a file of the log may have.
func (f *feed) share() int {
	return int(min(batch, max(1, f.sink.log.limits.MaxSize/expansion)))
}

// drain copies what there is; not more than that, for a program that shares the host's pid
// namespace may write on.
func (f *feed) drain() {
	capacity, err := f.source.Capacity()
	if err != nil {
		f.sink.note(err)
		return
	}
	for left := capacity; left > 0; {
		n := f.copy()
		if n == 0 {
			return
		}
		left -= n
	}
}

// settle brings what is in the spool to the log.
func (f *feed) settle() error {
	s := scratches.Get().(*scratch)
	defer s.release()
	l := f.sink.log
	output, before, err := f.spool.content(s.raw)
	if err != nil || len(output) == 0 {
		return err
	}
	if before >= 0 && before < l.size {
		if err := l.cut(before); err != nil {
			return err
		}
	}
	s.lines = appendEntries(s.lines[:0], time.Now(), f.stream, output)
	roomErr := l.makeRoom(len(s.lines))
	markErr := f.spool.mark(l.size)
	writeErr := f.sink.write(s.lines, len(output))
	return errors.Join(roomErr, markErr, writeErr, f.spool.empty())
}

// copyUnsafely copies a batch without the spool, for whose file system there is no room: a
// supervisor that is killed now loses it.
func (f *feed) copyUnsafely(problem error) int {
	f.sink.note(problem)
	s := scratches.Get().(*scratch)
	defer s.release()
	n, err := f.source.Read(s.raw[:f.share()])
	if err != nil {
		if !errors.Is(err, fifo.ErrEmpty) {
			f.sink.note(err)
		}
		return 0
	}
	s.lines = appendEntries(s.lines[:0], time.Now(), f.stream, s.raw[:n])
	f.sink.note(f.sink.log.makeRoom(len(s.lines)))
	f.sink.note(f.sink.write(s.lines, n))
	return n
}

// write appends lines, which are so many bytes of output, and before them, where some could
// not be written, that these are missing.
func (s *Sink) write(lines []byte, n int) error {
	if s.dropped > 0 {
		gap := fmt.Sprintf("diyform: %d bytes of output are missing here: the log could not be written\n", s.dropped)
		lines = append(appendEntries(nil, time.Now(), Stderr, []byte(gap)), lines...)
	}
	err := s.log.write(lines)
	failpoint.Hit("output.write.after")
	if err != nil {
		s.dropped += n
		return err
	}
	s.dropped = 0
	return nil
}

// Remove removes a log, with what it was before. It is no error that there is none.
func Remove(path string) error {
	for i := 0; ; i++ {
		err := os.Remove(rotated(path, i))
		if errors.Is(err, os.ErrNotExist) && i > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove log: %w", err)
		}
	}
}
