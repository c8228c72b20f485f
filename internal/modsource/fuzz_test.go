package modsource

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// What is accepted is read again from its full form to the same, and is nothing that git, ssh or
// the file system take for something else.
func FuzzParse(f *testing.F) {
	for _, c := range parsed {
		f.Add(c.source)
	}
	for _, c := range refused {
		f.Add(c.source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		s, err := Parse(source)
		if err != nil {
			return
		}
		if !s.Remote() {
			if again, ok := parseLocal(s.Path); !ok || again != s {
				t.Fatalf("%q is %+v, which is read as %+v", source, s, again)
			}
		} else if again, err := Parse(s.canonical()); err != nil || again != s {
			t.Fatalf("%q is %+v; its full form %q is read as %+v, %v", source, s, s.canonical(), again, err)
		}
		if strings.HasPrefix(s.Ref, "-") || strings.HasPrefix(s.URL, "-") {
			t.Fatalf("%q can be taken for an option: %+v", source, s)
		}
		if s.Remote() && s.Subdir != "" && !filepath.IsLocal(s.Subdir) {
			t.Fatalf("%q leads out: %q", source, s.Subdir)
		}
		if s.Remote() == (s.URL == "") || s.Remote() == (s.Path != "") {
			t.Fatalf("%q is half of each: %+v", source, s)
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"modules":[{"key":"lab.net","source":"git::https://example.com/r.git//a","dir":".diyform/modules/lab.net/a","commit":"` + aCommit + `"}]}`))
	f.Add([]byte(`{"modules":[{"key":"lab","source":"https://example.com/r.zip","dir":".diyform/modules/lab","digest":"sha256:` + sha256Of + `"}]}`))
	f.Add([]byte(`{"modules":null}`))
	f.Add([]byte(`{"modules":[{"key":"..","dir":".diyform/modules/.."}]}`))
	f.Add([]byte(`{"modules":[{"key":"a","dir":".diyform/modules/a/../../.."}]} `))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeManifest(data)
		if err != nil {
			return
		}
		for _, x := range m.Modules {
			if !within(".diyform/modules", x.Dir) || x.Dir == ".diyform/modules" {
				t.Fatalf("module %q is in %q", x.Key, x.Dir)
			}
			if again := m.with(x); again.find(x.Key) < 0 || len(again.Modules) != len(m.Modules) {
				t.Fatalf("replaced by itself, %q makes %v of %v", x.Key, again, m)
			}
			if gone := m.without(x.Key); len(gone.Modules) != len(m.Modules)-1 || reflect.DeepEqual(gone, m) {
				t.Fatalf("without %q there is %v", x.Key, gone)
			}
			_ = x.version()
		}
	})
}
