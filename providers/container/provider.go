// Package container makes containers: processes in all eight namespaces, with a root of
// their own, as root and as an ordinary user.
//
// This folder has the resource types. How a container's process is made is in launch, what
// it sees as its root in rootfs; supervisor keeps containers while diyform is not there, and
// enter runs commands in them. Start with container.go.
package container

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// Provider gives the resource types of containers.
func Provider() providers.Provider {
	return providers.Assemble(providers.Parts[*snapshot, *session]{
		Name:      "container",
		Resources: []providers.Def[*snapshot, *session]{defineContainer(), defineRootImage(), defineVolume()},
		Open:      openSession,
		Snapshot:  newSnapshot,
	})
}

// session is the provider at work for one command.
type session struct {
	env    providers.Env
	client *supervisor.Client
	sweep  sync.Once
}

func openSession(env providers.Env) (*session, error) {
	return &session{env: env, client: supervisor.Connect(env.RuntimeDir)}, nil
}

// settleTimeout bounds the wait for a supervisor to end, which takes it some milliseconds.
const settleTimeout = 5 * time.Second

// Close waits until nothing is left of a stack whose last container is gone.
func (k *session) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	defer k.removeEmpty()
	return k.client.Settle(ctx)
}

// removeEmpty removes the folders above the last container's and the last volume's files,
// also if it was another command, a killed one, that removed those.
func (k *session) removeEmpty() {
	for _, last := range []string{filepath.Join(k.env.DataDir, "containers", k.env.BootID, k.env.Lineage), volumesFolder(k.env)} {
		for dir := last; len(dir) >= len(k.env.DataDir); dir = filepath.Dir(dir) {
			if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				break // there is more in it
			}
		}
	}
}

// snapshot is what the stack's supervisor knows.
type snapshot struct {
	session    *session
	loaded     bool
	containers map[string]supervisor.Status // by id
	astray     map[string]bool              // by id: its network's name does not mean its network
}

func newSnapshot(k *session) *snapshot { return &snapshot{session: k} }

// Load asks the supervisor once, if there can be anything to know.
func (s *snapshot) Load(ctx context.Context, _ []providers.Place) error {
	if s.loaded {
		return nil
	}
	list, err := s.session.client.List(ctx)
	if err != nil {
		return err
	}
	s.containers, s.astray = make(map[string]supervisor.Status, len(list)), map[string]bool{}
	for _, c := range list {
		s.containers[c.Spec.ID] = c
		if s.astray[c.Spec.ID], err = isAstray(c); err != nil {
			return err
		}
	}
	s.loaded = true
	return nil
}

// isAstray reports whether the name of a container's network namespace was taken away, or
// given to another one: then whatever is made under the name, the container does not see.
func isAstray(c supervisor.Status) (bool, error) {
	name := cmp.Or(c.Spec.Network.Name, c.Spec.Network.Join)
	if name == "" || c.Network == (netns.ID{}) {
		return false, nil
	}
	pin, err := netns.Lookup(name)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return pin.ID != c.Network, err
}

// namespaceExists reports whether a network namespace has the name.
func namespaceExists(name string) bool {
	_, err := netns.Lookup(name)
	return err == nil
}

// ID is the supervisor's name for the container of a resource.
func ID(a addr.Instance) string {
	const longest = 150
	return providers.ShortName(strings.NewReplacer("%", "%25", "/", "%2F").Replace(a.String()), longest)
}

// Find gives what the supervisor of the stack with that runtime folder knows of a recorded
// container. supervisor.ErrNotFound says that there is none.
func Find(ctx context.Context, runtimeDir string, recorded *providers.Object) (supervisor.Status, error) {
	return supervisor.Connect(runtimeDir).Inspect(ctx, RecordedID(recorded))
}

// RecordedID gives the supervisor's name for a recorded container.
func RecordedID(o *providers.Object) string {
	var identity containerIdentity
	if err := json.Unmarshal(o.Identity, &identity); err != nil || identity.ID == "" {
		return ID(o.Origin())
	}
	return identity.ID
}

// absolute gives the path of a folder that configuration names, relative to the working
// folder.
func absolute(env providers.Env, path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(env.Dir, path)
	}
	return filepath.Clean(path)
}

// isGone reports whether the supervisor has no such container any more.
func isGone(err error) bool { return errors.Is(err, supervisor.ErrNotFound) }
