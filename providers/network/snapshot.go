package network

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

// snapshot is what was read of the kernel: every namespace once, whatever is in it.
type snapshot struct {
	session    *session
	namespaces map[string]*view
	names      []string // of all namespaces, where an import asks for them
}

// view is one network namespace as it was read. It is plain data: tests fill it in.
type view struct {
	name      string
	id        netns.ID
	links     []rtnl.Link
	addresses map[int][]rtnl.Address // by the link's index
	routes    []rtnl.Route
	sysctls   map[string]sysctlReading // by path below /proc/sys

	byName  map[string]*rtnl.Link // altnames too
	byAlias map[string][]*rtnl.Link
	byIndex map[int]*rtnl.Link
	byKey   map[routeKey]*rtnl.Route // filled when first asked for

	numbers map[int]string // names of namespaces, by the numbers that its links tell of; see loadPeers

	err  error  // it could not be read; noNamespace(err): there is none
	mark string // of a name that no namespace is mounted on: what its file says
}

func newSnapshot(k *session) *snapshot {
	return &snapshot{session: k, namespaces: map[string]*view{}}
}

// Load reads the namespaces that the places are in, on as many workers as there are
// processors.
func (s *snapshot) Load(ctx context.Context, places []providers.Place) error {
	places, err := s.loadNames(places)
	if err != nil {
		return err
	}
	if err := s.loadNamespaces(ctx, s.missing(places)); err != nil {
		return err
	}
	if err := s.loadPeers(ctx, places); err != nil {
		return err
	}
	return s.loadSysctls(ctx, places)
}

func (s *snapshot) loadNamespaces(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	s.session.set.Preopen(ctx, names)
	views := make([]*view, len(names))
	var workers sync.WaitGroup
	n := min(runtime.GOMAXPROCS(0), len(names))
	for w := range n {
		workers.Go(func() {
			for i := w; i < len(names); i += n {
				views[i] = s.session.read(ctx, names[i])
			}
		})
	}
	workers.Wait()
	for _, v := range views {
		s.namespaces[v.name] = v
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("read network namespaces: %w", err)
	}
	return nil
}

// missing names the namespaces of the places that were not read yet, each once.
func (s *snapshot) missing(places []providers.Place) []string {
	var names []string
	seen := map[string]bool{}
	for _, p := range places {
		name := p.Namespace
		if p.Kind == providers.NetworkNamespace("").Kind {
			name = p.Name
		}
		if !seen[name] && s.namespaces[name] == nil {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// read lists what is in a namespace.
func (k *session) read(ctx context.Context, name string) *view {
	v := &view{name: name}
	ns, err := k.set.Get(name)
	if err != nil {
		v.err = err
		if errors.Is(err, netns.ErrNotNamespace) {
			pin, lookupErr := netns.Lookup(name)
			v.mark, v.err = pin.Mark, errors.Join(err, lookupErr)
		}
		return v
	}
	v.id = ns.ID()
	conn, err := ns.Route()
	if err != nil {
		v.err = err
		return v
	}
	var addresses []rtnl.Address
	if v.links, err = conn.Links(ctx); err == nil {
		if addresses, err = conn.Addresses(ctx); err == nil {
			v.routes, err = conn.Routes(ctx)
		}
	}
	if err != nil {
		v.err = fmt.Errorf("read %s: %w", ns, err)
		return v
	}
	v.index(addresses)
	return v
}

// index makes links and addresses easy to find.
func (v *view) index(addresses []rtnl.Address) {
	v.byName = make(map[string]*rtnl.Link, len(v.links))
	v.byIndex = make(map[int]*rtnl.Link, len(v.links))
	v.byAlias = map[string][]*rtnl.Link{}
	v.addresses = make(map[int][]rtnl.Address, len(v.links))
	for i := range v.links {
		l := &v.links[i]
		v.byName[l.Name], v.byIndex[l.Index] = l, l
		for _, alt := range l.AltNames {
			v.byName[alt] = l
		}
		if l.Alias != "" {
			v.byAlias[l.Alias] = append(v.byAlias[l.Alias], l)
		}
	}
	for _, a := range addresses {
		v.addresses[a.Index] = append(v.addresses[a.Index], a)
	}
}

// namespace gives what was read of a namespace, nil when there is none of that name.
func (s *snapshot) namespace(name string) (*view, error) {
	v := s.namespaces[name]
	switch {
	case v == nil || noNamespace(v.err):
		return nil, nil
	case v.err != nil:
		return nil, v.err
	}
	return v, nil
}

// checkNamespace gives the namespace in which something is to be made. It is nil without
// error where the plan makes it first, or anew, or where its name is not known yet.
func (s *snapshot) checkNamespace(name string, unknown schema.Unknown, vacated, promised map[providers.Place]bool) (*view, error) {
	place := providers.NetworkNamespace(name)
	if unknown.Has("namespace") || vacated[place] && promised[place] {
		return nil, nil
	}
	v, err := s.namespace(name)
	if v == nil && err == nil && !promised[place] {
		err = namespaceError(name, s.missingError(name))
	}
	return v, err
}

func (s *snapshot) missingError(name string) error {
	if v := s.namespaces[name]; v != nil {
		return v.err
	}
	return errors.New("it was not read, which is a bug")
}

// link gives the link of a name or altname, or nil.
func (v *view) link(name string) *rtnl.Link { return v.byName[name] }

// linkName gives the name of the link with that index, or "".
func (v *view) linkName(index int) string {
	if l := v.byIndex[index]; l != nil {
		return l.Name
	}
	return ""
}

// route gives the route of a key that the kernel prefers, or nil.
func (v *view) route(k routeKey) *rtnl.Route {
	if v.byKey == nil {
		v.byKey = indexRoutes(v.routes)
	}
	return v.byKey[k]
}
