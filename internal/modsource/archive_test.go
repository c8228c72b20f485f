package modsource

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/diag"
)

var labFiles = []entry{
	{name: "lab-1.0/"}, {name: "lab-1.0/a", content: "1"}, {name: "lab-1.0/run.sh", content: "2", mode: 0o4755},
	{name: "lab-1.0/net/deep/b", content: "3"}, {name: "lab-1.0/link", content: "net/deep/b", kind: '2', mode: 0o120777},
}

const labTree = "a: 1, link -> net/deep/b, net/deep/b: 3, run.sh: 2"

func TestArchive(t *testing.T) {
	web := newSite(t)
	for _, c := range []struct{ name, format string }{
		{"lab.tar", "tar"}, {"lab.tar.gz", "tar.gz"}, {"lab.tgz", "tar.gz"}, {"lab.tar.xz", "tar.xz"},
		{"lab.tar.zst", "tar.zst"}, {"lab.tar.bz2", "tar.bz2"}, {"lab.zip", "zip"}, {"download", "zip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var content []byte
			if c.format == "zip" {
				content = zipped(t, labFiles...)
			} else {
				content = packed(t, c.format, tarball(t, labFiles...))
			}
			source := strings.Replace(web.put(c.name, content), "?", "//*?archive="+c.format+"&", 1)
			s := New(t.TempDir())
			dir := install(t, s, "lab", source, false)
			if got := tree(t, dir); got != labTree {
				t.Errorf("got %s", got)
			}
			if filepath.Base(dir) != "lab-1.0" {
				t.Errorf("the folder is %s", dir)
			}
			for name, want := range map[string]os.FileMode{"a": 0o644, "run.sh": 0o755, "net": 0o755 | os.ModeDir} {
				if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
					t.Errorf("%s has mode %v, %v; want %v", name, info.Mode(), err, want)
				}
			}
			if m, err := s.Modules(); err != nil || m[0].Digest != "sha256:"+sum(content) {
				t.Errorf("got %+v, %v", m, err)
			}
		})
	}
}

// fetch installs into a store of its own, in which an error leaves nothing.
func fetch(t *testing.T, source string) (string, error) {
	t.Helper()
	root := t.TempDir()
	dir, err := New(root).Install(t.Context(), "lab", source, Options{})
	if err != nil {
		if got := tree(t, root); got != ".diyform/modules/.lock: " {
			t.Errorf("%s: left %s", source, got)
		}
	}
	return dir, err
}

func wantProblem(t *testing.T, err error, summary, detail string) {
	t.Helper()
	var p *diag.Problem
	if !errors.As(err, &p) || p.Summary != summary || !strings.Contains(p.Detail, detail) {
		t.Errorf("got %v, want %s: %q", err, summary, detail)
	}
}

func TestArchiveChecksum(t *testing.T) {
	web := newSite(t)
	source := web.put("lab.tar.gz", packed(t, "tar.gz", tarball(t, labFiles...)))
	h := sha512.Sum512(web.files["/lab.tar.gz"])
	if _, err := fetch(t, web.URL+"/lab.tar.gz?checksum=sha512:"+hex.EncodeToString(h[:])); err != nil {
		t.Error(err)
	}
	// What is not the expected archive is not even looked into: this one would be no archive.
	web.put("lab.tar.gz", []byte("changed"))
	_, err := fetch(t, source)
	wantProblem(t, err, "Module archive is not the expected one", sum([]byte("changed")))
}

func TestArchiveIsNone(t *testing.T) {
	web := newSite(t)
	whole := packed(t, "tar.gz", tarball(t, labFiles...))
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"page.tar.gz", []byte("<!DOCTYPE html>"), "looks like a web page"},
		{"page.zip", []byte("\n<html>"), "looks like a web page"},
		{"x.zip", whole, "cannot be unpacked as zip"},
		{"x.tar", whole, "cannot be unpacked as tar"},
		{"x.tar.xz", whole, "cannot be unpacked as tar.xz"},
		{"x.tar.zst", whole, "cannot be unpacked as tar.zst"},
		{"x.tar.bz2", whole, "cannot be unpacked as tar.bz2"},
		{"short.tar.gz", whole[:len(whole)-20], "unexpected EOF"},
		{"nothing.tar.gz", nil, "cannot be unpacked as tar.gz"},
		{"empty.tar.gz", packed(t, "tar.gz", tarball(t)), "it is empty"},
		{"empty.zip", zipped(t), "it is empty"},
	} {
		_, err := fetch(t, web.put(c.name, c.content))
		wantProblem(t, err, "Cannot unpack module archive", c.want)
	}
}

func TestArchiveIsNotThere(t *testing.T) {
	web := newSite(t)
	_, err := fetch(t, web.URL+"/lab.zip"+aChecksum)
	wantProblem(t, err, "Cannot download module", "404 Not Found: there is nothing at this address")
	web.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	_, err = fetch(t, strings.Replace(web.URL, "//", "//user:secret@", 1)+"/lab.zip"+aChecksum)
	wantProblem(t, err, "Cannot download module", "403 Forbidden: it wants to know who asks")
	if strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	web.Close()
	_, err = fetch(t, web.URL+"/lab.zip"+aChecksum)
	wantProblem(t, err, "Cannot download module", "connection refused")
}

