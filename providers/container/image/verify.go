package image

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func digestOf(content []byte) v1.Hash {
	sum := sha256.Sum256(content)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// verify compares content with its digest.
func verify(content []byte, want v1.Hash) error {
	if want.Algorithm != "sha256" {
		return fmt.Errorf("%w: %q is no digest by SHA-256", ErrUnknownType, want)
	}
	if got := digestOf(content); got != want {
		return fmt.Errorf("%w: %s is wanted, and it is %s", ErrMismatch, want, got)
	}
	return nil
}

// verifier fails at the end of content that does not have the digest.
type verifier struct {
	io.ReadCloser
	hash hash.Hash
	want v1.Hash
}

func (v *verifier) Read(b []byte) (int, error) {
	n, err := v.ReadCloser.Read(b)
	v.hash.Write(b[:n])
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	got := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(v.hash.Sum(nil))}
	if got != v.want {
		return n, fmt.Errorf("%w: %s is wanted, and it is %s", ErrMismatch, v.want, got)
	}
	return n, io.EOF
}

// watched notes how a reader ended, and how far it is. Whoever reads through a pipe to
// another process sees an end in either case.
type watched struct {
	io.Reader
	err  error
	note func(n int)
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	w.note(n)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// empty is a reader of nothing.
type empty struct{}

func (empty) Read([]byte) (int, error) { return 0, io.EOF }
