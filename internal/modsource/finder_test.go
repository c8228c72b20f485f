package modsource

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestFinder(t *testing.T) {
	web := newSite(t)
	source := web.put("lab.zip", zipped(t, entry{name: "lab/a", content: "1"}, entry{name: "net/b", content: "2"}))
	in := func(folder string) string { return strings.Replace(source, "?", "//"+folder+"?", 1) }
	root := t.TempDir()
	write(t, filepath.Join(root, "modules/own/c"), "3")
	var told logged
	f := New(root).Finder(t.Context(), told.options(false))
	find := func(caller, key, source, want string) string {
		t.Helper()
		dir, err := f.Folder(caller, key, source)
		if err != nil || tree(t, dir) != want {
			t.Fatalf("%s: got %s, %v; want %s", key, dir, err, want)
		}
		return dir
	}
	find(root, "own", "./modules/own", "c: 3")
	lab := find(root, "lab", in("lab"), "a: 1")
	net := find(lab, "lab.net", "../net", "b: 2")
	find(net, "lab.net.other", in("net"), "b: 2") // another module of the package does not call itself
	if _, err := f.Folder(lab, "lab.out", "../../../../modules/own"); err == nil || !strings.Contains(err.Error(), "leads out of its package") {
		t.Errorf("got %v", err)
	}
	for _, key := range []string{"lab.lab", "lab.net.lab"} {
		if _, err := f.Folder(net, key, in("lab")); err == nil || !strings.Contains(err.Error(), "Module calls itself") {
			t.Errorf("%s: got %v", key, err)
		}
	}
	if _, err := f.Folder(root, "bad", "modules/own"); err == nil || !strings.Contains(err.Error(), `"./modules/own"`) {
		t.Errorf("got %v", err)
	}
	if got := strings.Count(told.text(), "Downloading"); got != 1 || web.asked.Load() != 1 {
		t.Errorf("%d downloads were told of, %d were made: %s", got, web.asked.Load(), told.text())
	}
}

func TestFinderOffline(t *testing.T) {
	web := newSite(t)
	source := web.put("lab.zip", zipped(t, entry{name: "a", content: "1"}))
	s := New(t.TempDir())
	if _, err := s.Finder(t.Context(), Options{Offline: true}).Folder(s.root, "lab", source); err == nil || !strings.Contains(err.Error(), "diyform get") || web.asked.Load() != 0 {
		t.Errorf("got %v, asked %d times", err, web.asked.Load())
	}
	want := install(t, s, "lab", source, false)
	if dir, err := s.Finder(t.Context(), Options{Offline: true}).Folder(s.root, "lab", source); dir != want || err != nil {
		t.Errorf("got %s, %v", dir, err)
	}
}

func TestDisplay(t *testing.T) {
	for source, want := range map[string]string{
		"./lab": "./lab", "github.com/a/b": "github.com/a/b", "nonsense": "nonsense",
		"git::https://u:secret@example.com/lab.git//a": "git::https://u:xxxxx@example.com/lab.git//a",
	} {
		if got := Display(source); got != want {
			t.Errorf("%s: got %s", source, got)
		}
	}
}
