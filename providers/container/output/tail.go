package output

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// seek goes to where a query begins, without reading what is before that.
func (r *Reader) seek() error {
	r.skipOld()
	if r.query.Tail < 0 || len(r.files) == 0 {
		return nil
	}
	count := tail{query: r.query, met: map[Stream]bool{}}
	for i := len(r.files) - 1; i >= 0; i-- {
		begin, found, err := count.scan(r.files[i])
		if err != nil {
			return err
		}
		if !found && i > 0 {
			continue
		}
		for _, f := range r.files[:i] {
			f.Close()
		}
		if _, err := r.files[i].Seek(begin, io.SeekStart); err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		r.setFiles(r.files[i:])
		return nil
	}
	return nil
}

// skipOld leaves out the files that were last written before what is asked for.
func (r *Reader) skipOld() {
	for len(r.files) > 1 {
		info, err := r.files[0].Stat()
		if err != nil || !info.ModTime().Before(r.query.Since) {
			return
		}
		r.next()
	}
}

// tail finds the last lines of a log, from its end.
type tail struct {
	query Query
	lines int
	met   map[Stream]bool // whether a later entry of the stream was met
}

// scan looks for the place in a file after which there are as many lines as wanted.
func (t *tail) scan(f *os.File) (begin int64, found bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, false, fmt.Errorf("read log: %w", err)
	}
	buf := make([]byte, batch)
	var rest []byte // the end of a line that begins before what was read
	at := info.Size()
	end := at
	for at > 0 {
		n := min(at, int64(len(buf)))
		at -= n
		if _, err := f.ReadAt(buf[:n], at); err != nil {
			return 0, false, fmt.Errorf("read log: %w", err)
		}
		block := append(bytes.Clone(buf[:n]), rest...)
		for {
			cut := bytes.LastIndexByte(bytes.TrimSuffix(block, []byte("\n")), '\n')
			if cut < 0 {
				break
			}
			if t.enough(block[cut+1:]) {
				return end, true, nil
			}
			block = block[:cut+1]
			end = at + int64(cut) + 1
		}
		rest = block
	}
	if len(rest) > 0 && t.enough(rest) {
		return end, true, nil
	}
	return 0, false, nil
}

// enough reports whether a line, which comes before those seen, is one too many. Pieces of a
// line are one line.
func (t *tail) enough(line []byte) bool {
	e := parseEntry(line)
	if !t.query.wantsStream(e.Stream) || t.query.over(e) {
		return false
	}
	if e.Partial && t.met[e.Stream] {
		return false
	}
	t.met[e.Stream] = true
	t.lines++
	return t.lines > t.query.Tail
}
