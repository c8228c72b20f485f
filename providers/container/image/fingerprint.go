package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// seen is a file's digest, and what the file looked like then.
type seen struct {
	Size   int64  `json:"size"`
	Time   int64  `json:"time"` // of the last change of the file or its inode, in ns since 1970
	Inode  uint64 `json:"inode"`
	Digest string `json:"digest"`
}

// Fingerprint gives the digest of what a file or folder holds: names, modes and content. What
// was looked at before is not read again while it has its size, times and inode.
func (s *Store) Fingerprint(ctx context.Context, path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return s.fileDigest(ctx, path, info)
	}
	if text, err := os.ReadFile(filepath.Join(path, "index.json")); err == nil {
		return digestOf(text).String(), nil // an image layout: all else is by digest
	}
	sum := sha256.New()
	err = filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(path, name)
		if err != nil {
			return err
		}
		content := ""
		switch {
		case info.Mode().IsRegular():
			content, err = s.fileDigest(ctx, name, info)
		case info.Mode()&fs.ModeSymlink != 0:
			content, err = os.Readlink(name)
		}
		fmt.Fprintf(sum, "%q %v %q\n", inside, info.Mode(), content)
		return err
	})
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), err
}

func (s *Store) fileDigest(ctx context.Context, path string, info fs.FileInfo) (string, error) {
	now := seen{Size: info.Size(), Time: info.ModTime().UnixNano()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		// Who sets back the time of a changed file changes its inode's.
		now.Inode, now.Time = stat.Ino, max(now.Time, stat.Ctim.Nano())
	}
	const small = 64 << 10 // reading it costs no more than remembering
	cache := s.path("fingerprints", hexOf(path)+".json")
	var known seen
	if now.Size > small && readJSON(cache, &known) == nil {
		now.Digest = known.Digest
		if known == now {
			return known.Digest, nil
		}
	}
	digest, err := hashFile(ctx, path)
	if err != nil || now.Size <= small {
		return digest, err
	}
	now.Digest = digest
	// A cache that cannot be written only costs time.
	if os.MkdirAll(filepath.Dir(cache), 0o700) == nil {
		_ = writeJSON(cache, now)
	}
	return digest, nil
}

func hexOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

func hashFile(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(err, fmt.Errorf("%s is no file", path))
	}
	sum := sha256.New()
	for ctx.Err() == nil {
		if _, err := io.CopyN(sum, f, 16<<20); errors.Is(err, io.EOF) {
			return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
		} else if err != nil {
			return "", err
		}
	}
	return "", context.Cause(ctx)
}
