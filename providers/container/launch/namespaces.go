package launch

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/fork"
)

// The kinds of namespaces that a container may share.
const (
	kindUser    = "user"
	kindPID     = "pid"
	kindNetwork = "network"
	kindIPC     = "ipc"
	kindUTS     = "uts"
	kindCgroup  = "cgroup"
	kindTime    = "time"
)

var kinds = map[string]fork.Namespaces{
	kindUser: fork.User, kindPID: fork.PID, kindNetwork: fork.Network, kindIPC: fork.IPC,
	kindUTS: fork.UTS, kindCgroup: fork.Cgroup, kindTime: fork.Time,
}

func (s Spec) keeps(kind string) bool { return slices.Contains(s.Namespaces.Keep, kind) }

func (s Spec) joins(kind string) bool {
	if kind == kindUser { // it owns those that are joined
		return len(s.Namespaces.Join) > 0
	}
	return slices.Contains(s.Namespaces.Join, kind)
}

// own reports whether the container has a namespace of this kind for itself.
func (s Spec) own(kind string) bool {
	if kind == kindNetwork && s.Network.Join != "" || kind == kindTime && s.BootTime == BootTimeHost {
		return false
	}
	return !s.keeps(kind) && !s.joins(kind)
}

// joined gives the kinds that are entered.
func (s Spec) joined() fork.Namespaces {
	var ns fork.Namespaces
	for kind, flag := range kinds {
		if s.joins(kind) {
			ns |= flag
		}
	}
	return ns
}

// made gives the kinds that are made together with the process, or right after it has joined
// others. A cgroup namespace comes when the process is in its group, a time namespace before
// the second child, and so does a pid namespace.
func (s Spec) made() fork.Namespaces {
	ns := fork.Mount
	for _, kind := range []string{kindUser, kindUTS, kindIPC, kindNetwork} {
		if s.own(kind) {
			ns |= kinds[kind]
		}
	}
	return ns
}

func (s Spec) validateNamespaces() error {
	var errs []error
	all := append(slices.Clone(s.Namespaces.Keep), s.Namespaces.Join...)
	for i, kind := range all {
		switch {
		case kind == "mount":
			errs = append(errs, errors.New("the mount namespace is always the container's own: its root is in it"))
		case kinds[kind] == 0:
			errs = append(errs, fmt.Errorf("there is no kind of namespaces %q%s", kind, suggest(kind, keysOf(kinds))))
		case slices.Contains(all[:i], kind):
			errs = append(errs, fmt.Errorf("the %s namespace is shared twice", kind))
		}
	}
	if (len(s.Namespaces.Join) > 0) != (s.Namespaces.Container != "") {
		errs = append(errs, errors.New("to join namespaces takes both their kinds and the container whose they are"))
	}
	if s.Namespaces.Container == s.ID && s.ID != "" {
		errs = append(errs, errors.New("a container cannot join itself"))
	}
	if s.keeps(kindUser) && len(s.Namespaces.Join) > 0 {
		errs = append(errs, errors.New("who joins another container's namespaces joins its user namespace, and cannot keep the host's"))
	}
	if (s.keeps(kindNetwork) || s.joins(kindNetwork)) && s.Network != (Network{}) {
		errs = append(errs, errors.New("a container is in one network namespace: a shared one, or one that is named"))
	}
	if (s.Hostname != "" || s.Domain != "") && !s.own(kindUTS) {
		errs = append(errs, errors.New("host and domain name are the uts namespace's, which is shared: leave them out, or give the container its own"))
	}
	if s.Init == InitYes && !s.own(kindPID) {
		errs = append(errs, errors.New("an init is the first process of a pid namespace, and this one, which is shared, has one"))
	}
	return errors.Join(errs...)
}

// checkShared tells what whoever runs this cannot share.
func (s Spec) checkShared() error {
	if s.keeps(kindUser) && os.Geteuid() != 0 {
		return errors.New(`keep the host's user namespace: only root may make a container without one of its own; leave "user" out`)
	}
	return nil
}

// suggest ends a message about a name that does not exist.
func suggest(name string, known []string) string {
	slices.Sort(known)
	if near := diag.Suggest(name, known); near != "" {
		return "." + near
	}
	return "; there are " + strings.Join(known, ", ")
}

func keysOf[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	return names
}
