package unpack

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/playhost/playtest"
)

// compressed runs a compressor of the system's, as nobody but others' archives matter.
func compressed(t testing.TB, b []byte, program string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		playtest.Missing(t, err)
	}
	cmd := exec.Command(program, append([]string{"-c"}, args...)...)
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	return out
}

// sparse makes a PAX archive of format 0.1 with a file that has a hole of the given size.
func sparse(size string) []byte {
	records := ""
	for _, r := range []string{
		"GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.name=sparse",
		"GNU.sparse.size=" + size, "GNU.sparse.numblocks=0", "GNU.sparse.map=",
	} {
		n := len(r) + 2
		n += len(fmt.Sprint(n + len(fmt.Sprint(n))))
		records += fmt.Sprintf("%d %s\n", n, r)
	}
	var b bytes.Buffer
	block := func(name string, kind byte, size int) {
		h := make([]byte, 512)
		copy(h, name)
		copy(h[100:], "0000644\x000000000\x000000000\x00")
		copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00", size))
		h[156] = kind
		copy(h[257:], "ustar\x0000")
		sum := 8 * int(' ')
		for _, c := range h {
			sum += int(c)
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		b.Write(h)
	}
	block("pax", 'x', len(records))
	b.WriteString(records)
	b.Write(make([]byte, 512-len(records)%512))
	block("GNUSparseFile.0/sparse", '0', 0)
	b.Write(make([]byte, 1024))
	return b.Bytes()
}

func TestCompressions(t *testing.T) {
	var plain []any
	for i := range 300 {
		plain = append(plain, fmt.Sprintf("d%d/f%d: %s", i%7, i, strings.Repeat("content ", i*20)))
	}
	whole := append(archive(t, plain...), make([]byte, 3*bufferSize+77)...)
	want := sha256.Sum256(whole)
	for program, stats := range map[string]string{"cat": "", "gzip": "gzip", "bzip2": "bzip2", "xz": "xz", "zstd": "zstd"} {
		t.Run(program, func(t *testing.T) {
			b := whole
			if program != "cat" {
				b = compressed(t, whole, program)
			}
			if program == "gzip" { // members after another are one stream: RFC 1952
				b = append(compressed(t, whole[:1000], program), compressed(t, whole[1000:], program)...)
			}
			digest := sha256.New()
			var read int64
			var entries int
			o := options()
			o.Plain, o.Progress = digest, func(r int64, e int) { read, entries = r, e }
			dir := newBench(t).dest
			got, err := Extract(t.Context(), io.MultiReader(bytes.NewReader(b[:3]), bytes.NewReader(b[3:])), dir, o)
			if err != nil {
				t.Fatal(err)
			}
			if got.Compression != stats || got.Entries != 300 || entries != 300 || read != int64(len(b)) {
				t.Errorf("%+v, progress %d bytes of %d, %d entries", got, read, len(b), entries)
			}
			if [32]byte(digest.Sum(nil)) != want {
				t.Error("the digest of the plain stream is wrong")
			}
			if f, err := os.ReadFile(filepath.Join(dir, "d5/f299")); err != nil || len(f) != 299*20*8 {
				t.Errorf("%d bytes, %v", len(f), err)
			}
		})
	}
}

// TestGNUSparse unpacks what GNU tar makes of a file with holes, in each of its formats.
func TestGNUSparse(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "holes"))
	if err != nil {
		t.Fatal(err)
	}
	const size = 64 << 20
	f.WriteAt([]byte("begin"), 0)
	f.WriteAt([]byte("middle"), 33<<20+5)
	f.Truncate(size)
	f.Close()
	want, err := os.ReadFile(filepath.Join(dir, "holes"))
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range [][]string{{"--format=gnu"}, {"--format=pax", "--sparse-version=0.0"}, {"--format=pax", "--sparse-version=0.1"}, {"--format=pax", "--sparse-version=1.0"}} {
		t.Run(strings.Join(format, ""), func(t *testing.T) {
			b, err := exec.Command("tar", append(format, "--sparse", "-cf", "-", "-C", dir, "holes")...).Output()
			if err != nil || len(b) > 1<<20 {
				t.Fatal(len(b), err)
			}
			dest := newBench(t).dest
			if _, err := Extract(t.Context(), bytes.NewReader(b), dest, options()); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(dest, "holes"))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			var st unix.Stat_t
			if err := unix.Stat(filepath.Join(dest, "holes"), &st); err != nil || st.Blocks*512 > 1<<20 {
				t.Errorf("it takes %d bytes, %v", st.Blocks*512, err)
			}
		})
	}
}

