package unpack

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

// stream is an archive without its compression. Another goroutine decompresses ahead, as
// that takes about as long as making the files does.
type stream struct {
	compression string
	read        atomic.Int64 // bytes of the archive as it comes
	stop        context.CancelFunc
	full        chan []byte   // what was decompressed, in order; closed at the end
	empty       chan []byte   // to be used again
	done        chan struct{} // the goroutine has ended
	chunk, rest []byte        // what was received, and what of it is still to be read
	err         error         // how the archive ended; to be read when full is closed
	release     func()
}

// chunks is how many buffers the goroutine may be ahead.
const chunks = 8

// maxWindow is the largest dictionary that an archive may ask for: `zstd --ultra -22` and
// `--long` need as much, and xz -9 half of it. It is allocated on the archive's word.
const maxWindow = 128 << 20

// openStream begins to read. plain, which may be nil, gets all of the stream.
func openStream(ctx context.Context, r io.Reader, plain io.Writer) (*stream, error) {
	ctx, stop := context.WithCancel(ctx)
	s := &stream{
		full: make(chan []byte, chunks), empty: make(chan []byte, chunks), done: make(chan struct{}),
		stop: stop, release: func() {},
	}
	from, err := s.decompress(bufio.NewReaderSize(&counter{r, &s.read}, bufferSize))
	if err != nil {
		stop()
		return nil, err
	}
	for range chunks {
		s.empty <- make([]byte, bufferSize)
	}
	if plain != nil {
		from = io.TeeReader(from, plain)
	}
	go s.readAhead(ctx, from)
	return s, nil
}

// decompress finds out by its first bytes how the archive is compressed.
func (s *stream) decompress(r *bufio.Reader) (io.Reader, error) {
	magic, err := r.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var d io.Reader = r
	switch {
	case len(magic) == 0:
		return nil, fmt.Errorf("%w: it is empty", ErrDamaged)
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		s.compression = "gzip"
		d, err = gzip.NewReader(r)
	case bytes.HasPrefix(magic, []byte("BZh")):
		s.compression = "bzip2"
		d, err = bzip2.NewReader(r), nil
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		s.compression = "xz"
		d, err = xz.NewReader(r, maxWindow)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		s.compression = "zstd"
		var decoder *zstd.Decoder
		decoder, err = zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(2))
		if err == nil {
			d, s.release = decoder, decoder.Close
		}
	default:
		return r, nil
	}
	return d, s.damaged(err)
}

// damaged says in which compression an error was. io.EOF is none.
func (s *stream) damaged(err error) error {
	var foreign *sourceError
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return err
	case errors.As(err, &foreign):
		return foreign.err
	case s.compression == "":
		return err
	case errors.Is(err, xz.ErrMemlimit), errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("%w: it needs more than %d MiB of memory to decompress (%s): %w", ErrTooLarge, maxWindow>>20, s.compression, err)
	}
	return fmt.Errorf("%w: decompress %s: %w", ErrDamaged, s.compression, err)
}

func (s *stream) readAhead(ctx context.Context, from io.Reader) {
	defer close(s.done)
	defer close(s.full)
	for {
		var b []byte
		select {
		case b = <-s.empty:
		case <-ctx.Done():
			s.err = context.Cause(ctx)
			return
		}
		n, err := fill(from, b)
		s.full <- b[:n] // never blocks: there are no more buffers than places
		if err != nil {
			s.err = s.damaged(err)
			return
		}
	}
}

// fill is io.ReadFull without its own error for an end within b, which a decompressor may
// have too, for a stream that was cut off.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var more int
		more, err = r.Read(b[n:])
		n += more
	}
	return n, err
}

// Read implements io.Reader.
func (s *stream) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.chunk != nil {
			s.empty <- s.chunk[:cap(s.chunk)]
			s.chunk = nil
		}
		chunk, ok := <-s.full
		if !ok {
			return 0, s.err
		}
		s.chunk, s.rest = chunk, chunk
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// drain reads to the end: what follows the last entry is padding, which digests cover.
func (s *stream) drain() error {
	_, err := io.Copy(io.Discard, struct{ io.Reader }{s})
	return err
}

// close ends the goroutine, which takes as long as the archive's reader takes to return.
func (s *stream) close() {
	s.stop()
	<-s.done
	s.release()
}

// counter counts, and marks errors of the archive's reader as no damage of the archive.
type counter struct {
	r io.Reader
	n *atomic.Int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = &sourceError{err}
	}
	return n, err
}

type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }
