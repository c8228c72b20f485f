package container

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container/image"
	"github.com/diyform/diyform/providers/container/launch"
	"github.com/diyform/diyform/providers/container/rootfs"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// spec is what the container is. What configuration leaves out is the image's.
func (k *session) spec(op *containerOp) (launch.Spec, error) {
	v := op.Planned
	root, defaults, err := k.root(v.RootImage)
	if err != nil {
		return launch.Spec{}, err
	}
	root.ReadOnly, root.Mounts, root.Devices = v.ReadOnly, v.mounts(k.env), v.devices()
	privileges, err := v.privileges(k.env)
	if err != nil {
		return launch.Spec{}, err
	}
	command, err := v.commandLine(defaults)
	if err != nil {
		return launch.Spec{}, err
	}
	signal, err := signalNumber(cmp.Or(v.StopSignal, defaults.StopSignal))
	if err != nil {
		return launch.Spec{}, err
	}
	env := map[string]string{}
	maps.Copy(env, defaults.Env)
	maps.Copy(env, v.Env)
	return launch.Spec{
		ID: v.ID, Root: root, Command: command, Env: env,
		WorkingDir: cmp.Or(v.WorkingDir, defaults.WorkingDir), User: cmp.Or(v.User, defaults.User),
		Hostname: v.Hostname, Domain: v.Domain, Network: k.network(op.Address, &v), Namespaces: v.namespaces(),
		BootTime: launch.BootTime(v.BootTime), IDMap: launch.IDMap(v.IDMap), Init: v.init(), Privileges: privileges,
		ResourceLimits: v.resourceLimits(), Sysctls: v.Sysctls, OOMScoreAdj: v.OOMScoreAdj, Stdin: v.Stdin,
		Data: dataFolder(k.env, v.ID), StopSignal: signal,
	}, nil
}

// dataFolder is where a container's writable layer and log are. A container lives as long as
// the boot, and what is left of earlier boots is swept.
func dataFolder(env providers.Env, id string) string {
	return filepath.Join(env.DataDir, "containers", env.BootID, env.Lineage, id)
}

// root gives what the image is, and what it says of how to run it.
func (k *session) root(id string) (rootfs.Spec, image.Config, error) {
	if strings.HasPrefix(id, image.Prefix) {
		img, err := k.images().Load(id)
		return rootfs.Spec{Layers: img.Layers}, img.Config, err
	}
	spec, err := imageSpec(id)
	// What diyform keeps of other containers and stacks is no container's business.
	spec.Hide = []string{k.env.DataDir, k.env.RuntimeDir}
	return spec, image.Config{}, err
}

func (k *session) images() *image.Store { return image.Below(k.env.DataDir) }

// commandLine joins entrypoint and command. An entrypoint of one's own takes the image's
// command away too, which was written for the image's entrypoint.
func (v *containerAttrs) commandLine(defaults image.Config) ([]string, error) {
	entrypoint, command := v.Entrypoint, v.Command
	if len(entrypoint) == 0 {
		entrypoint = defaults.Entrypoint
		if len(command) == 0 {
			command = defaults.Command
		}
	}
	line := slices.Concat(entrypoint, command)
	if len(line) == 0 {
		return nil, noCommand("The image has none of its own, so the command must have at least the program to run.")
	}
	return line, nil
}

// mounts lists those of folders before those below them, whatever order they are written in.
func (v *containerAttrs) mounts(env providers.Env) []rootfs.Mount {
	var list []rootfs.Mount
	for _, b := range v.Mounts {
		list = append(list, b.spec(env))
	}
	for _, b := range v.Volumes {
		list = append(list, b.spec(env))
	}
	slices.SortStableFunc(list, func(a, b rootfs.Mount) int { return cmp.Compare(a.Target, b.Target) })
	return list
}

func (v *containerAttrs) devices() []rootfs.Device {
	var list []rootfs.Device
	for _, b := range v.Devices {
		list = append(list, b.spec())
	}
	return list
}

func (v *containerAttrs) resourceLimits() []launch.ResourceLimit {
	var list []launch.ResourceLimit
	for _, b := range v.RLimits {
		list = append(list, b.spec())
	}
	return list
}

func (v *containerAttrs) privileges(env providers.Env) (launch.Privileges, error) {
	p := launch.Privileges{Privileged: v.Privileged}
	if v.Capabilities != nil {
		p.Add, p.Drop = plainNames(v.Capabilities.Add), plainNames(v.Capabilities.Drop)
	}
	var err error
	p.Seccomp, err = seccompText(env, v.Seccomp)
	return p, err
}

// plainNames gives capabilities without CAP_, in upper case.
func plainNames(names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
	}
	slices.Sort(out)
	return out
}

func (v *containerAttrs) namespaces() launch.Namespaces {
	if v.Namespaces == nil {
		return launch.Namespaces{}
	}
	return launch.Namespaces{Keep: v.Namespaces.Keep, Join: v.Namespaces.Join, Container: v.Namespaces.Container}
}

func (v *containerAttrs) init() launch.Init {
	switch {
	case v.Init == nil:
		return launch.InitAuto
	case *v.Init:
		return launch.InitYes
	}
	return launch.InitNo
}

// network says which network namespace a container is in.
func (k *session) network(a addr.Instance, v *containerAttrs) launch.Network {
	switch {
	case strings.HasPrefix(v.NetworkMode, joined):
		return launch.Network{Join: v.Network}
	case v.Network != "":
		return launch.Network{Name: v.Network, Mark: k.env.Mark(a)}
	}
	return launch.Network{}
}

// firstRealtime and lastRealtime are SIGRTMIN, as C libraries have it, and SIGRTMAX: signal(7).
const firstRealtime, lastRealtime = 34, 64

// signalNumber gives the number of a signal: "SIGTERM", "term", "15", "SIGRTMIN+3", as images
// and people write it; "" is SIGTERM.
func signalNumber(name string) (int, error) {
	if n := process.Signal(cmp.Or(name, "SIGTERM")); n != 0 {
		return n, nil
	}
	upper := strings.TrimPrefix(strings.ToUpper(name), "SIG")
	n, base := 0, 0
	switch {
	case strings.HasPrefix(upper, "RTMIN"):
		base = firstRealtime
	case strings.HasPrefix(upper, "RTMAX"):
		base = lastRealtime
	}
	var err error
	if rest := strings.TrimPrefix(strings.TrimPrefix(upper, "RTMIN"), "RTMAX"); rest != "" {
		n, err = strconv.Atoi(rest)
	}
	if n += base; err != nil || n < 1 || n > lastRealtime {
		return 0, unknownSignal(name)
	}
	return n, nil
}

// settings are how the container is kept.
func (v *containerAttrs) settings(a addr.Instance) supervisor.Settings {
	return supervisor.Settings{
		Limits: v.Limits.limits(), Restart: v.Restart.restart(), Health: v.HealthCheck.check(),
		Interfaces: v.Interfaces, Hosts: v.Hosts, DNS: v.DNS.dns(), Names: v.names(a), Log: v.LogBlock.log(),
		StopTimeout: durationOf(v.StopTimeout),
	}
}

// names are those by which other containers of the stack find this one, besides its host name.
func (v *containerAttrs) names(a addr.Instance) []string {
	names := []string{ownHostname(a)}
	if v.Domain != "" && v.Hostname != "" {
		names = append(names, v.Hostname+"."+v.Domain)
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == v.Hostname })
}
