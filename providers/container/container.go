package container

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container/supervisor"
	"github.com/diyform/diyform/providers/schema"
)

type containerAttrs struct {
	RootImage   string            `diy:"root_image,required,replace" doc:"Root file system to start from: the id of a root_image."`
	Command     []string          `diy:"command,replace" doc:"Program and its arguments, or the arguments of entrypoint. A name without a slash is looked up in the container's PATH. Left out, it is the image's, unless entrypoint is given."`
	Entrypoint  []string          `diy:"entrypoint,replace" doc:"Program that is given the command as arguments. Left out, it is the image's."`
	Env         map[string]string `diy:"env,replace" doc:"Environment variables, besides the image's. PATH and HOME have values of their own when left out."`
	WorkingDir  string            `diy:"working_dir,replace" format:"path" doc:"Folder that the command starts in, made where it is missing. Left out, it is the image's, or the root."`
	User        string            `diy:"user,replace" doc:"Whom the command runs as: a name or number, and after a colon a group's. Names are those of the image's /etc/passwd and /etc/group. Left out, it is the image's, or root."`
	Hostname    string            `diy:"hostname,optional,computed,replace" doc:"Host name: letters, digits and hyphens, and dots between its parts. Left out, it is made from the resource's name."`
	Domain      string            `diy:"domain,replace" doc:"Domain name of the container, as domainname gives it; other containers of the stack find this one by its host name with it too."`
	Network     string            `diy:"network_namespace,optional,computed,replace" format:"namespace" doc:"Network namespace to be in, which the container cannot change. Left out, it gets one of its own, which its root may configure. Made by root, that one has this name, by which other resources refer to it; an ordinary user's has none, and to refer to it is an error."`
	NetworkMode string            `diy:"network_mode,computed,replace" doc:"joined, where network_namespace was set; host or container, where the block namespaces says so; else own; with (lost) after it when the name was taken away from the network namespace that the container is in, which a plan repairs by replacing the container."`
	BootTime    string            `diy:"boot_time,replace" default:"zero" enum:"zero,host" doc:"Where the monotonic clock and the uptime count from: zero is the container's start, host the machine's."`
	IDMap       string            `diy:"id_map,replace" default:"auto" enum:"auto,single,range" doc:"Which users exist in the container: single is root alone, who is the user that runs diyform; range is 65536 ids that nobody else has; auto is a range where one can be had (newuidmap and an entry in /etc/subuid, or root), else single."`
	ReadOnly    bool              `diy:"read_only,replace" default:"false" doc:"Whether nothing can be written but what mounts and volumes bring, and /dev/shm."`
	Init        *bool             `diy:"init,replace" doc:"Whether a small first process of diyform's reaps orphans and passes signals on to the command. Left out, shells and scripts have one, and other programs not."`
	Stdin       bool              `diy:"stdin,replace" default:"false" doc:"Whether standard input stays open, for diyform attach; else it is /dev/null."`
	Privileged  bool              `diy:"privileged,replace" default:"false" doc:"Give the container's root all capabilities over its own namespaces, no system call filter, and nothing hidden or read-only in /proc and /sys. Without a user namespace of its own that is root on this machine. The plan says it aloud."`
	Seccomp     string            `diy:"seccomp,replace" default:"default" doc:"System calls that are allowed: default, unconfined for all, or the path of a profile in the JSON format of container engines, relative to the working folder."`
	Profile     string            `diy:"seccomp_digest,computed,replace" doc:"SHA-256 of the profile's text, where seccomp is a path: a changed profile replaces the container."`
	OOMScoreAdj *int              `diy:"oom_score_adj,replace" min:"-1000" max:"1000" doc:"How gladly the kernel ends the container when the machine runs out of memory; less than that of diyform itself takes root."`
	Sysctls     map[string]string `diy:"sysctls,replace" doc:"Kernel settings of the container's own namespaces, by key, as net.ipv4.ip_forward."`
	StopSignal  string            `diy:"stop_signal,replace" doc:"Signal that asks the command to end. A command without a handler for it is killed at once: the kernel drops such a signal to the first process of a container (pid_namespaces(7)), so there would be nothing to wait for. That goes for sleep, and for a shell without a trap. Left out, it is the image's, or SIGTERM."`
	StopTimeout string            `diy:"stop_timeout" default:"10s" format:"duration" doc:"How long the command may take to end after the signal, before it is killed. A command that ignores the signal, or has no handler for it, is not waited for."`
	MustRun     bool              `diy:"must_run" default:"true" doc:"Whether a plan starts again what has ended. With false the command is a job: to have ended with exit code 0, or to be stopped, is as good as to run."`
	Wait        bool              `diy:"wait" default:"false" doc:"Whether apply waits, and what depends on the container with it: until it is healthy; without a health_check, until it runs; and a job, which has must_run = false and no health_check, until it has ended with exit code 0."`
	WaitTimeout string            `diy:"wait_timeout" default:"5m" format:"duration" doc:"How long apply waits at most, before it fails."`
	Interfaces  []string          `diy:"wait_for_interfaces,unordered" format:"interface" doc:"Interfaces of the container's network namespace that must be up before the command is run. Until then the container's status is waiting."`
	Hosts       map[string]string `diy:"hosts" doc:"Entries of /etc/hosts: names, and the IP address of each. The stack's other containers are found by their names without any."`

	ID        string `diy:"id,computed" doc:"What a namespaces block of another container refers to."`
	PID       int    `diy:"pid,computed" doc:"Process id of the container's first process, on the host."`
	Status    string `diy:"status,computed" dead:"creating,starting,lost" doc:"running; waiting, for interfaces; restarting, for the pause before the command is started again; stopped, by diyform stop; exited, when the command has ended by itself. A plan starts again what is stopped or exited, if it must run, and replaces what it finds as creating, starting or lost: an interruption left it so, or it could not be run."`
	StartedAt string `diy:"started_at,computed" doc:"When the command was started, as RFC 3339 has it."`
	ExitCode  *int   `diy:"exit_code,computed" doc:"Exit code of a command that has ended, 128 and the signal's number where a signal ended it."`
	Health    string `diy:"health,computed" doc:"starting, healthy or unhealthy, where there is a health_check."`
	Restarts  *int   `diy:"restarts,computed" doc:"How often the restart policy has started the command again."`
	Log       string `diy:"log_file,computed" doc:"File that has the command's output."`

	Mounts       []mountBlock       `diy:"mount,block,replace" doc:"A folder or file of the host's, or a new tmpfs, in the container."`
	Volumes      []volumeBlock      `diy:"volume,block,replace" doc:"A volume in the container: its files outlive the container."`
	Devices      []deviceBlock      `diy:"device,block,replace" doc:"A device of the host's in the container's /dev."`
	Limits       *limitsBlock       `diy:"limits,block" doc:"What the container's processes may use together. It takes control groups that diyform may write to."`
	RLimits      []rlimitBlock      `diy:"rlimit,block,replace" doc:"What a process may use: getrlimit(2)."`
	Capabilities *capabilitiesBlock `diy:"capabilities,block,replace" doc:"What the container's root may do besides the default, and what not: capabilities(7)."`
	Namespaces   *namespacesBlock   `diy:"namespaces,block,replace" doc:"Namespaces that are not the container's own. Its mount namespace always is."`
	Restart      *restartBlock      `diy:"restart,block" doc:"When the command is started again after it has ended, without a plan. Left out, it is not."`
	HealthCheck  *healthCheckBlock  `diy:"health_check,block" doc:"How to find out whether the container does its work: one of command, tcp and http."`
	DNS          *dnsBlock          `diy:"dns,block" doc:"What /etc/resolv.conf has. Left out, it is the host's."`
	LogBlock     *logBlock          `diy:"log,block" doc:"How much of the output is kept."`
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
			"its output goes to a log file, and it may do no more than it needs. "+
			"What it is replaces it when it changes; how it is kept (limits, restart, health_check, hosts, dns, log, stop_timeout) changes while it runs.",
		container{})
}

