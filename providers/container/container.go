package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container/launch"
	"github.com/diyform/diyform/providers/container/supervisor"
	"github.com/diyform/diyform/providers/schema"
)

type containerAttrs struct {
	RootImage   string            `diy:"root_image,required,replace" doc:"Root file system to start from: the id of a root_image."`
	Command     []string          `diy:"command,required,replace" doc:"Program and its arguments. A name without a slash is looked up in the container's PATH."`
	Env         map[string]string `diy:"env,replace" doc:"Environment variables. PATH and HOME have values of their own when left out."`
	WorkingDir  string            `diy:"working_dir,replace" format:"path" doc:"Folder that the command starts in. Left out, it is the root."`
	Hostname    string            `diy:"hostname,optional,computed,replace" doc:"Host name: letters, digits and hyphens, and dots between its parts. Left out, it is made from the resource's name."`
	Network     string            `diy:"network_namespace,optional,computed,replace" format:"namespace" doc:"Network namespace to be in, which the container cannot change. Left out, it gets one of its own, which its root may configure. Made by root, that one has this name, by which other resources refer to it; an ordinary user's has none, and to refer to it is an error."`
	NetworkMode string            `diy:"network_mode,computed,replace" doc:"joined, where network_namespace was set, else own; with (lost) after it when the name was taken away from the network namespace that the container is in, which a plan repairs by replacing the container."`
	BootTime    string            `diy:"boot_time,replace" default:"zero" enum:"zero,host" doc:"Where the monotonic clock and the uptime count from: zero is the container's start, host the machine's."`
	IDMap       string            `diy:"id_map,replace" default:"auto" enum:"auto,single,range" doc:"Which users exist in the container: single is root alone, who is the user that runs diyform; range is 65536 ids that nobody else has; auto is a range where one can be had (newuidmap and an entry in /etc/subuid, or root), else single."`
	StopSignal  string            `diy:"stop_signal,replace" default:"SIGTERM" doc:"Signal that asks the command to end. A command without a handler for it is killed at once: the kernel drops such a signal to the first process of a container (pid_namespaces(7)), so there would be nothing to wait for. That goes for sleep, and for a shell without a trap."`
	StopTimeout int               `diy:"stop_timeout" default:"10" min:"0" max:"86400" unit:"seconds" doc:"How long the command may take to end after the signal, before it is killed. A command that ignores the signal, or has no handler for it, is not waited for."`
	PID         int               `diy:"pid,computed,volatile" doc:"Process id of the container's first process, on the host."`
	Status      string            `diy:"status,computed,replace" doc:"running, or else what a plan replaces: exited when the command has ended; creating, created or starting when an apply was interrupted before it ran; lost when it could not be run, or an interruption left that unknown. diyform ps has gone for a container that does not exist any more."`
	StartedAt   string            `diy:"started_at,computed,volatile" doc:"When the command was started, as RFC 3339 has it."`
	Log         string            `diy:"log,computed,volatile" doc:"File that has the command's output."`
}

// containerIdentity is by what a container is known again. The supervisor's record has the
// pidfs handle too.
type containerIdentity struct {
	ID        string `json:"id"`
	PID       int    `json:"pid,omitempty"`
	StartTime uint64 `json:"start_time,omitempty"` // clock ticks since boot, proc(5)
}

type (
	recordedContainer = providers.Recorded[containerAttrs, containerIdentity]
	containerOp       = providers.Op[containerAttrs, containerIdentity]
)

type container struct{}

func defineContainer() providers.Def[*snapshot, *session] {
	return providers.Define("container",
		"A process in namespaces of its own: user, mount, pid, network, ipc, uts, cgroup and time. It outlives diyform, "+
			"its output goes to a log file, and it may do no more than it needs.",
		container{})
}

// The network modes and the status of a container that is as it should be.
const (
	joined  = "joined"
	own     = "own"
	running = string(supervisor.Running)

	lost = " (lost)" // after joined or own
)

func (container) Derive(d *providers.Derivation) {
	if d.Config.GetAttr("hostname").IsNull() {
		d.Set("hostname", cty.StringVal(ownHostname(d.Address)))
	}
	d.Set("status", cty.StringVal(running))
	switch network := d.Config.GetAttr("network_namespace"); {
	case !network.IsKnown():
		d.Set("network_mode", cty.StringVal(joined))
	case !network.IsNull():
		d.Set("network_mode", cty.StringVal(joined))
	default:
		d.Set("network_mode", cty.StringVal(own))
		d.Set("network_namespace", ownName(d))
	}
}

// ownName is the name of the container's own network namespace. Only who may mount can name
// one.
func ownName(d *providers.Derivation) cty.Value {
	if os.Geteuid() != 0 {
		return cty.NullVal(cty.String)
	}
	return cty.StringVal(providers.ObjectName(d.Address))
}

func (container) Validate(v *containerAttrs, unknown schema.Unknown) error {
	if !unknown.Has("command") && (len(v.Command) == 0 || v.Command[0] == "") {
		return &diag.Problem{Summary: "There is no command", Attribute: "command",
			Detail: "The command must have at least the program to run."}
	}
	if v.Hostname != "" {
		if err := validateHostname(v.Hostname); err != nil {
			return err
		}
	}
	if !unknown.Has("root_image") && v.RootImage != "" {
		if _, err := imageSpec(v.RootImage); err != nil {
			return err
		}
	}
	if _, err := signalNumber(v.StopSignal); err != nil && !unknown.Has("stop_signal") {
		return err
	}
	for name := range v.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return &diag.Problem{Summary: "Invalid environment variable", Attribute: "env",
				Detail: fmt.Sprintf("%q cannot be the name of an environment variable.", name)}
		}
	}
	return nil
}

func signalNumber(name string) (int, error) {
	if n := process.Signal(name); n != 0 {
		return n, nil
	}
	return 0, &diag.Problem{Summary: "Unknown signal", Attribute: "stop_signal",
		Detail: fmt.Sprintf("%q is no signal. Write its name, as in SIGTERM or SIGINT.", name)}
}

func (container) Places(v *containerAttrs, unknown schema.Unknown) providers.Places {
	if v.Network == "" || unknown.Has("network_namespace") {
		return providers.Places{}
	}
	network := []providers.Place{providers.NetworkNamespace(v.Network)}
	if strings.HasPrefix(v.NetworkMode, joined) {
		return providers.Places{Uses: network}
	}
	return providers.Places{Holds: network}
}

func (container) Check(s *snapshot, p *providers.Proposed[containerAttrs]) error {
	name := p.Attrs.Network
	if name == "" || p.Unknown.Has("network_namespace") {
		return nil
	}
	place := providers.NetworkNamespace(name)
	// A container that lost the name has nothing to vacate it from.
	exists := namespaceExists(name) && (!p.Vacated[place] || s.astray[ID(p.Address)])
	switch {
	case p.Attrs.NetworkMode == own && exists:
		return &diag.Problem{Summary: "The network namespace exists already", Attribute: "network_namespace",
			Detail: fmt.Sprintf("The container's own network namespace would be called %q, and there is one of that name that "+
				"diyform did not make. Rename the resource, or remove the namespace: ip netns delete %s.", name, name)}
	case p.Attrs.NetworkMode == joined && !exists && !p.Promised[place]:
		return &diag.Problem{Summary: "There is no such network namespace", Attribute: "network_namespace",
			Detail: fmt.Sprintf("No network namespace is called %q, and no resource of the configuration makes it.", name)}
	}
	return nil
}

// Read gives what the supervisor knows. A container that it does not know, and that runs, is
// lost.
func (container) Read(s *snapshot, r *recordedContainer) (*recordedContainer, error) {
	out := *r
	out.Unfinished = false
	status, ok := s.containers[r.Identity.ID]
	if !ok {
		alive, err := s.session.isOrphan(r.Identity)
		if !alive || err != nil {
			return nil, err
		}
		out.Attrs.Status = string(supervisor.Lost)
		return &out, nil
	}
	out.Attrs.observe(status)
	if s.astray[status.Spec.ID] {
		out.Attrs.NetworkMode += lost
	}
	out.Identity = identityOf(status)
	return &out, nil
}

func identityOf(s supervisor.Status) containerIdentity {
	return containerIdentity{ID: s.Spec.ID, PID: s.PID, StartTime: s.StartTime}
}

// observe sets what the supervisor knows better.
func (v *containerAttrs) observe(s supervisor.Status) {
	v.Status, v.PID, v.Log = string(s.Phase), s.PID, s.Log
	v.StartedAt = ""
	if !s.StartedAt.IsZero() {
		v.StartedAt = s.StartedAt.UTC().Format(time.RFC3339)
	}
	if !s.Phase.Alive() {
		v.PID = 0
	}
}

// Prepare gives the id, by which a container that a crash left is found.
func (container) Prepare(_ context.Context, _ *session, op *containerOp) (containerIdentity, error) {
	if op.Prior != nil {
		return op.Prior.Identity, nil
	}
	return containerIdentity{ID: ID(op.Address)}, nil
}

