package modsource

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/diyform/diyform/internal/failpoint"

	"github.com/diyform/diyform/internal/playhost/playtest"
)

// With installAs in the environment, this program is a command that installs a module and is
// killed while it does.
const installAs = "MODSOURCE_TEST_INSTALL"

func TestMain(m *testing.M) {
	if spec := os.Getenv(installAs); spec != "" {
		os.Exit(installChild(spec))
	}
	os.Exit(m.Run())
}

func installChild(spec string) int {
	if err := failpoint.Arm("DIYFORM_FAILPOINT"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	words := strings.Fields(spec)
	_, err := New(words[0]).Install(context.Background(), words[1], words[2], Options{Update: len(words) > 3})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// isolate keeps what this machine's user has configured of git away from the tests, and the
// other way round.
func isolate(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		playtest.Missing(t, err)
	}
	home := t.TempDir()
	for name, value := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": home, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": filepath.Join(home, "gitconfig"),
		"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com",
	} {
		t.Setenv(name, value)
	}
}

// repository is one with commits to be downloaded.
type repository struct {
	t   testing.TB
	dir string
}

func newRepository(t testing.TB) repository {
	t.Helper()
	isolate(t)
	return sibling(t)
}

// sibling is another repository, for a test that has one.
func sibling(t testing.TB) repository {
	r := repository{t, filepath.Join(t.TempDir(), "lab.git")}
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.git("init", "--quiet", "--initial-branch=main")
	return r
}

func (r repository) git(arguments ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", arguments...)
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit adds files, "name: content", and gives the commit.
func (r repository) commit(files ...string) string {
	r.t.Helper()
	for _, f := range files {
		name, content, _ := strings.Cut(f, ": ")
		write(r.t, filepath.Join(r.dir, name), content)
	}
	r.git("add", "--all")
	r.git("commit", "--quiet", "--allow-empty", "--message=change")
	return r.git("rev-parse", "HEAD")
}

// source names the repository: source("//net?ref=v1").
func (r repository) source(rest string) string { return "git::file://" + r.dir + rest }

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tree lists the files below dir, "name: content" and "name -> target", folders aside.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		if e.Type() == fs.ModeSymlink {
			target, err := os.Readlink(name)
			out = append(out, rel+" -> "+target)
			return err
		}
		content, err := os.ReadFile(name)
		out = append(out, rel+": "+string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// entry is what an archive has.
type entry struct {
	name, content string
	kind          byte // of tar; 0 is a file, or a folder if the name ends in "/"
	mode          int64
}

func (e entry) header() *tar.Header {
	h := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: e.mode, Size: int64(len(e.content)), Format: tar.FormatPAX}
	if h.Typeflag == 0 {
		h.Typeflag = tar.TypeReg
		if strings.HasSuffix(e.name, "/") {
			h.Typeflag = tar.TypeDir
		}
	}
	if h.Typeflag != tar.TypeReg {
		h.Size, h.Linkname = 0, e.content
	}
	if h.Mode == 0 {
		h.Mode = 0o644
	}
	return h
}

func tarball(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.header()
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, e.content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(e.header().FileInfo().Mode())
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// packed compresses a tar archive. What Go has no writer for is left to the program.
func packed(t testing.TB, format string, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch format {
	case "tar.gz":
		w = gzip.NewWriter(&b)
	case "tar.zst":
		w, err = zstd.NewWriter(&b)
	case "tar.xz", "tar.bz2":
		program := map[string]string{"tar.xz": "xz", "tar.bz2": "bzip2"}[format]
		if _, err := exec.LookPath(program); err != nil {
			playtest.Missing(t, err)
		}
		cmd := exec.Command(program, "--stdout")
		cmd.Stdin = bytes.NewReader(plain)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	default:
		return plain
	}
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// site is a web server on the loopback interface with files.
type site struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string][]byte
	asked atomic.Int32
	other http.HandlerFunc // answers instead, unless it is nil
}

// answer lets a function answer from now on; nil: the files are served again.
func (s *site) answer(f http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.other = f
}

func newSite(t testing.TB) *site {
	s := &site{files: map[string][]byte{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	s.mu.Lock()
	other := s.other
	content, found := s.files[r.URL.Path]
	s.mu.Unlock()
	switch {
	case other != nil:
		other(w, r)
	case found:
		_, _ = w.Write(content)
	default:
		http.NotFound(w, r)
	}
}

// put adds a file and gives its address as a source, with its checksum.
func (s *site) put(name string, content []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files["/"+name] = content
	return s.URL + "/" + name + "?checksum=sha256:" + sum(content)
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// logged keeps what is told.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) options(update bool) Options {
	return Options{Update: update, Log: func(line string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, line)
	}}
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// install installs, gives the folder, and wants no error.
func install(t testing.TB, s *Store, key, source string, update bool) string {
	t.Helper()
	dir, err := s.Install(t.Context(), key, source, Options{Update: update})
	if err != nil {
		t.Fatal(err)
	}
	checkStore(t, s, key, source, dir)
	return dir
}

// checkStore wants that a module is on record and that nothing is left over.
func checkStore(t testing.TB, s *Store, key, source, dir string) {
	t.Helper()
	if got, ok := New(s.root).Installed(key, source); !ok || got != dir {
		t.Errorf("%s is on record as %q, %v; want %q", key, got, ok, dir)
	}
	entries, err := os.ReadDir(s.dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && e.Name() != lockFile {
			t.Errorf("%s was left over", e.Name())
		}
	}
}
