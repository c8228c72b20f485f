package container

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container/image"
	"github.com/diyform/diyform/providers/container/launch"
	"github.com/diyform/diyform/providers/container/rootfs"
	"github.com/diyform/diyform/providers/container/supervisor"
)

func address(t *testing.T) addr.Instance {
	a, err := addr.Parse("container.web")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// plain gives a container that is valid, with defaults as the schema has them.
func plain() containerAttrs {
	return containerAttrs{
		RootImage: "host", Command: []string{"/bin/true"}, Seccomp: defaultProfile, StopTimeout: "10s", WaitTimeout: "5m", MustRun: true,
		NetworkMode: own, BootTime: "zero", IDMap: "auto", ID: "container.web",
	}
}

func TestValidate(t *testing.T) {
	bind := mountBlock{Type: "bind", Source: "/srv", Target: "/srv", Propagation: "rprivate"}
	tests := map[string]struct {
		change func(*containerAttrs)
		want   string // a part of the only problem: "attribute: text"
	}{
		"valid":              {func(*containerAttrs) {}, ""},
		"no command":         {func(v *containerAttrs) { v.Command = nil }, "command: There is no command"},
		"the image's":        {func(v *containerAttrs) { v.Command, v.RootImage = nil, "image:sha256:00" }, ""},
		"empty program":      {func(v *containerAttrs) { v.Command = []string{""} }, "command: There is no command"},
		"not an image":       {func(v *containerAttrs) { v.RootImage = "debian" }, "root_image: Not a root image"},
		"signal":             {func(v *containerAttrs) { v.StopSignal = "SIGNONE" }, "stop_signal: Unknown signal"},
		"user":               {func(v *containerAttrs) { v.User = "a:b:c" }, "user: Not a user"},
		"group without name": {func(v *containerAttrs) { v.User = "a:" }, "user: Not a user"},
		"domain":             {func(v *containerAttrs) { v.Domain = "a b" }, "domain: Not a host name"},
		"machine's sysctl":   {func(v *containerAttrs) { v.Sysctls = map[string]string{"vm.swappiness": "1"} }, "sysctls: Not a setting of a container"},
		"own sysctl":         {func(v *containerAttrs) { v.Sysctls = map[string]string{"net/ipv4/ip_forward": "1"} }, ""},
		"joined sysctl": {func(v *containerAttrs) {
			v.Sysctls, v.NetworkMode, v.Network = map[string]string{"net.ipv4.ip_forward": "1"}, joined, "lab"
		}, "sysctls: Not the container's own setting"},
		"shared sysctl": {func(v *containerAttrs) {
			v.Sysctls, v.Namespaces = map[string]string{"kernel.shmmax": "1"}, &namespacesBlock{Keep: []string{"ipc"}}
		}, "is a setting of the ipc namespace"},
		"host address":      {func(v *containerAttrs) { v.Hosts = map[string]string{"db": "there"} }, "hosts: Not an IP address"},
		"host name":         {func(v *containerAttrs) { v.Hosts = map[string]string{"d b": "::1"} }, "hosts: Not a host name"},
		"mount":             {func(v *containerAttrs) { v.Mounts = []mountBlock{bind} }, ""},
		"mount on the root": {func(v *containerAttrs) { b := bind; b.Target = "/"; v.Mounts = []mountBlock{b} }, "mount.0.target: The root cannot be covered"},
		"mount on proc":     {func(v *containerAttrs) { b := bind; b.Target = "/proc/"; v.Mounts = []mountBlock{b} }, "mount.0.target: The target is taken"},
		"two mounts": {func(v *containerAttrs) {
			v.Mounts, v.Volumes = []mountBlock{bind}, []volumeBlock{{Volume: "data", Target: "/srv/"}}
		}, "volume.0.target: Two mounts at one place"},
		"no source":    {func(v *containerAttrs) { b := bind; b.Source = ""; v.Mounts = []mountBlock{b} }, "mount.0: A mount has no source"},
		"tmpfs source": {func(v *containerAttrs) { b := bind; b.Type = "tmpfs"; v.Mounts = []mountBlock{b} }, "mount.0.source: A tmpfs has no source"},
		"bind size":    {func(v *containerAttrs) { b := bind; b.Size = "1M"; v.Mounts = []mountBlock{b} }, "mount.0: Only for a tmpfs"},
		"tmpfs mode": {func(v *containerAttrs) {
			v.Mounts = []mountBlock{{Type: "tmpfs", Target: "/t", Mode: "0888", Propagation: "rprivate"}}
		}, "mount.0.mode: Invalid permissions"},
		"device": {func(v *containerAttrs) { v.Devices = []deviceBlock{{Source: "/dev/null", Target: "/null"}} }, "device.0: A device belongs into /dev"},
		"rlimit": {func(v *containerAttrs) { v.RLimits = []rlimitBlock{{Name: "nofiles", Soft: "1"}} }, `Did you mean "nofile"?`},
		"soft above hard": {func(v *containerAttrs) { v.RLimits = []rlimitBlock{{Name: "nofile", Soft: "unlimited", Hard: "5"}} },
			"rlimit.0: Soft above hard"},
		"rlimit value": {func(v *containerAttrs) { v.RLimits = []rlimitBlock{{Name: "nofile", Soft: "-1"}} }, "rlimit.0.soft: Invalid limit"},
		"capability": {func(v *containerAttrs) { v.Capabilities = &capabilitiesBlock{Add: []string{"NET_ADMN"}} },
			`capabilities.add: Unknown capability: There is no capability "NET_ADMN". Did you mean "NET_ADMIN"?`},
		"capability twice": {func(v *containerAttrs) {
			v.Capabilities = &capabilitiesBlock{Add: []string{"cap_kill"}, Drop: []string{"KILL"}}
		}, "capabilities: Added and dropped"},
		"all but one": {func(v *containerAttrs) {
			v.Capabilities = &capabilitiesBlock{Add: []string{"KILL"}, Drop: []string{"ALL"}}
		}, ""},
		"mount namespace": {func(v *containerAttrs) { v.Namespaces = &namespacesBlock{Keep: []string{"mount"}} }, "namespaces.keep: The mount namespace is its own"},
		"namespace":       {func(v *containerAttrs) { v.Namespaces = &namespacesBlock{Keep: []string{"utc"}} }, `Did you mean "uts"?`},
		"whose namespace": {func(v *containerAttrs) { v.Namespaces = &namespacesBlock{Join: []string{"pid"}} }, "namespaces.join: Whose namespaces?"},
		"its own namespace": {func(v *containerAttrs) {
			v.Namespaces = &namespacesBlock{Join: []string{"pid"}, Container: "container.web"}
		}, "namespaces.container: The container itself"},
		"kept host name": {func(v *containerAttrs) {
			v.Hostname, v.Namespaces = "web", &namespacesBlock{Keep: []string{"uts"}}
		}, "namespaces.keep: Not its own host name"},
		"no probe":   {func(v *containerAttrs) { v.HealthCheck = &healthCheckBlock{Interval: "1s", Timeout: "1s"} }, "health_check: A health check is one thing"},
		"two probes": {func(v *containerAttrs) { v.HealthCheck = &healthCheckBlock{TCP: ":80", HTTP: "http://x/"} }, "There are 2."},
		"tcp probe":  {func(v *containerAttrs) { v.HealthCheck = &healthCheckBlock{TCP: "80"} }, "health_check.tcp: Not an address and a port"},
		"http probe": {func(v *containerAttrs) { v.HealthCheck = &healthCheckBlock{HTTP: "/health"} }, "health_check.http: Not a URL"},
		"no interval": {func(v *containerAttrs) {
			v.HealthCheck = &healthCheckBlock{TCP: ":80", Interval: "0s", Timeout: "1s"}
		}, "health_check.interval: No time at all"},
		"small log":    {func(v *containerAttrs) { v.LogBlock = &logBlock{MaxSize: "1K"} }, "log.max_size: The log is too small"},
		"waits itself": {func(v *containerAttrs) { v.Wait, v.Interfaces = true, []string{"eth0"} }, "wait: The container would wait for itself"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v := plain()
			test.change(&v)
			got := problems(container{}.Validate(&v, nil))
			if test.want == "" && len(got) > 0 || test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)) {
				t.Errorf("got %q, want one with %q", got, test.want)
			}
		})
	}
}

