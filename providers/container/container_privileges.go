package container

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/capability"
)

func (c *validation) capabilities() {
	if c.Capabilities == nil || c.unknown.Has("capabilities") {
		return
	}
	for list, names := range map[string][]string{"add": c.Capabilities.Add, "drop": c.Capabilities.Drop} {
		at := "capabilities." + list
		for _, name := range plainNames(names) {
			if _, err := capability.Number(name); err != nil && name != "ALL" && name != "" {
				c.fail(at, "Unknown capability", "There is no capability %q.%s See capabilities(7).", name, diag.Suggest(name, capability.Names()))
			}
		}
	}
	for _, name := range plainNames(c.Capabilities.Add) {
		if name != "ALL" && slices.Contains(plainNames(c.Capabilities.Drop), name) {
			c.fail("capabilities", "Added and dropped", "The capability %s is in add and in drop. Remove it from one of them.", name)
		}
	}
	if c.Privileged {
		c.fail("capabilities", "A privileged container has all", "privileged gives all capabilities. Remove it, or the block.")
	}
}

// namespaceKinds are those that a container can share.
var namespaceKinds = []string{"cgroup", "ipc", "network", "pid", "time", "user", "uts"}

// shares checks the block namespaces against itself and what is set of those namespaces.
func (c *validation) shares() {
	b := c.Namespaces
	if b == nil || c.unknown.Has("namespaces") {
		return
	}
	for list, kinds := range map[string][]string{"keep": b.Keep, "join": b.Join} {
		for _, kind := range kinds {
			c.share("namespaces."+list, kind)
		}
	}
	for _, kind := range b.Join {
		if slices.Contains(b.Keep, kind) {
			c.fail("namespaces", "Kept and joined", "The %s namespace is in keep and in join. Remove it from one of them.", kind)
		}
	}
	named := b.Container != "" || c.unknown.Has("namespaces.container")
	switch {
	case len(b.Join) > 0 && !named:
		c.fail("namespaces.join", "Whose namespaces?", "Set container to the id of the container whose namespaces these are: container.NAME.id.")
	case len(b.Join) == 0 && b.Container != "" && !c.unknown.Has("namespaces.join"):
		c.fail("namespaces.container", "Which namespaces?", "Set join to the namespaces of that container to be in.")
	case b.Container != "" && b.Container == c.ID:
		c.fail("namespaces.container", "The container itself", "A container cannot join its own namespaces.")
	}
}

func (c *validation) share(at, kind string) {
	switch {
	case kind == "mount" || kind == "mnt":
		c.fail(at, "The mount namespace is its own", "A container's mount namespace has its root, so it is always its own. Use mount to show it folders of the host's.")
	case kind == "net":
		c.fail(at, "Unknown namespace", `The namespace is called "network" here.`)
	case !slices.Contains(namespaceKinds, kind) && kind != "":
		c.fail(at, "Unknown namespace", "%q is not a namespace.%s Those are %s.", kind,
			diag.Suggest(kind, namespaceKinds), strings.Join(namespaceKinds, ", "))
	case kind == "network" && c.NetworkMode == joined:
		c.fail(at, "Two networks", "The container is in network_namespace already. Remove it, or network from the list.")
	case kind == "uts" && (c.Hostname != "" || c.Domain != ""):
		c.fail(at, "Not its own host name", "hostname and domain belong to the uts namespace, which is not the container's own then. Remove them, or uts from the list.")
	case kind == "user" && at == "namespaces.keep" && os.Geteuid() != 0:
		c.fail(at, "Only root can keep it", "A container of an ordinary user has a user namespace of its own, which is what allows all others. Remove user from the list.")
	case kind == "user" && at == "namespaces.keep" && len(c.Namespaces.Join) > 0:
		c.fail(at, "Two user namespaces", "Who joins another container's namespaces joins its user namespace too, which owns them. Remove user from keep.")
	case kind == "pid" && c.Init != nil && *c.Init:
		c.fail(at, "An init of its own", "An init is the first process of a pid namespace, and that one, which is not the container's own, has one. Remove init, or pid from the list.")
	case kind == "user" && c.IDMap == "range":
		c.fail(at, "Not its own users", "id_map is that of a user namespace of the container's own. Remove it, or user from the list.")
	}
}

// warnPrivileged says aloud what a container may do to the machine.
func (v *containerAttrs) warnPrivileged() error {
	hostUsers := v.Namespaces != nil && slices.Contains(v.Namespaces.Keep, "user")
	var text string
	switch {
	case v.Privileged && hostUsers && os.Geteuid() == 0:
		text = "Its root is this machine's root: it can read and change everything here, devices and the kernel's settings included."
	case hostUsers && os.Geteuid() == 0:
		text = "Without a user namespace of its own, its root is this machine's root, held back only by what it lacks of capabilities, and by the system call filter."
	case v.Privileged:
		text = "It has all capabilities over its own namespaces, no system call filter, and nothing in /proc and /sys is hidden from it or read-only. " +
			"That reaches much of the kernel's code that is closed to other containers; on the machine itself it may still do only what its user namespace's owner may."
	default:
		return nil
	}
	return &diag.Problem{
		Summary: "A privileged container", Attribute: v.privilegedBy(), Warning: true,
		Detail: fmt.Sprintf("%s Run nothing in it that you do not trust.", text),
	}
}

// privilegedBy is the attribute that makes the container so.
func (v *containerAttrs) privilegedBy() string {
	if v.Privileged {
		return "privileged"
	}
	return "namespaces.keep"
}
