package netns

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/rtnl"
)

// Publish gives a name to a namespace that exists without one: a container's own. Its lo
// comes up and carries the mark before the name is there. fs.ErrExist says that the name
// is taken.
func Publish(ctx context.Context, n *Namespace, spec Spec) error {
	path, err := Path(spec.Name)
	if err != nil {
		return err
	}
	if err := prepareDir(); err != nil {
		return err
	}
	route, err := n.Route()
	if err != nil {
		return err
	}
	up := true
	change := rtnl.LinkChange{Up: &up, Alias: &spec.Mark}
	if err := route.Do(ctx, rtnl.SetLink(rtnl.ByIndex(loopbackIndex), change)); err != nil {
		return fmt.Errorf("mark %s: %w", n, err)
	}
	failpoint.Hit("netns.link.before")
	if err := linkMarked(path, spec.Mark); err != nil {
		return fmt.Errorf("name network namespace %q: %w", spec.Name, err)
	}
	failpoint.Hit("netns.link.after")
	source := fmt.Sprintf("/proc/thread-self/fd/%d", n.FD())
	failpoint.Hit("netns.mount.before")
	err = mountError("mount network namespace on "+path, unix.Mount(source, path, "none", unix.MS_BIND, ""))
	failpoint.Hit("netns.mount.after")
	if err != nil {
		os.Remove(path) // ours: linked above, and nothing is mounted on it
		return err
	}
	return nil
}
