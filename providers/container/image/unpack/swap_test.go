package unpack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// swapper is a hostile container: it exchanges a folder and a link to outside all the time.
func swapper(t *testing.T, b bench) (root *os.File) {
	t.Helper()
	folder, link := filepath.Join(b.dest, "folder"), filepath.Join(b.dest, "link")
	if err := os.MkdirAll(filepath.Join(folder, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(b.outside, link); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			if err := unix.Renameat2(unix.AT_FDCWD, folder, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE); err != nil {
				t.Error(err)
				return
			}
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
	root, err := os.Open(b.dest)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// TestSwappedFolders writes and reads where a path's component is exchanged for a link
// meanwhile: CVE-2018-15664.
func TestSwappedFolders(t *testing.T) {
	b := newBench(t)
	before := listing(t, b.outside)
	root := swapper(t, b)
	written, read := 0, 0
	for i := range 500 {
		a := archive(t, "./", fmt.Sprintf("f%d: x", i%10), "fifo|", "sub/", "sub/file: x", "sub/hard = sub/file", "dir/", "dir/x -> y")
		o := options()
		o.Over = true
		if _, err := ExtractAt(t.Context(), bytes.NewReader(a), root, "folder", o); err == nil {
			written++
		}
		var out bytes.Buffer
		if err := Write(t.Context(), &out, root, "folder/", WriteOptions{Follow: i%2 == 0}, nil); err == nil {
			read++
		}
		if strings.Contains(out.String(), "secret") {
			t.Fatal("what is outside was read")
		}
	}
	if after := listing(t, b.outside); !slices.Equal(before, after) {
		t.Errorf("outside was touched:\n%s", strings.Join(after, "\n"))
	}
	if written == 0 || read == 0 {
		t.Errorf("written %d times, read %d times: it never worked", written, read)
	}
	t.Logf("of 500 times, it was written %d times, read %d times", written, read)
}

// TestRoundTrip writes what was unpacked, and unpacks that.
func TestRoundTrip(t *testing.T) {
	asEachUser(t, func(t *testing.T) {
		b := newBench(t)
		first, second := filepath.Join(b.dest, "first"), filepath.Join(b.dest, "second")
		root, err := os.Open(b.dest)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		tool := owned("d/tool", 0o750, 7)
		_, err = ExtractAt(t.Context(), bytes.NewReader(archive(t, "./", "d/", tool, "d/hard = d/tool", "d/link -> /no/where", "fifo|", "d/e/f/g: x")), root, "first", options())
		if err != nil {
			t.Fatal(err)
		}
		r, w := io.Pipe()
		go func() {
			w.CloseWithError(Write(context.Background(), w, root, "/first/d/../../first", WriteOptions{Xattrs: true}, nil))
		}()
		if _, err := ExtractAt(t.Context(), r, root, "second", options()); err != nil {
			t.Fatal(err)
		}
		if want, got := listing(t, first), listing(t, second); !slices.Equal(want, got) {
			t.Errorf("wrote\n%s\nfrom\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestLocate checks where paths lead that climb and go through links.
func TestLocate(t *testing.T) {
	b := newBench(t)
	if _, err := Extract(t.Context(), bytes.NewReader(archive(t, "a/b/c/", "a/f: x", "up -> ../../../..", "l -> a/b", "m -> /l/c", "dangling -> /a/new", "loop -> loop")), b.dest, options()); err != nil {
		t.Fatal(err)
	}
	root, err := os.Open(b.dest)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, want := range map[string]Found{
		"":             {"", true, true},
		"/":            {"", true, true},
		"..":           {"", true, true},
		"/up":          {"", true, true},
		"up/a/f":       {"a/f", true, false},
		"m":            {"a/b/c", true, true},
		"m/..":         {"a/b", true, true},
		"m/../../../.": {"", true, true},
		"l/../f":       {"a/f", true, false},
		"dangling":     {"a/new", false, false},
		"a/other/":     {"a/other", false, false},
		"./a//b/":      {"a/b", true, true},
	} {
		if got, err := Locate(root, name); err != nil || got != want {
			t.Errorf("%q leads to %+v, %v, want %+v", name, got, err, want)
		}
	}
	for name, want := range map[string]error{"loop": unix.ELOOP, "loop/x": unix.ELOOP, "no/x": unix.ENOENT, "a/f/x": ErrNotFolder} {
		if _, err := Locate(root, name); err != want {
			t.Errorf("%q: error is %v, want %v", name, err, want)
		}
	}
}