// The network modes of a container that is as it should be.
const (
	joined     = "joined"
	own        = "own"
	hosts      = "host"
	containers = "container"

	lost = " (lost)" // after joined or own
)

func (container) Derive(d *providers.Derivation) {
	d.Set("id", cty.StringVal(deriveID(d)))
	d.Set("seccomp_digest", profileDigest(d.Env, d.Get("seccomp")))
	if d.Config.GetAttr("hostname").IsNull() {
		d.Set("hostname", cty.StringVal(ownHostname(d.Address)))
		if sharesOf(d.Planned).has("uts") {
			d.Set("hostname", cty.NullVal(cty.String))
		}
	}
	deriveNetwork(d)
	deriveStatus(d)
}

// deriveID gives the supervisor's name for the container, which stays as long as the container
// does. One that was made at this address, and has another address now, keeps it.
func deriveID(d *providers.Derivation) string {
	var there containerIdentity
	if d.PriorIdentity(&there) && there.ID != "" {
		return there.ID
	}
	id := ID(d.Address)
	for n := 2; d.IsTaken("id", cty.StringVal(id)); n++ {
		id = fmt.Sprintf("%s+%d", ID(d.Address), n)
	}
	return id
}

func deriveNetwork(d *providers.Derivation) {
	mode, name := own, cty.NullVal(cty.String)
	network, shares := d.Config.GetAttr("network_namespace"), sharesOf(d.Planned)
	switch {
	case !network.IsKnown() || !network.IsNull():
		mode, name = joined, d.Get("network_namespace")
	case slices.Contains(shares.Keep, "network"):
		mode = hosts
	case slices.Contains(shares.Join, "network"):
		mode = containers
	case os.Geteuid() == 0: // only who may mount can give a namespace a name
		name = cty.StringVal(d.Env.ObjectName(d.Address))
	}
	d.Set("network_mode", cty.StringVal(mode))
	d.Set("network_namespace", name)
}

