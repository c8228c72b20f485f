package modsource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestInstalledIsUsed(t *testing.T) {
	web := newSite(t)
	one := web.put("one.zip", zipped(t, entry{name: "a", content: "1"}))
	two := web.put("two.zip", zipped(t, entry{name: "b", content: "2"}))
	s := New(t.TempDir())
	if _, ok := s.Installed("lab", one); ok {
		t.Error("it is there before it is installed")
	}
	dir := install(t, s, "lab", one, false)
	if install(t, s, "lab", one, false) != dir || web.asked.Load() != 1 {
		t.Errorf("it was downloaded %d times", web.asked.Load())
	}
	if _, ok := s.Installed("lab", two); ok {
		t.Error("it is taken for another one")
	}
	if install(t, s, "lab", two, false) != dir || tree(t, dir) != "b: 2" {
		t.Errorf("got %s", tree(t, dir))
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Installed("lab", two); ok {
		t.Error("it is there without a folder")
	}
	if install(t, s, "lab", two, false); tree(t, dir) != "b: 2" {
		t.Errorf("got %s", tree(t, dir))
	}
}

func TestUpdate(t *testing.T) {
	r := newRepository(t)
	first := r.commit("a: 1", "gone: 1")
	s := New(t.TempDir())
	dir := install(t, s, "lab.net", r.source(""), false)
	var told logged
	if _, err := s.Install(t.Context(), "lab.net", r.source(""), told.options(true)); err != nil {
		t.Fatal(err)
	}
	if want := "module.lab.module.net is unchanged, at commit " + first[:12] + "."; !strings.Contains(told.text(), want) {
		t.Errorf("told %q, want %q", told.text(), want)
	}
	r.git("rm", "--quiet", "gone")
	second := r.commit("a: 2")
	s = New(s.root) // another command
	if install(t, s, "lab.net", r.source(""), false); tree(t, dir) != "a: 1, gone: 1" {
		t.Errorf("without -update it is %s", tree(t, dir))
	}
	if _, err := s.Install(t.Context(), "lab.net", r.source(""), told.options(true)); err != nil {
		t.Fatal(err)
	}
	if want := "module.lab.module.net is now at commit " + second[:12] + ", and was at commit " + first[:12] + "."; !strings.Contains(told.text(), want) {
		t.Errorf("told %q, want %q", told.text(), want)
	}
	if tree(t, dir) != "a: 2" {
		t.Errorf("got %s", tree(t, dir))
	}
}

// An update that fails leaves what was there.
func TestUpdateFails(t *testing.T) {
	web := newSite(t)
	source := web.put("lab.zip", zipped(t, entry{name: "a", content: "1"}))
	s := New(t.TempDir())
	dir := install(t, s, "lab", source, false)
	web.put("lab.zip", zipped(t, entry{name: "a", content: "2"}))
	if _, err := s.Install(t.Context(), "lab", source, Options{Update: true}); err == nil {
		t.Error("the checksum is right")
	}
	checkStore(t, s, "lab", source, dir)
	if tree(t, dir) != "a: 1" {
		t.Errorf("got %s", tree(t, dir))
	}
}

// Ten modules of one repository are one download in one run; each call has files of its own.
func TestPackageIsDownloadedOnce(t *testing.T) {
	web := newSite(t)
	source := web.put("lab.zip", zipped(t, entry{name: "a/x", content: "1"}, entry{name: "b/y", content: "../a/x", kind: '2', mode: 0o120777}))
	in := func(folder string) string { return strings.Replace(source, "?", "//"+folder+"?", 1) }
	s := New(t.TempDir())
	install(t, s, "one", in("a"), false)
	dir := install(t, s, "two", in("b"), false)
	if web.asked.Load() != 1 {
		t.Errorf("it was downloaded %d times", web.asked.Load())
	}
	if got := tree(t, filepath.Join(s.dir(), "two")); got != "a/x: 1, b/y -> ../a/x" || filepath.Base(dir) != "b" {
		t.Errorf("got %s in %s", got, dir)
	}
	m, err := s.Modules()
	if err != nil || len(m) != 2 || m[0].Digest == "" || m[0].Digest != m[1].Digest {
		t.Errorf("got %+v, %v", m, err)
	}
	if err := os.RemoveAll(filepath.Join(s.dir(), "two")); err != nil {
		t.Fatal(err)
	}
	if install(t, s, "three", in("a"), false); web.asked.Load() != 2 {
		t.Errorf("it was downloaded %d times", web.asked.Load())
	}
}

func TestPrune(t *testing.T) {
	s := New(t.TempDir())
	if removed, err := s.Prune(t.Context(), func(string) bool { return false }, Options{}); err != nil || removed != nil {
		t.Errorf("of nothing: %v, %v", removed, err)
	}
	if _, err := os.Stat(s.dir()); err == nil {
		t.Error("it has made a folder")
	}
	web := newSite(t)
	source := web.put("lab.zip", zipped(t, entry{name: "a", content: "1"}))
	kept := install(t, s, "lab", source, false)
	gone := install(t, s, "lab.net", source, false)
	removed, err := s.Prune(t.Context(), func(key string) bool { return key == "lab" }, Options{})
	if err != nil || fmt.Sprint(removed) != "[lab.net]" {
		t.Errorf("got %v, %v", removed, err)
	}
	checkStore(t, s, "lab", source, kept)
	if _, ok := s.Installed("lab.net", source); ok {
		t.Error("it is still on record")
	}
	if _, err := os.Stat(gone); err == nil {
		t.Error("its folder is still there")
	}
}

func TestKeys(t *testing.T) {
	web := newSite(t)
	source := web.put("lab.zip", zipped(t, entry{name: "a", content: "1"}))
	s := New(t.TempDir())
	for _, key := range []string{"lab", "modules.json", strings.Repeat("long.", 100) + "a", "ü-_", strings.Repeat("ü", 127)} {
		if dir := install(t, s, key, source, false); tree(t, dir) != "a: 1" {
			t.Errorf("%s: got %s", key, tree(t, dir))
		}
	}
	for _, key := range []string{"", ".", "..", ".lock", "a..b", "a/b", "a.", `a\b`, "a\x00"} {
		if _, err := s.Install(t.Context(), key, source, Options{}); err == nil || !strings.Contains(err.Error(), "bug") {
			t.Errorf("%q: got %v", key, err)
		}
	}
	if _, err := s.Install(t.Context(), "lab", "./lab", Options{}); err == nil || !strings.Contains(err.Error(), "bug") {
		t.Errorf("got %v", err)
	}
}

func TestManifestIsDamaged(t *testing.T) {
	web := newSite(t)
	source := web.put("lab.zip", zipped(t, entry{name: "a", content: "1"}))
	for _, text := range []string{
		"", "{", `{"modules":[]} x`, `{"modules":[{"key":"lab","source":"x","dir":".diyform/modules/lab","more":1}]}`,
		`{"modules":[{"key":"lab","source":"` + source + `","dir":"../outside"}]}`,
		`{"modules":[{"key":"lab","source":"` + source + `","dir":".diyform/modules/lab/../../.."}]}`,
		`{"modules":[{"key":"lab","dir":".diyform/modules/lab"},{"key":"lab","dir":".diyform/modules/lab"}]}`,
	} {
		root := t.TempDir()
		write(t, filepath.Join(root, ".diyform/modules", manifestFile), text)
		s := New(root)
		if _, ok := s.Installed("lab", source); ok {
			t.Errorf("%q: it is installed", text)
		}
		if _, err := s.Modules(); err == nil {
			t.Errorf("%q: no error", text)
		}
		var told logged
		dir, err := s.Install(t.Context(), "lab", source, told.options(false))
		if err != nil || !strings.Contains(told.text(), "downloaded again") {
			t.Errorf("%q: %v, told %q", text, err, told.text())
			continue
		}
		checkStore(t, s, "lab", source, dir)
	}
}

func TestResolve(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "modules/lab/a"), "1")
	s := New(root)
	for _, c := range []struct{ from, path, want, err string }{
		{root, "./modules/lab", filepath.Join(root, "modules/lab"), ""},
		{filepath.Join(root, "modules/lab"), "../..", root, ""},
		{root, filepath.Join(root, "modules"), filepath.Join(root, "modules"), ""},
		{root, "./modules/lba", "", `Did you mean "./modules/lab"?`},
		{root, "./modules/lab/a", "", "it is a file"},
		{root, "./modules/lab/a/b", "", "not a directory"},
		{root, "./elsewhere/lab", "", `There is no folder "./elsewhere/lab".`},
	} {
		got, err := s.Resolve(c.from, Source{Kind: Local, Path: c.path})
		if c.err == "" && (got != c.want || err != nil) {
			t.Errorf("%s from %s: got %s, %v", c.path, c.from, got, err)
		} else if c.err != "" {
			wantProblem(t, err, "Module folder not found", c.err)
		}
	}
}

