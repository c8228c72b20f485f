package network

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

// namesPlace has a snapshot list the names of network namespaces, to suggest one; peersPlace has
// it read all of them, to find the other ends of the links of one.
var namesPlace = providers.Place{Kind: "names of network namespaces"}

func peersPlace(namespace string) providers.Place {
	return providers.Place{Kind: "peers of links", Namespace: namespace}
}

// loadNames lists the namespaces where a place asks for that. It gives the places with those of
// all namespaces, where links' other ends are to be found.
func (s *snapshot) loadNames(places []providers.Place) ([]providers.Place, error) {
	for _, p := range places {
		if p.Kind != namesPlace.Kind && p.Kind != peersPlace("").Kind {
			continue
		}
		if s.names == nil {
			names, err := netns.List()
			if err != nil {
				return nil, err
			}
			s.names = names
		}
		if p.Kind == namesPlace.Kind {
			continue
		}
		for _, name := range s.names {
			places = append(places, providers.NetworkNamespace(name))
		}
		places = append(places, providers.NetworkNamespace(""))
	}
	return places, nil
}

// loadPeers learns by which numbers the links of a namespace tell of the others.
func (s *snapshot) loadPeers(ctx context.Context, places []providers.Place) error {
	for _, p := range places {
		v := s.namespaces[p.Namespace]
		if p.Kind != peersPlace("").Kind || v == nil || v.err != nil || v.numbers != nil {
			continue
		}
		conn, err := s.session.route(p.Namespace)
		if err != nil {
			return err
		}
		v.numbers = map[int]string{}
		for name, other := range s.namespaces {
			ns, err := s.session.namespace(name)
			if other.err != nil || err != nil {
				continue // it is gone, or was never there: nothing is to be found in it
			}
			number := -1
			if err := conn.Do(ctx, rtnl.GetNSID(ns.FD(), &number)); err != nil {
				return err
			}
			if number >= 0 {
				v.numbers[number] = name
			}
		}
	}
	return nil
}

// importNamespace gives the namespace that an object to be imported is in.
func (s *snapshot) importNamespace(name string) (*view, error) {
	ns, err := s.namespace(name)
	if ns != nil || err != nil {
		return ns, err
	}
	return nil, &diag.Problem{
		Summary: "There is no such network namespace",
		Detail:  fmt.Sprintf("Nothing in %s has the name %q.%s `ip netns` lists those that there are.", netns.Dir, name, diag.Suggest(name, s.names)),
	}
}

// importLink gives a link that is to be imported, of one kind.
func (s *snapshot) importLink(namespace, name, kind, typ string) (*view, *rtnl.Link, error) {
	ns, err := s.importNamespace(namespace)
	if err != nil {
		return nil, nil, err
	}
	l := ns.link(name)
	if l == nil {
		return nil, nil, &diag.Problem{
			Summary: "There is no such interface",
			Detail:  fmt.Sprintf("There is no interface %q %s.%s", name, where(namespace), ns.suggestLink(name, kind)),
		}
	}
	if l.Kind != kind {
		is := l.Kind
		if is == "" {
			is = "physical interface"
		}
		return nil, nil, &diag.Problem{
			Summary: "The interface is of another kind",
			Detail:  fmt.Sprintf("The interface %q %s is a %s, so it cannot become a %s.", name, where(namespace), is, typ),
		}
	}
	return ns, l, s.session.refuseForeign(l.Alias, fmt.Sprintf("The interface %q %s", name, where(namespace)))
}

func where(namespace string) string {
	if namespace == "" {
		return "on this machine"
	}
	return fmt.Sprintf("in the network namespace %q", namespace)
}

// suggestLink tells which links of a kind there are, or the one that was probably meant.
func (v *view) suggestLink(name, kind string) string {
	var all, same []string
	for i := range v.links {
		all = append(all, v.links[i].Name)
		if v.links[i].Kind == kind {
			same = append(same, v.links[i].Name)
		}
	}
	if hint := diag.Suggest(name, all); hint != "" {
		return hint
	}
	if len(same) == 0 {
		return fmt.Sprintf(" There is none of the kind %s.", kind)
	}
	slices.Sort(same)
	const most = 8
	more := ""
	if len(same) > most {
		same, more = same[:most], fmt.Sprintf(" and %d more", len(same)-most)
	}
	return fmt.Sprintf(" Of the kind %s there is %s%s.", kind, strings.Join(same, ", "), more)
}

// refuseForeign refuses what has the mark of another diyform state.
func (k *session) refuseForeign(mark, what string) error {
	if !strings.HasPrefix(mark, "diyform:") || strings.HasPrefix(mark, k.env.MarkPrefix()) {
		return nil
	}
	lineage, a, _ := strings.Cut(strings.TrimPrefix(mark, "diyform:"), ":")
	return &diag.Problem{
		Summary: "The object is another diyform state's",
		Detail: fmt.Sprintf("%s is %s of the state whose lineage begins with %s. Two states that manage one thing undo each other's changes: "+
			"let go of it there first, with a removed block and destroy = false.", what, a, lineage),
	}
}

// splitNamespace parts "[NAMESPACE/]REST".
func splitNamespace(id string) (namespace, rest string, err error) {
	namespace, rest, found := strings.Cut(id, "/")
	if !found {
		return "", id, nil
	}
	if namespace == "" {
		return "", "", errors.New("nothing stands before the slash; leave the slash out for the host's network namespace")
	}
	return namespace, rest, schema.CheckFormat("namespace", namespace)
}

// splitInterface reads "[NAMESPACE/]NAME".
func splitInterface(id string) (namespace, name string, err error) {
	if namespace, name, err = splitNamespace(id); err == nil {
		err = schema.CheckFormat("interface", name)
	}
	return namespace, name, err
}
