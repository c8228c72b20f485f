package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/providers/container/launch"
)

// A container's own network namespace, where it has a name, outlives its runs by that, with the
// links that others have made in it, and the next run goes on with it.

// networkOf opens the network namespace that a process is in.
func networkOf(pid int) (*netns.Namespace, error) {
	return netns.OpenPath(fmt.Sprintf("/proc/%d/ns/net", pid))
}

// lastNetwork opens the network namespace of the last run, or gives nil where there was no run,
// or the name does not mean that namespace.
func (c *container) lastNetwork() (*netns.Namespace, error) {
	r, _ := c.look()
	if r.Lasting == "" {
		return nil, nil
	}
	ns, err := netns.Open(r.Spec.Network.Name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, netns.ErrNotNamespace) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lasting, err := ns.Lasting()
	if err == nil && lasting == r.Lasting {
		return ns, nil
	}
	return nil, errors.Join(err, ns.Close())
}

// publish gives the container's own network namespace its name, unless a run before has done
// so.
func (c *container) publish(ctx context.Context, p *pidfd.Process) error {
	n := c.status().Spec.Network
	if n.Name == "" {
		return nil
	}
	ns, err := networkOf(p.PID)
	if err != nil {
		return err
	}
	defer ns.Close()
	if done, err := c.published(ns.ID()); done || err != nil {
		return err
	}
	return netns.Publish(ctx, ns, netns.Spec{Name: n.Name, Mark: n.Mark})
}

// published reports whether the container's name means a network namespace.
func (c *container) published(id netns.ID) (bool, error) {
	name := c.status().Spec.Network.Name
	if name == "" {
		return false, nil
	}
	pin, err := netns.Lookup(name)
	return pin.Mounted && pin.ID == id, ignoreMissing(err)
}

// unpublishOther takes the name from the last run's network namespace, unless the container
// goes on with it.
func (c *container) unpublishOther(id netns.ID) error {
	if goesOn, err := c.published(id); goesOn || err != nil {
		return err
	}
	return c.unpublish()
}

// unpublish takes the name away, unless it means another namespace than the last run's.
func (c *container) unpublish() error {
	var id netns.ID
	ns, err := c.lastNetwork()
	if err != nil {
		return err
	}
	if ns != nil {
		defer ns.Close() // no other has the id meanwhile
		id = ns.ID()
	}
	return unpublish(c.status().Spec.Network, id)
}

func unpublish(n launch.Network, id netns.ID) error {
	if n.Name == "" {
		return nil
	}
	pin, err := netns.Lookup(n.Name)
	if err != nil {
		return ignoreMissing(err)
	}
	ours := pin.Mounted && pin.ID == id || !pin.Mounted && pin.Mark == n.Mark
	if !ours {
		return nil
	}
	var set netns.Set
	defer set.Close()
	return errors.Join(set.Delete([]string{pin.Name})...)
}
