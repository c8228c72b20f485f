package firewall

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/nft"
	"github.com/diyform/diyform/providers"
)

// session is the provider at work. It keeps no namespace open: one that is held would live
// on, with its links, after it was deleted.
type session struct {
	env providers.Env
}

func (k *session) Close() error { return nil }

// table is the one that all rules of this state are in.
func (k *session) table() nft.Table {
	lineage := strings.ReplaceAll(k.env.Lineage, "-", "")
	return nft.Table{Family: nft.INet, Name: "diyform_" + lineage[:8]}
}

// comment marks the rules of the resource at a.
func (k *session) comment(a addr.Instance) string {
	return providers.ShortName(k.env.Mark(a), nft.MaxComment)
}

// comments gives what the rules of the resource at a may be marked with, which the kernel may
// still know as another one.
func (k *session) comments(a, knownAs addr.Instance) []string {
	out := []string{k.comment(a)}
	if knownAs != (addr.Instance{}) && knownAs != a {
		out = append(out, k.comment(knownAs))
	}
	return out
}

// connect runs f with a socket in the namespace. fs.ErrNotExist says that there is none of
// that name.
func (k *session) connect(namespace string, f func(*nft.Conn) error) error {
	ns, err := open(namespace)
	if err != nil {
		return err
	}
	defer ns.Close()
	fd, err := ns.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("open nftables socket: %w", err)
	}
	conn, err := nft.New(fd)
	if err != nil {
		return err
	}
	defer conn.Close()
	return f(conn)
}

func open(namespace string) (*netns.Namespace, error) {
	if namespace == "" {
		return netns.Host()
	}
	return netns.Open(namespace)
}

// snapshot holds our table of each namespace.
type snapshot struct {
	session    *session
	namespaces map[string]*reading
}

type reading struct {
	rules nft.Ruleset
	err   error // fs.ErrNotExist: there is no such namespace
}

// Load lists our table in the namespaces among the places.
func (s *snapshot) Load(ctx context.Context, places []providers.Place) error {
	for _, p := range places {
		if p.Kind != providers.NetworkNamespace("").Kind || s.namespaces[p.Name] != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read nftables rules: %w", err)
		}
		r := &reading{}
		r.err = s.session.connect(p.Name, func(conn *nft.Conn) (err error) {
			r.rules, err = conn.List(ctx, s.session.table())
			return err
		})
		s.namespaces[p.Name] = r
	}
	return nil
}

// checkNamespace tells what stands in the way of making rules in the namespace.
func (s *snapshot) checkNamespace(namespace string, promised map[providers.Place]bool) error {
	r := s.namespaces[namespace]
	if r == nil || r.err == nil || promised[providers.NetworkNamespace(namespace)] {
		return nil
	}
	if errors.Is(r.err, fs.ErrNotExist) {
		return missingNamespace(namespace, r.err)
	}
	return r.err
}

// noNamespace reports whether err says that nothing, or no namespace, has the name.
func noNamespace(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, netns.ErrNotNamespace)
}

func missingNamespace(namespace string, err error) error {
	return &diag.Problem{
		Summary: "There is no such network namespace",
		Detail: fmt.Sprintf("Nothing in %s has the name %q, and no resource of the configuration makes it. "+
			"Make it with a network_namespace resource and refer to that one's name, or correct the name.", netns.Dir, namespace),
		Attribute: "namespace",
		Err:       err,
	}
}