// problems lists what a joined error has.
func problems(err error) []string {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []string
		for _, e := range joined.Unwrap() {
			out = append(out, problems(e)...)
		}
		return out
	}
	var p *diag.Problem
	if !errors.As(err, &p) {
		return []string{err.Error()}
	}
	return []string{p.Attribute + ": " + p.Error()}
}

func TestCommandLine(t *testing.T) {
	both := image.Config{Entrypoint: []string{"/entry"}, Command: []string{"serve"}}
	tests := []struct {
		entrypoint, command []string
		image               image.Config
		want                []string
	}{
		{nil, nil, both, []string{"/entry", "serve"}},
		{nil, []string{"check"}, both, []string{"/entry", "check"}},
		{[]string{"/mine"}, nil, both, []string{"/mine"}},
		{[]string{"/mine"}, []string{"check"}, both, []string{"/mine", "check"}},
		{nil, []string{"/bin/sh"}, image.Config{}, []string{"/bin/sh"}},
		{nil, nil, image.Config{Command: []string{"sh"}}, []string{"sh"}},
		{nil, nil, image.Config{}, nil},
	}
	for _, test := range tests {
		v := containerAttrs{Entrypoint: test.entrypoint, Command: test.command}
		got, err := v.commandLine(test.image)
		if !slices.Equal(got, test.want) || (err != nil) != (test.want == nil) {
			t.Errorf("entrypoint %q, command %q: got %q, %v; want %q", test.entrypoint, test.command, got, err, test.want)
		}
	}
}

