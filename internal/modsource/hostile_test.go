package modsource

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Archives that mean harm. OUT is a folder beside the store; up the way to it from the archive.
var hostile = []struct {
	name    string
	entries []entry
	want    string // in the error; "" if it unpacks
	zip     bool   // it can be a zip archive too
}{
	{"climbing name", []entry{{name: "../../../../outside/secret", content: "x"}}, "leads out", true},
	{"climbing behind a folder", []entry{{name: "a/../../b", content: "x"}}, "leads out", true},
	{"climbing folder", []entry{{name: "../b/"}}, "leads out", true},
	{"absolute name", []entry{{name: "OUT/secret", content: "x"}}, "leads out", true},
	{"the folder itself as a file", []entry{{name: ".", content: "x"}}, "a folder has that name", false},
	{"backslashes", []entry{{name: `..\..\b`, content: "x"}}, "backslash", true},
	{"absolute link", []entry{{name: "a", content: "OUT/secret", kind: '2', mode: 0o120777}}, "leads out of it", true},
	{"climbing link", []entry{{name: "a", content: "../../../../outside", kind: '2', mode: 0o120777}}, "leads out of it", true},
	{"link to a link", []entry{{name: "a", content: "b", kind: '2', mode: 0o120777}, {name: "b", content: "..", kind: '2', mode: 0o120777}}, "leads out of it", true},
	{"file behind an absolute link", []entry{{name: "a", content: "OUT", kind: '2', mode: 0o120777}, {name: "a/secret", content: "x"}}, "escapes", true},
	{"file behind a climbing link", []entry{{name: "a", content: "../../../../outside", kind: '2', mode: 0o120777}, {name: "a/secret", content: "x"}}, "escapes", true},
	{"folder behind a link", []entry{{name: "a", content: "OUT", kind: '2', mode: 0o120777}, {name: "a/b/"}}, "escapes", true},
	{"folder exchanged for a link", []entry{{name: "a/"}, {name: "a", content: "OUT", kind: '2', mode: 0o120777}, {name: "a/secret", content: "x"}}, "a folder has that name", true},
	{"link exchanged for another", []entry{{name: "d/"}, {name: "a", content: "d", kind: '2', mode: 0o120777}, {name: "a/b/"}, {name: "a", content: "OUT", kind: '2', mode: 0o120777}, {name: "a/b/secret", content: "x"}}, "escapes", true},
	{"write through a link", []entry{{name: "a", content: "OUT/secret", kind: '2', mode: 0o120777}, {name: "a", content: "x"}}, "", true},
	{"links in a circle", []entry{{name: "a", content: "b", kind: '2', mode: 0o120777}, {name: "b", content: "a", kind: '2', mode: 0o120777}}, "", true},
	{"file behind a circle", []entry{{name: "a", content: "a", kind: '2', mode: 0o120777}, {name: "a/b", content: "x"}}, "too many levels", true},
	{"hard link outside", []entry{{name: "a", content: "OUT/secret", kind: '1'}}, "leads out", false},
	{"climbing hard link", []entry{{name: "a", content: "../../../../outside/secret", kind: '1'}}, "leads out", false},
	{"hard link through a link", []entry{{name: "a", content: "OUT", kind: '2'}, {name: "b", content: "a/secret", kind: '1'}}, "escapes", false},
	{"device", []entry{{name: "a", kind: '3'}}, "neither a file nor", false},
	{"block device", []entry{{name: "a", kind: '4'}}, "neither a file nor", false},
	{"FIFO", []entry{{name: "a", kind: '6'}}, "neither a file nor", false},
	{"file as a parent", []entry{{name: "a", content: "x"}, {name: "a/b", content: "x"}}, "is a file already", true},
	{"long component", []entry{{name: strings.Repeat("n", 300), content: "x"}}, "file name too long", true},
	{"long path", []entry{{name: strings.Repeat("n/", 3000) + "n", content: "x"}}, "too long", true},
	{"many files", []entry{{name: "a/b/c/d/e/f/g/h/i/j/k", content: "x"}}, "more than 10 files", true},
	{"large file", []entry{{name: "a", content: strings.Repeat("x", 1001)}}, "larger than any", true},
	{"large together", []entry{{name: "a", content: strings.Repeat("x", 600)}, {name: "b", content: strings.Repeat("x", 600)}}, "larger than any", true},
	{"exactly as large", []entry{{name: "a", content: strings.Repeat("x", 1000)}}, "", true},
}

func TestHostileArchives(t *testing.T) {
	web := newSite(t)
	for _, c := range hostile {
		for _, format := range []string{"tar.gz", "zip"} {
			if format == "zip" && !c.zip {
				continue
			}
			t.Run(c.name+" "+format, func(t *testing.T) { unpackHostile(t, web, c.entries, format, c.want) })
		}
	}
}

func unpackHostile(t *testing.T, web *site, entries []entry, format, want string) {
	top := t.TempDir()
	outside := filepath.Join(top, "outside")
	write(t, filepath.Join(outside, "secret"), "s")
	real := make([]entry, len(entries))
	for i, e := range entries {
		e.name, e.content = strings.ReplaceAll(e.name, "OUT", outside), strings.ReplaceAll(e.content, "OUT", outside)
		real[i] = e
	}
	content := zipped(t, real...)
	if format != "zip" {
		content = packed(t, format, tarball(t, real...))
	}
	if strings.HasPrefix(want, "backslash") && format != "zip" {
		want = "" // on this system it is a letter like others
	}
	s := New(filepath.Join(top, "root"))
	s.limits.unpacked, s.limits.names = 1000, 10
	_, err := s.Install(t.Context(), "lab", web.put("x."+format, content), Options{})
	if err == nil != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if err == nil && strings.Contains(tree(t, s.dir()), "s, ") {
		t.Errorf("the secret is in %s", tree(t, s.dir()))
	}
	if got := tree(t, outside); got != "secret: s" {
		t.Errorf("outside there is %s", got)
	}
	if names, err := os.ReadDir(top); err != nil || len(names) != 2 {
		t.Errorf("beside the store there is %v, %v", names, err)
	}
}

// A few bytes that become many: of a file, and of nothing at all.
func TestBombs(t *testing.T) {
	web := newSite(t)
	for name, plain := range map[string][]byte{
		"file":    tarball(t, entry{name: "a", content: strings.Repeat("\x00", 50<<20)}),
		"remarks": remarks(t, 3000),
	} {
		s := New(t.TempDir())
		s.limits.unpacked = 1 << 20
		_, err := s.Install(t.Context(), "lab", web.put("bomb.tar.gz", packed(t, "tar.gz", plain)), Options{})
		if err == nil || !strings.Contains(err.Error(), errTooMuch.Error()) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// remarks is an archive of n headers that are about no file, and one file.
func remarks(t *testing.T, n int) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for range n {
		h := &tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": strings.Repeat("x", 900)}}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteHeader(&tar.Header{Name: "a", Typeflag: tar.TypeReg, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