// observed are the attributes that change with the status.
var observed = map[string]cty.Type{
	"pid": cty.Number, "started_at": cty.String, "exit_code": cty.Number, "health": cty.String, "restarts": cty.Number,
}

// deriveStatus plans a start for what has ended and must run. What is as it should be keeps
// what is known of it: a change of how it is kept does not touch its process.
func deriveStatus(d *providers.Derivation) {
	unwatched := d.Get("health_check").IsNull()
	if unwatched {
		d.Set("health", cty.NullVal(cty.String))
	}
	status := d.Get("status")
	if !status.IsKnown() {
		return // there is none yet
	}
	settled := isSettled(d, status)
	for name, t := range observed {
		switch {
		case unwatched && name == "health":
		case !settled:
			d.Set(name, cty.UnknownVal(t))
		case !d.Get(name).IsKnown():
			d.Set(name, cty.NullVal(t)) // as it was read
		}
	}
	if !settled {
		d.Set("status", cty.StringVal(string(supervisor.Running)))
	}
}

// isSettled reports whether a container of that status is as it should be.
func isSettled(d *providers.Derivation, status cty.Value) bool {
	if status.IsNull() {
		return false
	}
	mustRun := d.Get("must_run")
	job := mustRun.IsKnown() && mustRun.False()
	switch supervisor.Phase(status.AsString()) {
	case supervisor.Running, supervisor.Waiting, supervisor.Restarting:
		return true
	case supervisor.Stopped:
		return job
	case supervisor.Exited:
		code := d.Get("exit_code")
		return job && code.IsKnown() && !code.IsNull() && code.AsBigFloat().Sign() == 0
	}
	return false
}

// The kinds of places that are the container provider's own.
func containerPlace(id string) providers.Place { return providers.Place{Kind: "container", Name: id} }

func volumePlace(id string) providers.Place { return providers.Place{Kind: "volume", Name: id} }

func (container) Places(v *containerAttrs, unknown schema.Unknown) providers.Places {
	places := providers.Places{Holds: []providers.Place{containerPlace(v.ID)}}
	for _, volume := range v.Volumes {
		if volume.Volume != "" {
			places.Uses = append(places.Uses, volumePlace(volume.Volume))
		}
	}
	if v.Namespaces != nil && v.Namespaces.Container != "" {
		places.Uses = append(places.Uses, containerPlace(v.Namespaces.Container))
	}
	if v.Network == "" || unknown.Has("network_namespace") {
		return places
	}
	network := providers.NetworkNamespace(v.Network)
	if !strings.HasPrefix(v.NetworkMode, joined) {
		places.Holds = append(places.Holds, network)
		return places
	}
	places.Uses = append(places.Uses, network)
	if v.Wait {
		// Apply would wait for what it makes after.
		for _, name := range v.Interfaces {
			places.Attached = append(places.Attached, providers.Link(v.Network, name))
		}
	}
	return places
}

// Apart says that there cannot be two: processes, files, log and network name all go by the
// resource's address.
func (container) Apart(_, _ *containerAttrs) error { return providers.ErrOneOnly }

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
	v.Status, v.PID, v.Log, v.Health, v.Restarts = string(s.Phase), s.PID, s.Log, string(s.Health.Status), &s.Restarts
	v.StartedAt, v.ExitCode = "", nil
	if !s.StartedAt.IsZero() {
		v.StartedAt = s.StartedAt.UTC().Format(time.RFC3339)
	}
	if s.Exit != nil {
		v.ExitCode = &s.Exit.Code
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
	return containerIdentity{ID: op.Planned.ID}, nil
}
