package launch

import (
	"context"
	"errors"
	"slices"
	"syscall"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/pidfd"
)

// holder is a process in a network namespace, and where the container has a user namespace, in
// that to which the network belongs. A container enters them by it, as it enters those of
// another container. It does nothing, and ends when it is closed or this process dies.
type holder struct {
	process *pidfd.Process
	child   *fork.Child
}

// keepNetwork makes the holder of a network namespace that was the container's own before. It
// gives nil where the container cannot go on with it, and gets a new one: the namespace may
// belong to somebody else by now, or to a user namespace with other ids, which the container's
// files are not owned by. Who joins another container's namespaces always gets a new one: it
// belongs to that one's user namespace, which may be another than before.
func keepNetwork(ctx context.Context, spec Spec, network *netns.Namespace, ids idMaps) (*holder, error) {
	if network == nil || !spec.own(kindNetwork) || len(spec.Namespaces.Join) > 0 {
		return nil, nil
	}
	h, err := hold(ctx, spec, network)
	// EINVAL: the user namespace is the one that this process is in.
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL) {
		return nil, nil
	}
	if err != nil || spec.keeps(kindUser) {
		return h, err
	}
	has, err := IDsOf(h.process.PID)
	if err != nil || !ids.equal(has) {
		h.close()
		return nil, err
	}
	return h, nil
}

func (m idMaps) equal(o IDs) bool {
	return slices.Equal(m.uids, o.UIDs) && slices.Equal(m.gids, o.GIDs) && m.dropGroups == o.SetGroups
}

func hold(ctx context.Context, spec Spec, network *netns.Namespace) (*holder, error) {
	owner, err := network.Owner()
	if err != nil {
		return nil, err
	}
	defer owner.Close()
	p, err := fork.New()
	if err != nil {
		return nil, err
	}
	defer p.Close()
	userFD, networkFD := p.Keep(owner), p.Keep(network.File())
	// The user namespace first: it gives the privilege for the other.
	if spec.own(kindUser) {
		p.Enter(userFD, fork.User)
	}
	p.Enter(networkFD, fork.Network)
	p.Dumpable() // who owns the user namespace, and is not root, may look at it
	p.Ready()
	p.Receive("wait for the end of its use", 0)
	child, err := p.Start(0)
	if err != nil {
		return nil, err
	}
	process, err := pidfd.New(child.PID, child.PidFD)
	if err != nil {
		child.Close() // ends the process
		return nil, err
	}
	h := &holder{process, child}
	if err := child.Ready(ctx); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *holder) close() {
	reap(h.child, h.process)
	h.process.Close()
}