// Apply works on all containers of the batch at once: most of the time of a start or stop is
// spent in waiting.
func (c container) Apply(ctx context.Context, k *session, action providers.Action, ops []*containerOp) {
	var wg sync.WaitGroup
	var mu sync.Mutex // Done and the like are not safe for concurrent use
	for _, op := range ops {
		wg.Go(func() {
			settle := c.one(ctx, k, action, op)
			mu.Lock()
			defer mu.Unlock()
			settle()
		})
	}
	wg.Wait()
}

// one carries out one operation and gives how to settle it.
func (container) one(ctx context.Context, k *session, action providers.Action, op *containerOp) func() {
	if action == providers.Delete {
		if err := k.remove(ctx, op.Prior); err != nil {
			return func() { op.Fail(err) }
		}
		return op.Gone
	}
	status, err := k.start(ctx, op)
	if err == nil && action == providers.Create {
		status = k.follow(ctx, status)
	}
	attrs := op.Planned
	attrs.observe(status)
	switch {
	case err != nil && status.Spec.ID != "":
		return func() { op.FailPartly(attrs, identityOf(status), err) }
	case err != nil:
		return func() { op.Fail(err) }
	}
	return func() {
		if !status.Phase.Alive() {
			op.Warn(endedAtOnce(op, status))
		}
		op.Done(attrs, identityOf(status))
	}
}

// atOnce is how long a command is watched after its start. Most that cannot run at all, for
// a wrong argument or a missing file, have ended by then.
const atOnce = 100 * time.Millisecond

// follow gives the status of a container that was just started, as it is a moment later.
func (k *session) follow(ctx context.Context, started supervisor.Status) supervisor.Status {
	ctx, cancel := context.WithTimeout(ctx, atOnce)
	defer cancel()
	ended, err := k.client.Wait(ctx, started.Spec.ID)
	if err != nil {
		return started // it runs, or the next command will see why not
	}
	return ended
}

func endedAtOnce(op *containerOp, s supervisor.Status) *diag.Problem {
	return &diag.Problem{
		Summary: "The container has ended already", Attribute: "command",
		Detail: fmt.Sprintf("%s was started, and does not run any more. %s `diyform logs %s` shows what it wrote.",
			op.Address, s.Ending(), op.Address),
	}
}

// start makes the container and runs its command; for an update, it finds both done.
func (k *session) start(ctx context.Context, op *containerOp) (supervisor.Status, error) {
	spec, err := k.spec(op)
	if err != nil {
		return supervisor.Status{}, err
	}
	status, err := k.client.Create(ctx, spec)
	if err != nil {
		return status, err
	}
	started, err := k.client.Start(ctx, spec.ID)
	if err != nil {
		return status, err
	}
	return started, nil
}

func (k *session) spec(op *containerOp) (launch.Spec, error) {
	v := op.Planned
	root, err := imageSpec(v.RootImage)
	if err != nil {
		return launch.Spec{}, err
	}
	// What diyform keeps of other containers and stacks is no container's business.
	root.Hide = []string{k.env.DataDir, k.env.RuntimeDir}
	signal, err := signalNumber(v.StopSignal)
	if err != nil {
		return launch.Spec{}, err
	}
	spec := launch.Spec{
		ID: ID(op.Address), Root: root, Command: v.Command, Env: v.Env, WorkingDir: v.WorkingDir,
		Hostname: v.Hostname, BootTime: launch.BootTime(v.BootTime), IDMap: launch.IDMap(v.IDMap), StopSignal: signal,
	}
	spec.Network = k.network(op.Address, &v)
	return spec, nil
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

// remove asks the command to end, ends it, and removes what is left.
func (k *session) remove(ctx context.Context, prior *recordedContainer) error {
	timeout := time.Duration(prior.Attrs.StopTimeout) * time.Second
	_, err := k.client.Stop(ctx, prior.Identity.ID, timeout)
	if isGone(err) {
		err = k.removeOrphan(ctx, prior, timeout)
	}
	if err != nil {
		return err
	}
	return k.client.Remove(ctx, prior.Identity.ID)
}

// isOrphan reports whether a container runs that the supervisor does not know.
func (k *session) isOrphan(identity containerIdentity) (bool, error) {
	orphan, err := k.client.Orphan(identity.PID, identity.StartTime)
	if errors.Is(err, pidfd.ErrGone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, orphan.Close()
}

// removeOrphan ends a container that runs although the supervisor does not know it.
func (k *session) removeOrphan(ctx context.Context, prior *recordedContainer, timeout time.Duration) error {
	orphan, err := k.client.Orphan(prior.Identity.PID, prior.Identity.StartTime)
	if errors.Is(err, pidfd.ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer orphan.Close()
	signal, err := signalNumber(prior.Attrs.StopSignal)
	if err != nil {
		return err
	}
	return orphan.End(ctx, syscall.Signal(signal), timeout, k.network(prior.Address, &prior.Attrs))
}