func TestSpec(t *testing.T) {
	k := &session{env: providers.Env{Lineage: "0f1e2d3c-0000", BootID: "boot", DataDir: "/data", RuntimeDir: "/run/d", Dir: "/work"}}
	v := plain()
	yes, score := true, -5
	v.Env, v.WorkingDir, v.User, v.ReadOnly, v.Init, v.OOMScoreAdj = map[string]string{"A": "1"}, "/w", "www", true, &yes, &score
	v.Network, v.NetworkMode, v.StopSignal = "lab", joined, "SIGINT"
	v.Capabilities = &capabilitiesBlock{Add: []string{"cap_net_admin"}, Drop: []string{"ALL"}}
	v.Mounts = []mountBlock{
		{Type: "tmpfs", Target: "/srv/below/", Size: "1M", Mode: "0700", NoDev: true},
		{Type: "bind", Source: "here", Target: "/srv", Propagation: "rslave", ReadOnly: true},
	}
	v.Volumes = []volumeBlock{{Volume: "db", Target: "/db"}}
	v.Devices = []deviceBlock{{Source: "/dev/net/tun"}}
	v.RLimits = []rlimitBlock{{Name: "nofile", Soft: "5"}}
	got, err := k.spec(&containerOp{Address: address(t), Planned: v})
	if err != nil {
		t.Fatal(err)
	}
	want := launch.Spec{
		ID: "container.web", Command: []string{"/bin/true"}, Env: map[string]string{"A": "1"}, WorkingDir: "/w", User: "www",
		Network: launch.Network{Join: "lab"}, BootTime: launch.BootTimeZero, IDMap: launch.IDMapAuto, Init: launch.InitYes,
		Privileges: launch.Privileges{Add: []string{"NET_ADMIN"}, Drop: []string{"ALL"}}, OOMScoreAdj: &score, StopSignal: 2,
		ResourceLimits: []launch.ResourceLimit{{Name: "nofile", Soft: 5, Hard: 5}},
		Data:           "/data/containers/boot/0f1e2d3c-0000/container.web",
		Root: rootfs.Spec{
			Host: true, Hide: []string{"/data", "/run/d"}, ReadOnly: true,
			Mounts: []rootfs.Mount{
				{Source: "/data/volumes/0f1e2d3c-0000/db", Target: "/db", MapIDs: true, NoDev: true},
				{Source: "/work/here", Target: "/srv", Propagation: "rslave", ReadOnly: true},
				{Target: "/srv/below", Size: 1 << 20, Mode: 0o700, NoDev: true},
			},
			Devices: []rootfs.Device{{Source: "/dev/net/tun", Target: "/dev/net/tun"}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

func TestSettings(t *testing.T) {
	v := plain()
	v.Hostname, v.Domain, v.StopTimeout, v.Interfaces = "www", "lab.example", "3s", []string{"eth0"}
	v.Limits = &limitsBlock{Memory: "64M", Swap: "0", CPUs: 0.5}
	v.Restart = &restartBlock{Policy: "always", Max: 3, Delay: "2s"}
	v.HealthCheck = &healthCheckBlock{TCP: "127.0.0.1:80", Interval: "5s", Timeout: "1s", Retries: 2, StartPeriod: "10s"}
	v.LogBlock = &logBlock{MaxSize: "1M", MaxFiles: 2}
	got := v.settings(address(t))
	none := int64(0)
	want := supervisor.Settings{
		Restart:    supervisor.Restart{Policy: supervisor.RestartAlways, Max: 3, Delay: 2 * time.Second},
		Health:     &supervisor.HealthCheck{TCP: "127.0.0.1:80", Interval: 5 * time.Second, Timeout: time.Second, Retries: 2, StartPeriod: 10 * time.Second},
		Interfaces: []string{"eth0"}, Names: []string{"web", "www.lab.example"}, Log: supervisor.Log{MaxSize: 1 << 20, MaxFiles: 2},
		StopTimeout: 3 * time.Second,
	}
	want.Limits.Memory, want.Limits.Swap, want.Limits.CPUs = 64<<20, &none, 0.5
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestStatusDecides is about which statuses a plan leaves alone.
func TestStatusDecides(t *testing.T) {
	tests := []struct {
		status  string
		code    int
		mustRun bool
		settled bool
	}{
		{"running", 0, true, true}, {"waiting", 0, true, true}, {"restarting", 1, true, true},
		{"exited", 0, true, false}, {"exited", 0, false, true}, {"exited", 1, false, false},
		{"stopped", 143, true, false}, {"stopped", 143, false, true}, {"created", 0, false, false}, {"lost", 0, false, false},
	}
	for _, test := range tests {
		d := &providers.Derivation{Planned: cty.ObjectVal(map[string]cty.Value{
			"status": cty.StringVal(test.status), "exit_code": cty.NumberIntVal(int64(test.code)), "must_run": cty.BoolVal(test.mustRun),
			"pid": cty.UnknownVal(cty.Number), "started_at": cty.StringVal("then"), "health": cty.UnknownVal(cty.String), "health_check": cty.True, "restarts": cty.NumberIntVal(2),
		})}
		deriveStatus(d)
		if kept := d.Get("status").AsString() == test.status; kept != test.settled {
			t.Errorf("%+v becomes %s", test, d.Get("status").AsString())
		}
		if known := d.Get("health").IsKnown() && d.Get("restarts").IsKnown(); known != test.settled {
			t.Errorf("%+v: what goes with the status is known: %t", test, known)
		}
	}
}

func TestSignals(t *testing.T) {
	for name, want := range map[string]int{
		"": 15, "SIGINT": 2, "quit": 3, "9": 9, "SIGRTMIN": 34, "SIGRTMIN+3": 37, "RTMAX-1": 63, "SIGRTMAX": 64,
		"SIGNONE": 0, "65": 0, "0": 0, "-1": 0, "SIGRTMAX+1": 0, "SIGRTMIN+x": 0,
	} {
		if got, err := signalNumber(name); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q is %d, %v; want %d", name, got, err, want)
		}
	}
}
