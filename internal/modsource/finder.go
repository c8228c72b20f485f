package modsource

import (
	"context"
	"fmt"
	"strings"

	"github.com/diyform/diyform/internal/diag"
)

// Finder finds the folders of modules while a configuration is read, and downloads those that are
// not there. It is for one reading.
type Finder struct {
	store   *Store
	ctx     context.Context // of the command that reads; config knows none
	options Options
	calls   map[string]Source // what was asked for, by key
}

// Finder is one that installs with the options o.
func (s *Store) Finder(ctx context.Context, o Options) *Finder {
	return &Finder{store: s, ctx: ctx, options: o, calls: map[string]Source{}}
}

// Folder gives the folder of the module that a module in the folder from calls by its source.
// key is the path of calls.
func (f *Finder) Folder(from, key, source string) (string, error) {
	src, err := Parse(source)
	if err != nil {
		return "", err
	}
	if !src.Remote() {
		return f.store.Resolve(from, src)
	}
	if err := f.checkCircle(key, src); err != nil {
		return "", err
	}
	f.calls[key] = src
	if dir, ok := f.store.Installed(key, source); ok && !f.options.Update {
		return dir, nil
	}
	if f.options.Offline {
		return "", &diag.Problem{Summary: "Module is not downloaded", Detail: fmt.Sprintf("%s comes from %s, which `diyform get` downloads.", Called(key), src.pkgName())}
	}
	return f.store.Install(f.ctx, key, source, f.options)
}

// checkCircle refuses a module that calls itself by where it comes from. Each such call is a
// folder of its own, so that their folders do not tell.
func (f *Finder) checkCircle(key string, src Source) error {
	for above := key; ; {
		i := strings.LastIndexByte(above, '.')
		if i < 0 {
			return nil
		}
		above = above[:i]
		if f.calls[above] == src {
			return &diag.Problem{
				Summary: "Module calls itself",
				Detail:  fmt.Sprintf("%s comes from %s, as %s does, which it is called by: it would never end.", Called(key), src, Called(above)),
			}
		}
	}
}

// Display is a source for people: as it is written, unless that has a password in it.
func Display(source string) string {
	s, err := Parse(source)
	if err != nil || s.canonical() == s.String() {
		return source
	}
	return s.String()
}
