package unpack

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// bench is a folder to unpack into, beside something that must not be touched.
type bench struct{ dest, outside string }

func newBench(t testing.TB) bench {
	t.Helper()
	dir := t.TempDir()
	b := bench{filepath.Join(dir, "dest"), filepath.Join(dir, "outside")}
	for _, d := range []string{b.dest, b.outside} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(b.outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// hostile are archives that mean harm. OUT stands for the folder outside; "up" for the way
// there from the root.
var hostile = []struct {
	name    string
	layer   bool
	entries []string
	want    error  // nil: it unpacks, within the root
	inside  string // a file that is there then
}{
	{"climbing name", false, []string{"../outside/secret: x"}, ErrEscapes, ""},
	{"climbing name behind a folder", false, []string{"a/", "a/../../outside/secret: x"}, ErrEscapes, ""},
	{"climbing folder", false, []string{"../outside/"}, ErrEscapes, ""},
	{"absolute name", false, []string{"OUT/secret: x"}, nil, "OUT/secret"},
	{"absolute link as parent", false, []string{"a -> OUT", "a/secret: x"}, nil, "OUT/secret"},
	{"relative link as parent", false, []string{"a -> ../outside", "a/secret: x"}, nil, "outside/secret"},
	{"link to a link as parent", false, []string{"a -> b", "b -> OUT", "a/secret: x"}, nil, "OUT/secret"},
	{"link below a link", false, []string{"d/", "a -> d", "a/b -> ../../outside", "d/b/secret: x"}, nil, "outside/secret"},
	{"link that climbs behind a link", false, []string{"x/y/", "l -> x/y", "m -> l/../../../outside", "m/secret: x"}, nil, "outside/secret"},
	{"links in a circle", false, []string{"a -> b", "b -> a", "a/x: x"}, unix.ELOOP, ""},
	{"write through a link", false, []string{"a -> OUT/secret", "a: x"}, nil, "a"},
	{"folder in place of a link", false, []string{"a -> OUT", "a/", "a/secret: x"}, nil, "a/secret"},
	{"link in place of a folder", false, []string{"a/", "a/b: x", "a -> OUT", "a/secret: x"}, nil, "OUT/secret"},
	{"times of a folder that became a link", false, []string{"a/b/", "a -> ../outside"}, nil, "a"},
	{"hard link outside, absolute", false, []string{"a = OUT/secret"}, unix.ENOENT, ""},
	{"hard link outside, climbing", false, []string{"a = ../outside/secret"}, ErrEscapes, ""},
	{"hard link through a link", false, []string{"a -> OUT", "b = a/secret"}, unix.ENOENT, ""},
	{"hard link to a link, then written", false, []string{"a -> OUT/secret", "b = a", "b: x"}, nil, "b"},
	{"hard link to a folder", false, []string{"a/", "b = a"}, unix.EPERM, ""},
	{"hard link to itself", false, []string{"a: x", "a = a"}, nil, "a"},
	{"hard link to nothing", false, []string{"b = a"}, unix.ENOENT, ""},
	{"file as the root", false, []string{".: x"}, ErrIsFolder, ""},
	{"link as the root", false, []string{". -> OUT"}, ErrIsFolder, ""},
	{"file as a parent", false, []string{"a: x", "a/b: x"}, ErrNotFolder, ""},
	{"FIFO as a parent", false, []string{"a|", "a/b: x"}, ErrNotFolder, ""},
	{"long component", false, []string{strings.Repeat("n", 300) + ": x"}, unix.ENAMETOOLONG, ""},
	{"long path", false, []string{strings.Repeat("n/", 3000) + "x: x"}, unix.ENAMETOOLONG, ""},
	{"long path by links", false, []string{"d -> " + strings.Repeat("a/", 1500), "d/e -> " + strings.Repeat("b/", 1500), "d/e/x: x"}, unix.ENAMETOOLONG, ""},
	{"folder below itself by links", false, []string{"a/", "a/a -> ../a", "a/a/a/a/x: x"}, nil, "a/x"},
	{"whiteout of the parent", true, []string{"a/", "a/.wh...: x"}, ErrEscapes, ""},
	{"whiteout of the folder", true, []string{"a/", "a/.wh..: x"}, ErrEscapes, ""},
	{"whiteout of nothing", true, []string{"a/.wh.: x"}, ErrEscapes, ""},
	{"whiteout through a link", true, []string{"a -> OUT", "a/.wh.secret: x"}, nil, "OUT/secret"},
	{"opaque through a link", true, []string{"a -> ../outside", "a/.wh..wh..opq: x"}, nil, "outside"},
	{"file in a whiteout", true, []string{".wh.a/", ".wh.a/b: x"}, ErrDamaged, ""},
	{"climbing opaque folder", true, []string{"../outside/.wh..wh..opq: x"}, ErrEscapes, ""},
}

func TestHostileArchives(t *testing.T) {
	asEachUser(t, func(t *testing.T) {
		for _, c := range hostile {
			t.Run(c.name, func(t *testing.T) {
				b := newBench(t)
				before := listing(t, b.outside)
				var entries []any
				for _, e := range c.entries {
					entries = append(entries, strings.ReplaceAll(e, "OUT", b.outside))
				}
				o := options()
				o.Layer = c.layer
				_, err := Extract(t.Context(), bytes.NewReader(archive(t, entries...)), b.dest, o)
				if !errors.Is(err, c.want) {
					t.Errorf("error is %v, want %v", err, c.want)
				}
				var named *EntryError
				if err != nil && (!errors.As(err, &named) || named.Entry == "" || named.After) {
					t.Errorf("error names no entry: %v", err)
				}
				if after := listing(t, b.outside); !slices.Equal(before, after) {
					t.Errorf("outside was touched:\n%s", strings.Join(after, "\n"))
				}
				if c.inside != "" {
					inside := filepath.Join(b.dest, strings.ReplaceAll(c.inside, "OUT", b.outside))
					if _, err := os.Lstat(inside); err != nil {
						t.Error(err)
					}
				}
			})
		}
	})
}

// TestForgedOverlay checks that no archive can speak to overlayfs but by whiteouts.
func TestForgedOverlay(t *testing.T) {
	asEachUser(t, func(t *testing.T) {
		dir := newBench(t).dest
		forged := entry("a/")
		forged.PAXRecords = map[string]string{
			"SCHILY.xattr.user.overlay.redirect":         "/etc",
			"SCHILY.xattr.user.overlay.opaque":           "y",
			"SCHILY.xattr.user.overlay.overlay.whiteout": "y",
			"SCHILY.xattr.trusted.overlay.redirect":      "/etc",
			"SCHILY.xattr.trusted.overlay.metacopy":      "y",
			"SCHILY.xattr.security.selinux":              "x",
			"SCHILY.xattr.user.kept":                     "yes",
		}
		o := options()
		o.Layer = true
		if _, err := Extract(t.Context(), bytes.NewReader(archive(t, forged)), dir, o); err != nil {
			t.Fatal(err)
		}
		if got := xattrs(t, filepath.Join(dir, "a")); got != ` user.kept="yes"` {
			t.Errorf("attributes are%s", got)
		}
	})
}

func TestOwnersOutOfRange(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("an ordinary user sets no owners")
	}
	for _, id := range []int{-1, -5, 1<<32 - 1, 1 << 40} {
		h := entry("a: x")
		h.Uid, h.Mode, h.Size, h.Format = id, 0o4755, 0, tar.FormatGNU
		_, err := Extract(t.Context(), bytes.NewReader(archive(t, h)), newBench(t).dest, Options{})
		if !errors.Is(err, ErrUnmapped) {
			t.Errorf("user %d: error is %v", id, err)
		}
	}
}

func TestDamagedArchives(t *testing.T) {
	whole := archive(t, "a/", "a/b: "+strings.Repeat("content", 3000), "c: x")
	for name, c := range map[string]struct {
		archive []byte
		want    error
		names   string
	}{
		"empty":           {nil, ErrDamaged, ""},
		"cut content":     {whole[:5000], ErrDamaged, "a/b"},
		"cut header":      {whole[:300], ErrNotTar, ""},
		"no archive":      {[]byte(strings.Repeat("this is some text\n", 100)), ErrNotTar, ""},
		"overwritten":     {slices.Concat(whole[:1536], bytes.Repeat([]byte("x"), 512), whole[2048:]), ErrDamaged, "a/"},
		"cut gzip":        {compressed(t, whole, "gzip")[:80], ErrDamaged, ""},
		"cut zstd":        {compressed(t, whole, "zstd")[:80], ErrDamaged, ""},
		"cut xz":          {compressed(t, whole, "xz")[:80], ErrDamaged, ""},
		"cut bzip2":       {compressed(t, whole, "bzip2")[:80], ErrDamaged, ""},
		"gzip header":     {[]byte{0x1f, 0x8b, 8}, ErrDamaged, ""},
		"gzip of no tar":  {compressed(t, []byte(strings.Repeat("text", 500)), "gzip"), ErrDamaged, ""},
		"greedy xz":       {compressed(t, whole, "xz", "--lzma2=dict=512MiB"), ErrTooLarge, ""},
		"greedy zstd":     {compressed(t, bytes.Repeat(whole, 20), "zstd", "--ultra", "--long=30", "--no-check", "-"), ErrTooLarge, ""},
		"endless sparse":  {sparse("1152921504606846975"), ErrTooLarge, "sparse"},
		"negative sparse": {sparse("-1"), ErrNotTar, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Extract(t.Context(), bytes.NewReader(c.archive), newBench(t).dest, options())
			if !errors.Is(err, c.want) {
				t.Errorf("error is %v, want %v", err, c.want)
			}
			var named *EntryError
			if !errors.As(err, &named) || named.Entry != c.names {
				t.Errorf("error names %+v, want %q", named, c.names)
			}
		})
	}
}
