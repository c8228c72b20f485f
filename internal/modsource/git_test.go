package modsource

import (
	"context"
	"errors"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/diag"

	"github.com/diyform/diyform/internal/playhost/playtest"
)

func TestGit(t *testing.T) {
	r := newRepository(t)
	first := r.commit("a: 1", "net/b: 1")
	r.git("tag", "v1")
	second := r.commit("a: 2")
	r.git("tag", "--annotate", "--message=two", "v2")
	r.git("checkout", "--quiet", "-b", "feature/x")
	third := r.commit("a: 3", "net/b: 3")
	r.git("branch", "v1") // a tag goes before a branch of the same name
	r.git("update-ref", "refs/pull/7/head", third)
	r.git("checkout", "--quiet", "main")
	fourth := r.commit("a: 4")
	for _, c := range []struct{ rest, want, commit string }{
		{"", "a: 4, net/b: 1", fourth},
		{"?ref=main", "a: 4, net/b: 1", fourth},
		{"?ref=v1", "a: 1, net/b: 1", first},
		{"?ref=v2", "a: 2, net/b: 1", second},
		{"?ref=feature/x", "a: 3, net/b: 3", third},
		{"?ref=refs/pull/7/head", "a: 3, net/b: 3", third},
		{"?ref=" + second, "a: 2, net/b: 1", second},
		{"?ref=" + second[:10], "a: 2, net/b: 1", second},
		{"?depth=2&ref=" + second, "a: 2, net/b: 1", second},
		{"//net?ref=feature/x&depth=1", "b: 3", third},
	} {
		s := New(t.TempDir())
		dir := install(t, s, "lab", r.source(c.rest), false)
		if got := tree(t, dir); got != c.want {
			t.Errorf("%q: got %s, want %s", c.rest, got, c.want)
		}
		if m, err := s.Modules(); err != nil || m[0].Commit != c.commit {
			t.Errorf("%q: got %+v, %v; want commit %s", c.rest, m, err, c.commit)
		}
	}
}

// The whole package is there, so that modules of it can call each other.
func TestGitKeepsThePackage(t *testing.T) {
	r := newRepository(t)
	r.commit("lab/a: 1", "net/b: 1")
	s := New(t.TempDir())
	dir := install(t, s, "lab", r.source("//lab"), false)
	got, err := s.Resolve(dir, Source{Kind: Local, Path: "../net"})
	if err != nil || tree(t, got) != "b: 1" {
		t.Errorf("got %q, %v", got, err)
	}
	var p *diag.Problem
	if _, err := s.Resolve(dir, Source{Kind: Local, Path: "../../other"}); !errors.As(err, &p) || p.Summary != "Module source leads out of its package" {
		t.Errorf("got %v", err)
	}
}

// The root module's folder is mostly ".", and so are the folders that are given.
func TestGitInTheWorkingFolder(t *testing.T) {
	r := newRepository(t)
	r.commit("lab/a: 1")
	t.Chdir(t.TempDir())
	if dir := install(t, New("."), "lab", r.source("//lab"), false); dir != ".diyform/modules/lab/lab" || tree(t, dir) != "a: 1" {
		t.Errorf("got %s", dir)
	}
}

func TestGitRefuses(t *testing.T) {
	r := newRepository(t)
	r.commit("lab/a: 1")
	empty := sibling(t)
	for _, c := range []struct{ source, want string }{
		{r.source("?ref=v9"), `no branch, tag or commit "v9"`},
		{r.source("?ref=" + aCommit), `no branch, tag or commit "` + aCommit},
		{r.source("?ref=abcdef0"), `no branch, tag or commit "abcdef0"`},
		{r.source("//net"), `no folder "net"`},
		{r.source("//la"), `Did you mean "lab"?`},
		{r.source("//lab/a"), `no folder "lab/a"`},
		{empty.source(""), "no default branch"},
		{"git::file:///nowhere/lab.git", "does not appear to be a git repository"},
		{"git::https://user:secret@127.0.0.1:1/lab.git", "Failed to connect"},
		{"git::ssh://git@127.0.0.1:1/lab.git", "Connection refused"},
	} {
		root := t.TempDir()
		_, err := New(root).Install(t.Context(), "lab", c.source, Options{})
		var p *diag.Problem
		if !errors.As(err, &p) || !strings.Contains(p.Detail, c.want) || strings.Contains(p.Detail, "secret") {
			t.Errorf("%s: got %v, want %q", c.source, err, c.want)
		}
		if got := tree(t, root); got != ".diyform/modules/.lock: " {
			t.Errorf("%s: left %s", c.source, got)
		}
	}
}

func TestGitIsMissing(t *testing.T) {
	r := newRepository(t)
	r.commit("a: 1")
	t.Setenv("PATH", t.TempDir())
	_, err := New(t.TempDir()).Install(t.Context(), "lab", r.source(""), Options{})
	var p *diag.Problem
	if !errors.As(err, &p) || p.Summary != "Git is not installed" {
		t.Errorf("got %v", err)
	}
}

// A hook of another repository, in which diyform runs, says by variables which one it is.
func TestGitInAHook(t *testing.T) {
	r := newRepository(t)
	r.commit("a: 1")
	other := sibling(t)
	other.commit("b: 1")
	t.Setenv("GIT_DIR", filepath.Join(other.dir, ".git"))
	t.Setenv("GIT_INDEX_FILE", filepath.Join(other.dir, ".git", "index"))
	t.Setenv("GIT_WORK_TREE", other.dir)
	dir := install(t, New(t.TempDir()), "lab", r.source(""), false)
	if got := tree(t, dir); got != "a: 1" {
		t.Errorf("got %s", got)
	}
}

