package flock_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/linux/flock"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestTryExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := open(t, path), open(t, path)
	if err := flock.TryExclusive(first); err != nil {
		t.Fatal(err)
	}
	if err := flock.TryExclusive(first); err != nil {
		t.Errorf("the holder is refused: %v", err)
	}
	if err := flock.TryExclusive(second); !errors.Is(err, flock.ErrHeld) {
		t.Errorf("got %v, want ErrHeld", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := flock.TryExclusive(second); err != nil {
		t.Errorf("after the close: %v", err)
	}
	if err := flock.TryExclusive(first); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a closed file: %v", err)
	}
}
