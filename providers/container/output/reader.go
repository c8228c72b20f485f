package output

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/diyform/diyform/internal/linux/inotify"
)

// Query says which entries of a log to read. Its zero value is all but the last: Tail is All
// for all of them.
type Query struct {
	Since time.Time // zero: from the beginning
	Until time.Time // zero: to the end
	// Tail is how many lines to read at most, from the end of those there are at first.
	Tail int
	// Streams is which to read; nil is both.
	Streams []Stream
}

// All is a Query's Tail that leaves nothing out.
const All = -1

func (q Query) wants(e Entry) bool {
	return q.wantsStream(e.Stream) && (e.Time.IsZero() || !e.Time.Before(q.Since))
}

func (q Query) wantsStream(s Stream) bool {
	for _, wanted := range q.Streams {
		if wanted == s {
			return true
		}
	}
	return len(q.Streams) == 0
}

// over reports whether an entry comes after all that is asked for.
func (q Query) over(e Entry) bool {
	return !q.Until.IsZero() && !e.Time.IsZero() && e.Time.After(q.Until)
}

// Reader reads a log while it is written, over rotations. Not safe for concurrent use.
type Reader struct {
	path  string
	query Query
	watch *inotify.Watch
	files []*os.File // oldest first; the last one may still grow
	lines *bufio.Reader
	rest  []byte // the beginning of a line whose end is not there yet
	done  bool   // all that comes now is too late for the query
}

// Open opens the log at path. What is written from then on is not missed. A log that was not
// made yet has no entries; fs.ErrNotExist says that not even its folder is there.
func Open(path string, q Query) (*Reader, error) {
	watch, err := inotify.Folder(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	r := &Reader{path: path, query: q, watch: watch, lines: bufio.NewReaderSize(nil, 32<<10)}
	files, err := r.openSince(nil)
	r.setFiles(files)
	if err != nil {
		r.Close()
		return nil, err
	}
	if err := r.seek(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Close lets go of the log.
func (r *Reader) Close() error {
	errs := []error{r.watch.Close()}
	for _, f := range r.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// rotations is how often in a row a log may be rotated while it is being opened.
const rotations = 100

// openSince opens the files of the log that are newer than the known one, oldest first; all,
// where that is nil or gone.
func (r *Reader) openSince(known *os.File) ([]*os.File, error) {
	for range rotations {
		newest, _ := os.Stat(r.path)
		files, err := openFiles(r.path, known)
		if err != nil {
			return nil, err
		}
		// The newest file is renamed last. As long as it has its name, those behind it have the
		// names of before or, for a part of them, the next: none is missed.
		if now, _ := os.Stat(r.path); unchanged(newest, now) {
			return files, nil
		}
		for _, f := range files {
			f.Close()
		}
	}
	return nil, fmt.Errorf("open log %s: it is rotated all the time", r.path)
}

// unchanged reports whether a name meant the same file twice; nil is none.
func unchanged(a, b fs.FileInfo) bool {
	return a == nil && b == nil || a != nil && b != nil && os.SameFile(a, b)
}

// openFiles does not mind that one number is missing, nor that a file is met twice, as happens
// in the middle of a rotation.
func openFiles(path string, known *os.File) (files []*os.File, err error) {
	missing := 0
	for ago := 0; ; ago++ {
		f, err := os.Open(rotated(path, ago))
		if errors.Is(err, fs.ErrNotExist) {
			if missing++; missing > 1 {
				return files, nil
			}
			continue
		}
		if err != nil {
			return files, fmt.Errorf("open log: %w", err)
		}
		if known != nil && same(f, known) {
			return files, f.Close()
		}
		if len(files) > 0 && same(f, files[0]) {
			f.Close()
			continue
		}
		files = append([]*os.File{f}, files...)
	}
}

func same(a, b *os.File) bool {
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func (r *Reader) setFiles(files []*os.File) {
	r.files = files
	if len(files) > 0 {
		r.lines.Reset(files[0])
	}
}

// next goes on with the next file.
func (r *Reader) next() {
	r.files[0].Close()
	r.setFiles(r.files[1:])
}

// Next gives the next entry; its text is valid until the next call. io.EOF says that there is
// none yet.
func (r *Reader) Next() (Entry, error) {
	for {
		line, err := r.line()
		if err != nil {
			return Entry{}, err
		}
		e := parseEntry(line)
		if r.query.over(e) {
			r.done = true
			return Entry{}, io.EOF
		}
		if r.query.wants(e) {
			return e, nil
		}
	}
}

// line gives the next whole line, or at the end of a file that does not grow any more what
// there is of one.
func (r *Reader) line() ([]byte, error) {
	for !r.done {
		if len(r.files) == 0 {
			if err := r.catchUp(); err != nil {
				return nil, err
			}
			if len(r.files) == 0 {
				return nil, io.EOF
			}
		}
		line, err := r.lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			r.rest = append(r.rest, line...)
			continue
		case err == nil:
			if len(r.rest) > 0 {
				line = append(r.rest, line...)
				r.rest = nil
			}
			return line, nil
		case !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("read log: %w", err)
		}
		r.rest = append(r.rest, line...)
		if len(r.files) == 1 {
			if err := r.catchUp(); err != nil {
				return nil, err
			}
			if len(r.files) == 1 {
				return nil, io.EOF
			}
			continue // more may have been written before the next file was begun
		}
		r.next()
		if len(r.rest) > 0 {
			return r.takeRest(), nil
		}
	}
	return nil, io.EOF
}

func (r *Reader) takeRest() []byte {
	rest := r.rest
	r.rest = nil
	return rest
}

// Torn gives what is at the end of the log and no whole line, when nobody writes it any more.
func (r *Reader) Torn() (Entry, bool) {
	if len(r.rest) == 0 || r.done {
		return Entry{}, false
	}
	e := parseEntry(r.takeRest())
	return e, r.query.wants(e) && !r.query.over(e)
}

// Done reports whether nothing can come any more that was asked for.
func (r *Reader) Done() bool { return r.done }

// Wait waits until Next may have more to give than before, or Done is true.
func (r *Reader) Wait(ctx context.Context) error {
	if u := r.query.Until; !u.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, u)
		defer cancel()
	}
	err := r.watch.Written(ctx)
	if u := r.query.Until; errors.Is(err, context.DeadlineExceeded) && !u.IsZero() && !time.Now().Before(u) {
		r.done = true
		return nil
	}
	return err
}

// catchUp finds the files that were begun since. All that was written to the one that is
// being read was written before: it has its new name already.
func (r *Reader) catchUp() error {
	if current, err := os.Stat(r.path); err == nil && len(r.files) > 0 {
		if info, err := r.files[len(r.files)-1].Stat(); err == nil && os.SameFile(current, info) {
			return nil
		}
	} else if err != nil && len(r.files) > 0 {
		return ignoreMissing(err) // between two steps of a rotation: the next event tells
	}
	var known *os.File
	if len(r.files) > 0 {
		known = r.files[len(r.files)-1]
	}
	files, err := r.openSince(known)
	if err != nil {
		return err
	}
	begin := len(r.files) == 0
	r.files = append(r.files, files...)
	if begin {
		r.setFiles(r.files)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
