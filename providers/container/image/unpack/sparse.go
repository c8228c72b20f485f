package unpack

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/diyform/diyform/internal/linux/inode"
)

// maxSparse is how long a sparse file may be. Its size is a number in the archive that costs
// nothing, but its holes are read as zeros: a terabyte takes minutes.
const maxSparse = 2 << 40

// isSparse tells whether an entry was written with holes, as GNU tar does in four formats.
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// sparseBlock is the size of the smallest hole: a page, which is a file system's block.
const sparseBlock = 4 << 10

var zeros [sparseBlock]byte

// copySparse writes a file's content but for the blocks of zeros. The reader of archives
// gives holes as zeros only.
func (x *extractor) copySparse(f inode.File, content io.Reader) error {
	size := x.header.Size
	if size > maxSparse {
		return fmt.Errorf("%w: a sparse file of %d bytes", ErrTooLarge, size)
	}
	for at := int64(0); at < size; {
		b := x.buffer[:min(size-at, int64(len(x.buffer)))]
		n, err := io.ReadFull(content, b)
		if err != nil {
			return x.unreadable(short(err))
		}
		if err := writeSparse(f, b, at); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		at += int64(n)
		if err := x.pause(); err != nil {
			return err
		}
	}
	if err := f.Resize(size); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// writeSparse writes each run of blocks that are not all zeros.
func writeSparse(f inode.File, b []byte, at int64) error {
	var errs error
	begin := 0
	for i := 0; i < len(b); i += sparseBlock {
		end := min(i+sparseBlock, len(b))
		if !bytes.Equal(b[i:end], zeros[:end-i]) {
			continue
		}
		errs = errors.Join(errs, f.WriteAt(b[begin:i], at+int64(begin)))
		begin = end
	}
	return errors.Join(errs, f.WriteAt(b[begin:], at+int64(begin)))
}
