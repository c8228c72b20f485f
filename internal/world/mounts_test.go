package world

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestWhatIsKeptOfCoveredFolders(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	k := &Kind{Folders: []Folder{{Path: dir}, {Path: "/run"}}}
	at := func(names ...string) (paths []string) {
		for _, name := range names {
			paths = append(paths, filepath.Join(dir, name))
		}
		return paths
	}
	for _, test := range []struct{ keep, want []string }{
		{nil, nil},
		{[]string{"/home/ann/lab", dir + "-other/x"}, nil},
		{at("b/lab/x.hcl", "b/modules", "a"), at("a", "b")},
		{at("c/not-there"), at("c")}, // whoever opens it says so
		{[]string{dir}, at("a", "b")},
	} {
		got, err := k.covered(test.keep)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%v: %v, %v; want %v", test.keep, got, err, test.want)
		}
	}
}
