package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/cgroup"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container/userns"
)

// Check tells what this machine lacks for the container, before anything is made.
func (container) Check(s *snapshot, p *providers.Proposed[containerAttrs]) error {
	return errors.Join(
		checkNetwork(s, p),
		checkShared(s, p),
		checkSources(s.session.env, p),
		checkSeccomp(s.session.env, p),
		checkIDs(&p.Attrs),
		checkLimits(p.Attrs.Limits),
		p.Attrs.warnPrivileged(),
	)
}

// CheckUpdate does the same for what changes in place.
func (container) CheckUpdate(_ *snapshot, p *providers.Proposed[containerAttrs]) error {
	return checkLimits(p.Attrs.Limits)
}

func checkNetwork(s *snapshot, p *providers.Proposed[containerAttrs]) error {
	name := p.Attrs.Network
	if name == "" || p.Unknown.Has("network_namespace") {
		return nil
	}
	place := providers.NetworkNamespace(name)
	// A container that lost the name has nothing to vacate it from.
	exists := namespaceExists(name) && (!p.Vacated[place] || s.astray[ID(p.Address)])
	switch {
	case p.Attrs.NetworkMode == own && exists:
		return problem("network_namespace", "The network namespace exists already",
			"The container's own network namespace would be called %q, and there is one of that name that "+
				"diyform did not make. Rename the resource, or remove the namespace: ip netns delete %s.", name, name)
	case p.Attrs.NetworkMode == joined && !exists && !p.Promised[place]:
		return problem("network_namespace", "There is no such network namespace",
			"No network namespace is called %q, and no resource of the configuration makes it.", name)
	}
	return nil
}

// checkShared finds the container whose namespaces are to be joined, and the volumes.
func checkShared(s *snapshot, p *providers.Proposed[containerAttrs]) error {
	var errs []error
	if n := p.Attrs.Namespaces; n != nil && n.Container != "" && !p.Promised[containerPlace(n.Container)] {
		errs = append(errs, problem("namespaces.container", "There is no such container",
			"No container of the configuration has the id %q. Refer to one: container.NAME.id.", n.Container))
	}
	for i, v := range p.Attrs.Volumes {
		if v.Volume != "" && !p.Promised[volumePlace(v.Volume)] {
			errs = append(errs, problem(fmt.Sprintf("volume.%d.volume", i), "There is no such volume",
				"No volume of the configuration has the id %q. Refer to one: volume.NAME.id.", v.Volume))
		}
	}
	return errors.Join(errs...)
}

// checkSources finds what is mounted from the host.
func checkSources(env providers.Env, p *providers.Proposed[containerAttrs]) error {
	var errs []error
	for i, m := range p.Attrs.Mounts {
		at := fmt.Sprintf("mount.%d.source", i)
		if m.Type == "tmpfs" || m.Source == "" || p.Unknown.Has(at) {
			continue
		}
		path := absolute(env, m.Source)
		if p.Promised[volumePlace(filepath.Base(path))] && strings.HasPrefix(path, volumesFolder(env)+"/") {
			continue // it is made before
		}
		if _, err := os.Stat(path); err != nil {
			errs = append(errs, &diag.Problem{
				Summary: "There is nothing to mount", Attribute: at, Err: err,
				Detail: fmt.Sprintf("%s: %s Make it before, or use a volume, which diyform makes.", path, diag.Sentence(reason(err))),
			})
		}
	}
	for i, d := range p.Attrs.Devices {
		if d.Source != "" {
			errs = append(errs, checkDevice(fmt.Sprintf("device.%d.source", i), d.Source))
		}
	}
	return errors.Join(errs...)
}

func checkDevice(at, path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Mode()&os.ModeDevice != 0 {
		return nil
	}
	if err == nil {
		err = errors.New("it is not a device file")
	}
	return &diag.Problem{
		Summary: "The device is not there", Attribute: at, Err: err,
		Detail: fmt.Sprintf("%s: %s A driver that makes it may have to be loaded before.", path, diag.Sentence(reason(err))),
	}
}

func checkSeccomp(env providers.Env, p *providers.Proposed[containerAttrs]) error {
	if p.Unknown.Has("seccomp") {
		return nil
	}
	_, err := seccompText(env, p.Attrs.Seccomp)
	return err
}

// checkIDs asks whether this user has ids to give away.
func checkIDs(v *containerAttrs) error {
	if v.IDMap != "range" || !userns.Needed() {
		return nil
	}
	if _, err := userns.Range(); err != nil {
		return &diag.Problem{
			Summary: "There is no range of ids", Attribute: "id_map", Err: err,
			Detail: fmt.Sprintf("%s A range takes newuidmap and newgidmap (package uidmap) and an entry for this user in /etc/subuid "+
				"and /etc/subgid, as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER. "+
				"With id_map = \"auto\" the container does without.", diag.Sentence(err.Error())),
		}
	}
	return nil
}

// leastMemory is with how much, in bytes, a container was always seen to begin; with 256K none is.
const leastMemory = 1 << 20

// checkLimits asks whether this machine has control groups for the limits.
func checkLimits(b *limitsBlock) error {
	if b == nil {
		return nil
	}
	limits := b.limits()
	if err := limits.Validate(); err != nil {
		return problem("limits", "Invalid limits", "%s", diag.Sentence(err.Error()))
	}
	if limits.Memory != 0 && limits.Memory < leastMemory {
		return problem("limits", "Too little memory", "With memory = %q not even the container's first process can begin. Give it 1M or more.", b.Memory)
	}
	if err := cgroup.Supports(limits); err != nil {
		return &diag.Problem{
			Summary: "The limits cannot be held here", Attribute: "limits", Err: err, Detail: diag.Sentence(err.Error()),
		}
	}
	return nil
}