// Two commands at once: one downloads, and the other waits for it and finds it there.
func TestTwoAtOnce(t *testing.T) {
	web := newSite(t)
	content := zipped(t, entry{name: "a", content: "1"})
	source := web.put("lab.zip", content)
	root := t.TempDir()
	waiting := make(chan struct{})
	web.answer(func(w http.ResponseWriter, _ *http.Request) {
		<-waiting
		_, _ = w.Write(content)
	})
	var once sync.Once
	o := Options{Log: func(line string) {
		if strings.Contains(line, "Waiting") {
			once.Do(func() { close(waiting) })
		}
	}}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := New(root).Install(context.Background(), "lab", source, o); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if web.asked.Load() != 1 {
		t.Errorf("it was downloaded %d times", web.asked.Load())
	}
}

func TestWaitIsInterrupted(t *testing.T) {
	s := New(t.TempDir())
	held, err := s.lock(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	ctx, cancel := context.WithCancel(t.Context())
	_, err = New(s.root).Install(ctx, "lab", aTarball, Options{Log: func(string) { cancel() }})
	if err == nil || !strings.Contains(err.Error(), "wait for the lock") {
		t.Errorf("got %v", err)
	}
}

// A command that is killed at any step leaves the former module, the new one or none, and never
// a part of one; the next command has what it wants and nothing is left over.
func TestKilled(t *testing.T) {
	r := newRepository(t)
	r.commit("a: 1", "b: 1")
	for _, update := range []bool{false, true} {
		for n := 1; ; n++ {
			s := New(t.TempDir())
			if update {
				install(t, s, "lab", r.source(""), false)
			}
			want := r.commit(fmt.Sprintf("a: %d%v", n, update), fmt.Sprintf("b: %d%v", n, update))
			killed := runKilled(t, fmt.Sprintf("%s lab %s update", s.root, r.source("")), n)
			if dir, ok := New(s.root).Installed("lab", r.source("")); ok {
				checkWhole(t, dir)
			}
			dir := install(t, s, "lab", r.source(""), true)
			if m, err := s.Modules(); err != nil || m[0].Commit != want || tree(t, dir) != fmt.Sprintf("a: %d%v, b: %d%v", n, update, n, update) {
				t.Errorf("step %d: got %+v, %v: %s", n, m, err, tree(t, dir))
			}
			if !killed {
				if n < 5 {
					t.Errorf("there are only %d steps", n-1)
				}
				break
			}
		}
	}
}

// checkWhole wants both files from one commit.
func checkWhole(t *testing.T, dir string) {
	t.Helper()
	a, b, ok := strings.Cut(tree(t, dir), ", ")
	if !ok || strings.TrimPrefix(a, "a: ") != strings.TrimPrefix(b, "b: ") {
		t.Errorf("got %s", tree(t, dir))
	}
}

// runKilled runs a command that is killed at its nth step, and says whether it was.
func runKilled(t *testing.T, spec string, n int) bool {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), installAs+"="+spec, fmt.Sprintf("DIYFORM_FAILPOINT=%d", n))
	out, err := cmd.CombinedOutput()
	if err != nil && err.Error() != "signal: killed" {
		t.Fatalf("%v: %s", err, out)
	}
	return err != nil
}

// One that is killed within a download leaves what the next one removes.
func TestKilledWithinDownload(t *testing.T) {
	web := newSite(t)
	content := zipped(t, entry{name: "a", content: "1"})
	source := web.put("lab.zip", content)
	root := t.TempDir()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), installAs+"="+root+" lab "+source)
	begun := make(chan struct{})
	web.answer(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(content[:10])
		w.(http.Flusher).Flush()
		close(begun)
		<-r.Context().Done()
	})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := errors.Join(cmd.Process.Kill(), cmd.Wait()); err == nil || err.Error() != "signal: killed" {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(root, ".diyform/modules", tempPrefix+"*")); len(left) != 1 {
		t.Errorf("left %v", left)
	}
	web.answer(nil)
	if dir := install(t, New(root), "lab", source, false); tree(t, dir) != "a: 1" {
		t.Errorf("got %s", tree(t, dir))
	}
}
