package network

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
)

// session is the provider at work: the namespaces of one command's run, each opened once.
type session struct {
	env providers.Env
	set netns.Set
}

// Close closes the namespaces.
func (k *session) Close() error { return k.set.Close() }

// namespace gives an open namespace, "" being the host's. fs.ErrNotExist says that there is
// none of that name.
func (k *session) namespace(name string) (*netns.Namespace, error) { return k.set.Get(name) }

// route gives the namespace's rtnetlink socket.
func (k *session) route(namespace string) (*rtnl.Conn, error) {
	ns, err := k.set.Get(namespace)
	if err != nil {
		return nil, err
	}
	return ns.Route()
}

// noNamespace reports whether err says that nothing, or no namespace, has the name.
func noNamespace(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, netns.ErrNotNamespace)
}

// namespaceError says for people why a namespace could not be used.
func namespaceError(namespace string, err error) error {
	if !noNamespace(err) {
		return err
	}
	return &diag.Problem{
		Summary: "There is no such network namespace",
		Detail: fmt.Sprintf("Nothing in %s has the name %q, and no resource of the configuration makes it. "+
			"Make it with a network_namespace resource and refer to that one's name, or correct the name.", netns.Dir, namespace),
		Attribute: "namespace",
		Err:       err,
	}
}

// missingLink says for people that an interface does not exist.
func missingLink(namespace, name, attribute string) error {
	where := "on this machine"
	if namespace != "" {
		where = fmt.Sprintf("in the network namespace %q", namespace)
	}
	return &diag.Problem{
		Summary: "There is no such interface",
		Detail: fmt.Sprintf("There is no interface %q %s, and no resource of the configuration makes it. "+
			"Correct the name, or refer to the name of the resource that makes it.", name, where),
		Attribute: attribute,
	}
}