func TestArchiveNamesItsUser(t *testing.T) {
	content := zipped(t, labFiles...)
	web := newSite(t)
	web.answer(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "user" || password != "secret" || r.URL.RawQuery != "token=1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write(content)
	})
	if _, err := fetch(t, strings.Replace(web.URL, "//", "//user:secret@", 1)+"/lab.zip?token=1&checksum="+sum(content)); err != nil {
		t.Error(err)
	}
}

// A download that ends early is told by how much, and nothing of it is kept.
func TestArchiveIsCutOff(t *testing.T) {
	content := packed(t, "tar.gz", tarball(t, labFiles...))
	web := newSite(t)
	web.answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content[:100])
	})
	_, err := fetch(t, web.URL+"/lab.tar.gz?checksum="+sum(content))
	wantProblem(t, err, "Cannot download module", fmt.Sprintf("the connection ended after 100 bytes of %d bytes", len(content)))
}

func TestArchiveIsInterrupted(t *testing.T) {
	web := newSite(t)
	begun, stop := make(chan struct{}, 1), make(chan struct{})
	web.answer(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("begin"))
		w.(http.Flusher).Flush()
		begun <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-stop:
		}
	})
	t.Cleanup(func() { close(stop) })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	_, err := New(t.TempDir()).Install(ctx, "lab", web.URL+"/lab.zip"+aChecksum, Options{})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %v", err)
	}
}

// A server that says nothing any more is waited for, but not for ever.
func TestArchiveStalls(t *testing.T) {
	web := newSite(t)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	for _, begun := range []bool{false, true} {
		web.answer(func(w http.ResponseWriter, r *http.Request) {
			if begun {
				_, _ = w.Write([]byte("begin"))
				w.(http.Flusher).Flush()
			}
			select {
			case <-r.Context().Done():
			case <-stop:
			}
		})
		s := New(t.TempDir())
		s.limits.stall = 20 * time.Millisecond
		_, err := s.Install(t.Context(), "lab", web.URL+"/lab.zip"+aChecksum, Options{})
		wantProblem(t, err, "Cannot download module", "nothing came from the server")
	}
}

func TestDownloadTellsProgress(t *testing.T) {
	var told logged
	for _, total := range []int64{12_345_678, -1} {
		m := &meter{r: strings.NewReader("begin"), watch: time.NewTimer(time.Hour), stall: time.Hour, name: "lab", total: total,
			progress: &progress{log: told.options(false).Log}}
		if _, err := io.Copy(io.Discard, m); err != nil {
			t.Fatal(err)
		}
	}
	if got := told.text(); got != "lab: 5 bytes of 12.3 MB\nlab: 5 bytes" {
		t.Errorf("told %q", got)
	}
}

func TestArchiveIsTooLarge(t *testing.T) {
	web := newSite(t)
	content := zipped(t, labFiles...)
	source := web.put("lab.zip", content)
	s := New(t.TempDir())
	s.limits.download = int64(len(content)) - 1
	_, err := s.Install(t.Context(), "lab", source, Options{})
	wantProblem(t, err, "Module archive is too large", "lab.zip")
	// A server that does not say how much it sends.
	web.answer(func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		_, _ = w.Write(content)
	})
	_, err = s.Install(t.Context(), "lab", source, Options{})
	wantProblem(t, err, "Module archive is too large", "lab.zip")
	s.limits.download++
	if _, err := s.Install(t.Context(), "lab", source, Options{}); err != nil {
		t.Error(err)
	}
}

// A redirection leads from an encrypted address to another one, or says by a checksum what has
// to come.
func TestArchiveRedirects(t *testing.T) {
	content := zipped(t, labFiles...)
	web := newSite(t)
	web.put("lab.zip", content)
	var target string
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/there.zip":
			_, _ = w.Write(content)
		case "/circle.zip":
			http.Redirect(w, r, "/circle.zip", http.StatusFound)
		default:
			http.Redirect(w, r, target, http.StatusFound)
		}
	}))
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the client that does not trust it
	for _, c := range []struct{ target, query, want string }{
		{"/there.zip", "", ""},
		{web.URL + "/lab.zip", "?checksum=" + sum(content), ""},
		{web.URL + "/lab.zip", "", "can be changed"},
		{"ftp://example.com/lab.zip", "", "which is not read"},
		{"/circle.zip", "", "ten times"},
	} {
		target = c.target
		s := New(t.TempDir())
		s.transport = secure.Client().Transport.(*http.Transport)
		_, err := s.Install(t.Context(), "lab", secure.URL+"/lab.zip"+c.query, Options{})
		if c.want == "" && err != nil {
			t.Errorf("to %s: %v", c.target, err)
		} else if c.want != "" {
			wantProblem(t, err, "Cannot download module", c.want)
		}
	}
	// A certificate that nobody vouches for.
	_, err := New(t.TempDir()).Install(t.Context(), "lab", secure.URL+"/there.zip", Options{})
	wantProblem(t, err, "Cannot download module", "certificate")
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{-1: "an unknown size", 0: "0 bytes", 9999: "9999 bytes", 10_000: "10 kB", 12_345_678: "12.3 MB"} {
		if got := size(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