func TestMetadata(t *testing.T) {
	asEachUser(t, func(t *testing.T) {
		root := os.Geteuid() == 0
		file := entry("bin/tool: x")
		file.Size, file.Mode, file.Uid, file.Gid = 3, 0o6755, 12, 34
		file.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}
		link, dir, secret := entry("bin/link -> tool"), entry("bin/"), entry("secret: ")
		link.Uid, dir.Uid, dir.Mode, secret.Mode = 12, 12, 0o1555, 0
		device := &tar.Header{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3, Mode: 0o666, ModTime: epoch, Format: tar.FormatPAX}
		long := strings.Repeat("long", 30) + "/" + strings.Repeat("name", 60)
		dest := newBench(t).dest
		stats, err := Extract(t.Context(), bytes.NewReader(archive(t, dir, file, link, "bin/same = bin/tool", device, "fifo|", secret, long+": x", "bin/late: x")), dest, options())
		if err != nil {
			t.Fatal(err)
		}
		check := func(name string, mode uint32, uid, gid int) {
			t.Helper()
			var st unix.Stat_t
			if err := unix.Lstat(filepath.Join(dest, name), &st); err != nil {
				t.Error(err)
				return
			}
			if !root {
				uid, gid = os.Geteuid(), os.Getegid()
			}
			if st.Mode != mode || int(st.Uid) != uid || int(st.Gid) != gid {
				t.Errorf("%s has mode %o, owner %d:%d, want %o, %d:%d", name, st.Mode, st.Uid, st.Gid, mode, uid, gid)
			}
			if got := time.Unix(st.Mtim.Unix()); !got.Equal(epoch) {
				t.Errorf("%s is of %v", name, got)
			}
		}
		folderMode, secretMode := uint32(0o1555), uint32(0)
		if !root {
			folderMode, secretMode = 0o1755, 0o400
		}
		check("bin", unix.S_IFDIR|folderMode, 12, 0)
		check("bin/tool", unix.S_IFREG|0o6755, 12, 34)
		check("bin/same", unix.S_IFREG|0o6755, 12, 34)
		check("bin/link", unix.S_IFLNK|0o777, 12, 0)
		check("fifo", unix.S_IFIFO|0o644, 0, 0)
		check("secret", unix.S_IFREG|secretMode, 0, 0)
		check(long, unix.S_IFREG|0o644, 0, 0)
		check(filepath.Dir(long), unix.S_IFDIR|0o755, 0, 0)
		if !root && (stats.Devices != 1 || stats.Xattrs != 1) {
			t.Errorf("left out: %+v", stats)
		}
		if root {
			if stats.Devices == 0 {
				check("null", unix.S_IFCHR|0o666, 0, 0)
			}
			if got := xattrs(t, filepath.Join(dest, "bin/tool")); stats.Xattrs == 0 && !strings.Contains(got, "security.capability") {
				t.Errorf("attributes of the tool are%s", got)
			}
		}
	})
}

func TestLaterEntriesWin(t *testing.T) {
	for name, c := range map[string][]any{
		"file file":     {"a: old", "a: new"},
		"folder file":   {"a/", "a/b/", "a/b/c: x", "a: new"},
		"link file":     {"b: x", "a -> b", "a: new"},
		"fifo file":     {"a|", "a: new"},
		"hard link":     {"b: new", "a/x/", "a = b"},
		"hard linked":   {"b: old", "a = b", "a: new"},
		"folder folder": {"d/", "d/x: x", "d/", "a: new"},
	} {
		t.Run(name, func(t *testing.T) {
			dest := newBench(t).dest
			if _, err := Extract(t.Context(), bytes.NewReader(archive(t, c...)), dest, options()); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(filepath.Join(dest, "a")); err != nil || string(got) != "new" {
				t.Errorf("%q, %v", got, err)
			}
			if got, err := os.ReadFile(filepath.Join(dest, "b")); err == nil && name == "hard linked" && string(got) != "old" {
				t.Errorf("the other name has %q", got)
			}
			if _, err := os.Stat(filepath.Join(dest, "d/x")); name == "folder folder" && err != nil {
				t.Error(err)
			}
		})
	}
}

func TestManyEntries(t *testing.T) {
	r, w := io.Pipe()
	const entries = 100_000
	go func() {
		archive := tar.NewWriter(w)
		for i := range entries {
			h := entry(fmt.Sprintf("a/d%d/e%d/f%d", i%10, i/500, i))
			h.Uid, h.Gid = os.Geteuid(), os.Getegid()
			if err := archive.WriteHeader(h); err != nil {
				w.CloseWithError(err)
				return
			}
		}
		w.CloseWithError(archive.Close())
	}()
	begin := time.Now()
	stats, err := Extract(t.Context(), r, newBench(t).dest, options())
	if err != nil || stats.Entries != entries {
		t.Fatal(stats, err)
	}
	t.Logf("%d entries in %v", entries, time.Since(begin))
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	enough := errors.New("enough")
	ctx, stop := context.WithCancelCause(ctx)
	defer cancel()
	r, w := io.Pipe()
	go func() {
		b := archive(t, "a: x", "b: x")
		w.Write(b[:1500])
		stop(enough)
		w.CloseWithError(enough) // as an archive's reader has to
	}()
	_, err := Extract(ctx, r, newBench(t).dest, options())
	if !errors.Is(err, enough) {
		t.Errorf("error is %v", err)
	}
}

// FuzzExtract needs -fuzzminimizetime=1x: what runs in which goroutine first varies.
func FuzzExtract(f *testing.F) {
	for _, c := range hostile {
		var entries []any
		for _, e := range c.entries {
			entries = append(entries, e)
		}
		f.Add(archive(f, entries...), c.layer)
	}
	f.Add(sparse("1048576"), false)
	f.Fuzz(func(t *testing.T, b []byte, layer bool) {
		bench := newBench(t)
		before := listing(t, bench.outside)
		o := options()
		o.Layer = layer
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := Extract(ctx, bytes.NewReader(b), bench.dest, o)
		var named *EntryError
		if err != nil && !errors.As(err, &named) {
			t.Errorf("error is %v", err)
		}
		if after := listing(t, bench.outside); strings.Join(before, "\n") != strings.Join(after, "\n") {
			t.Errorf("outside was touched:\n%s", strings.Join(after, "\n"))
		}
	})
}
