package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/rtnl"
)

// Spec is a namespace to be made.
type Spec struct {
	Name string
	Mark string // the owner mark, at most 255 bytes; "" for none
}

// create makes one namespace. It leaves the calling thread, which must be locked, inside.
func create(ctx context.Context, spec Spec) (*Namespace, error) {
	path, err := Path(spec.Name)
	if err != nil {
		return nil, err
	}
	failpoint.Hit("netns.link.before")
	if err := linkMarked(path, spec.Mark); err != nil {
		return nil, fmt.Errorf("name network namespace %q: %w", spec.Name, err)
	}
	failpoint.Hit("netns.link.after")
	n, err := unshare(ctx, spec)
	if err == nil {
		failpoint.Hit("netns.mount.before")
		err = mountError("mount network namespace on "+path, unix.Mount(ownPath, path, "none", unix.MS_BIND, ""))
		failpoint.Hit("netns.mount.after")
	}
	if err != nil {
		if n != nil {
			n.Close()
		}
		os.Remove(path) // ours: linked above, and nothing is mounted on it
		return nil, fmt.Errorf("create network namespace %q: %w", spec.Name, err)
	}
	return n, nil
}

// Unnamed makes a namespace that has no name and is gone with its last handle. lo is up.
func Unnamed(ctx context.Context) (n *Namespace, err error) {
	err = onThread(func() (err error) {
		n, err = unshare(ctx, Spec{})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("create network namespace: %w", err)
	}
	return n, nil
}

// unshare makes a namespace with lo up and marked, which has no name yet and is gone with
// its last handle.
func unshare(ctx context.Context, spec Spec) (*Namespace, error) {
	failpoint.Hit("netns.unshare.before")
	if err := mountError("unshare", unix.Unshare(unix.CLONE_NEWNET)); err != nil {
		return nil, err
	}
	failpoint.Hit("netns.unshare.after")
	f, err := os.Open(ownPath)
	if err != nil {
		return nil, fmt.Errorf("open own network namespace: %w", err)
	}
	n, err := newNamespace(spec.Name, f)
	if err != nil {
		return nil, err
	}
	if n.route, err = rtnl.Open(); err != nil {
		n.Close()
		return nil, err
	}
	if err := allowPing(); err != nil {
		n.Close()
		return nil, err
	}
	up := true
	change := rtnl.LinkChange{Up: &up}
	if spec.Mark != "" {
		change.Alias = &spec.Mark
	}
	if err = n.route.Do(ctx, rtnl.SetLink(rtnl.ByIndex(loopbackIndex), change)); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// allowPing lets everybody in the calling thread's new namespace send ICMP echo requests
// without raw sockets (icmp(7), ping_group_range), as podman and systemd do: a container in
// it has no CAP_NET_RAW there. In a user namespace only groups that exist in it can be named.
func allowPing() error {
	const file = "/proc/sys/net/ipv4/ping_group_range"
	var err error
	for _, groups := range []string{"0 2147483647", "0 65535", "0 0"} {
		if err = os.WriteFile(file, []byte(groups), 0); !errors.Is(err, unix.EINVAL) {
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EROFS) || errors.Is(err, fs.ErrPermission) {
		return nil // a kernel or a container without it: ping is no condition for a namespace
	}
	if err != nil {
		return fmt.Errorf("allow ping: %w", err)
	}
	return nil
}

// loopbackIndex is lo's in every network namespace (LOOPBACK_IFINDEX).
const loopbackIndex = 1