// Nothing of what a user has for own repositories runs in one that is downloaded.
func TestGitRunsNoHooks(t *testing.T) {
	r := newRepository(t)
	r.commit("a: 1")
	ran := filepath.Join(t.TempDir(), "ran")
	template := t.TempDir()
	hook := filepath.Join(template, "hooks", "post-checkout")
	write(t, hook, "#!/bin/sh\ntouch "+ran+"\n")
	if err := os.Chmod(hook, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, os.Getenv("GIT_CONFIG_GLOBAL"), "[init]\n\ttemplateDir = "+template+"\n[core]\n\thooksPath = "+filepath.Dir(hook)+"\n")
	install(t, New(t.TempDir()), "lab", r.source(""), false)
	if _, err := os.Stat(ran); err == nil {
		t.Error("the hook ran")
	}
}

func TestGitSubmodules(t *testing.T) {
	r := newRepository(t)
	inner := sibling(t)
	inner.commit("b: 1")
	r.commit("a: 1")
	t.Setenv("GIT_ALLOW_PROTOCOL", "file")
	r.git("submodule", "--quiet", "add", "file://"+inner.dir, "inner")
	r.commit()
	for _, rest := range []string{"//inner", "//inner?depth=1"} {
		if got := tree(t, install(t, New(t.TempDir()), "lab", r.source(rest), false)); got != "b: 1" {
			t.Errorf("%s: got %s", rest, got)
		}
	}
	// Unless the user wants it so, a repository does not name others of this machine.
	if err := os.Unsetenv("GIT_ALLOW_PROTOCOL"); err != nil {
		t.Fatal(err)
	}
	_, err := New(t.TempDir()).Install(t.Context(), "lab", r.source(""), Options{})
	if err == nil || !strings.Contains(err.Error(), "transport 'file' not allowed") {
		t.Errorf("got %v", err)
	}
}

func TestGitLinks(t *testing.T) {
	for _, c := range []struct {
		target string
		fine   bool
	}{
		{"a", true}, {"gone", true}, {"link", true}, {"./net/../a", true}, {"a/b", true}, {"net", true},
		{"/etc/passwd", false}, {"../secret", false}, {"net/../../secret", false},
	} {
		r := newRepository(t)
		write(t, filepath.Join(r.dir, "net/b"), "1")
		if err := os.Symlink(c.target, filepath.Join(r.dir, "link")); err != nil {
			t.Fatal(err)
		}
		r.commit("a: 1")
		_, err := New(t.TempDir()).Install(t.Context(), "lab", r.source(""), Options{})
		var p *diag.Problem
		if c.fine != (err == nil) || !c.fine && (!errors.As(err, &p) || p.Summary != "Module has a link that leads out of it") {
			t.Errorf("%s: got %v", c.target, err)
		}
	}
}

// smart serves repositories as hosts of them do; dumb as any web server can.
func smart(t *testing.T, dir string) *httptest.Server {
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		playtest.Missing(t, err)
	}
	server := httptest.NewServer(&cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"}, InheritEnv: []string{"GIT_CONFIG_NOSYSTEM"}})
	t.Cleanup(server.Close)
	return server
}

func TestGitOverHTTP(t *testing.T) {
	r := newRepository(t)
	first := r.commit("a: 1")
	r.commit("a: 2")
	r.git("update-server-info")
	dumb := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(r.dir))))
	t.Cleanup(dumb.Close)
	for name, url := range map[string]string{"smart": smart(t, filepath.Dir(r.dir)).URL, "dumb": dumb.URL} {
		dir := install(t, New(t.TempDir()), "lab", "git::"+url+"/lab.git/.git?ref="+first, false)
		if got := tree(t, dir); got != "a: 1" {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// A branch of a server that cannot give a part of the history: all of it is fetched. Sources do
// not name branches over http, so this goes below Parse.
func TestGitShallowIsImpossible(t *testing.T) {
	r := newRepository(t)
	want := r.commit("a: 1")
	r.git("update-server-info")
	server := httptest.NewServer(http.FileServer(http.Dir(r.dir)))
	t.Cleanup(server.Close)
	dir := filepath.Join(t.TempDir(), "package")
	got, err := fetchGit(t.Context(), Source{Kind: Git, URL: server.URL + "/.git", Ref: "main"}, dir, Options{Log: func(string) {}})
	if err != nil || got != want || tree(t, dir) != "a: 1" {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestGitIsInterrupted(t *testing.T) {
	isolate(t)
	asked, stop := make(chan struct{}, 1), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-stop:
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(stop) })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	root := t.TempDir()
	_, err := New(root).Install(ctx, "lab", "git::"+server.URL+"/lab.git?ref="+aCommit, Options{})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %v", err)
	}
	if got := tree(t, root); got != ".diyform/modules/.lock: " {
		t.Errorf("left %s", got)
	}
}

func TestGitMessages(t *testing.T) {
	var told []string
	m := &messages{progress: &progress{log: func(line string) { told = append(told, line) }}, name: "lab"}
	for _, part := range []string{"Receiving obj", "ects:  10%\rReceiving objects: 100%\r", "Receiving objects: 100%, done.\nhint: x\n\x1b[31mssh: no", "\x00thing\r", "\nfatal: no more.\n"} {
		if n, err := m.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(told) != 1 || told[0] != "lab: Receiving objects:  10%" {
		t.Errorf("told %q", told)
	}
	if got := m.text(); got != "[31mssh: nothing; no more" {
		t.Errorf("got %q", got)
	}
}
