package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/diyform/diyform/providers/container/launch"
	"github.com/diyform/diyform/providers/container/rootfs"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// way is a way to run a container.
type way struct {
	name string
	do   func() error
}

// starts measures one container, from the order to the end of its command.
func (b *bench) starts() error {
	if err := b.bundle(); err != nil {
		return err
	}
	client := supervisor.Connect(filepath.Join(runtimeFolder, "bench"))
	// One that stays keeps the supervisor, as that of a stack with containers.
	keep := b.spec("keep", rootfs.Spec{Directory: b.root()}, "/bin/sleep", "100000")
	if err := b.start(client, keep); err != nil {
		return err
	}
	defer client.Remove(context.Background(), keep.ID)
	const ours, crun = "diyform, read-only folder", "crun, read-only folder"
	// What a disk's file system takes to make a folder differs by more than the launchers do.
	memory := filepath.Join(runtimeFolder, "data")
	ways := []way{
		{ours, b.diyform(client, memory, rootfs.Spec{Directory: b.root(), ReadOnly: true})},
		{"diyform, writable folder", b.diyform(client, memory, rootfs.Spec{Directory: b.root()})},
		{"  its changes on this disk", b.diyform(client, b.disk(), rootfs.Spec{Directory: b.root()})},
		{"diyform, three layers", b.diyform(client, memory, rootfs.Spec{Layers: b.layers()})},
		{"diyform, the host's root", b.diyform(client, memory, rootfs.Spec{Host: true})},
		{crun, b.crun()},
		{"  without control group", b.crun("--cgroup-manager=disabled")},
		{"bwrap, read-only folder", b.bwrap("--ro-bind", b.root())},
		{"bwrap, the host's root", b.bwrap("--ro-bind", "/")},
		{"podman, writable folder", b.podman()},
	}
	fmt.Println("one container: from the order to run /bin/true until it has ended and nothing is left of it,")
	fmt.Printf("median of %d rounds, in each of which all have their turn\n", b.rounds)
	medians, err := b.race(ways)
	if err != nil {
		return err
	}
	for _, w := range ways {
		fmt.Printf("  %-26s %6.1f ms  %5.2f times %s\n", w.name, milliseconds(medians[w.name]),
			medians[w.name].Seconds()/medians[crun].Seconds(), "crun")
	}
	fmt.Print(`All make user, mount, pid, network, ipc, uts and cgroup namespaces, a /proc and a /dev, and mask
what is in them. diyform also makes a time namespace, writes the log, the hosts files and a record
that outlives its supervisor, and installs a system call filter and a control group; crun makes a
control group and no filter, bwrap neither. Runtime folders are in memory, as /run is, and so is
what a container changes, where nothing else is said.
`)
	return nil
}

// race lets each way have its turn in every round, so that all have the same machine.
func (b *bench) race(ways []way) (map[string]time.Duration, error) {
	took := map[string][]time.Duration{}
	for range b.rounds {
		for _, w := range ways {
			begun := time.Now()
			if err := w.do(); err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			took[w.name] = append(took[w.name], time.Since(begun))
		}
	}
	medians := map[string]time.Duration{}
	for name, list := range took {
		medians[name] = median(list)
	}
	return medians, nil
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// disk is where containers have what they change.
func (b *bench) disk() string { return filepath.Join(b.dir, "data") }

func (b *bench) spec(id string, root rootfs.Spec, argv ...string) launch.Spec {
	return launch.Spec{
		ID: id, Root: root, Command: argv, Hostname: "bench", BootTime: launch.BootTimeZero, IDMap: launch.IDMapAuto,
		Data: filepath.Join(b.disk(), id), StopSignal: int(syscall.SIGTERM),
	}
}

func (b *bench) start(client *supervisor.Client, spec launch.Spec) error {
	ctx := context.Background()
	if _, err := client.Create(ctx, spec, supervisor.Settings{}); err != nil {
		return err
	}
	_, err := client.Start(ctx, spec.ID)
	return err
}

// diyform gives a launch by a supervisor that runs, as an apply asks for it.
func (b *bench) diyform(client *supervisor.Client, data string, root rootfs.Spec) func() error {
	spec := b.spec("true", root, "/bin/true")
	spec.Data = filepath.Join(data, spec.ID)
	return func() error {
		if err := b.start(client, spec); err != nil {
			return err
		}
		ended, err := client.Wait(context.Background(), spec.ID)
		if err != nil {
			return err
		}
		if ended.Exit == nil || ended.Exit.Code != 0 {
			return fmt.Errorf("/bin/true: %s", ended.Ending())
		}
		return client.Remove(context.Background(), spec.ID)
	}
}

// layers are the root in three folders, as the layers of an image.
func (b *bench) layers() []string {
	layers := []string{b.root()}
	for _, name := range []string{"layer1", "layer2"} {
		dir := filepath.Join(b.dir, name)
		_ = os.MkdirAll(filepath.Join(dir, "srv"), 0o755) // a missing one shows in the start
		layers = append([]string{dir}, layers...)
	}
	return layers
}

// crun runs the bundle.
func (b *bench) crun(options ...string) func() error {
	return func() error {
		_, err := command("crun", append(options, "run", "--bundle", b.dir, "bench")...)
		return err
	}
}

func (b *bench) bwrap(bind, root string) func() error {
	return func() error {
		_, err := command("bwrap", "--unshare-all", bind, root, "/", "--proc", "/proc", "--dev", "/dev",
			"--tmpfs", "/tmp", "--hostname", "bench", "--new-session", "/bin/true")
		return err
	}
}

// podman runs the folder with as little as it can: no image to look up, no network to set up.
func (b *bench) podman() func() error {
	conf := filepath.Join(b.dir, "containers.conf")
	text := "[containers]\ndefault_ulimits = []\n[engine]\ncgroup_manager = \"cgroupfs\"\n"
	err := os.WriteFile(conf, []byte(text), 0o600)
	return func() error {
		if err != nil {
			return err
		}
		_, err := command("env", "CONTAINERS_CONF="+conf, "podman", "--root", filepath.Join(b.dir, "podman"),
			"--runroot", filepath.Join(runtimeFolder, "podman"), "run", "--rm", "--ulimit", "host", "--network", "none",
			"--rootfs", b.root(), "/bin/true")
		return err
	}
}

// bundle writes what crun runs: its own default, with our command, the namespaces that we
// make, and ids that are mapped.
func (b *bench) bundle() error {
	path := filepath.Join(b.dir, "config.json")
	if _, err := command("crun", "spec", "--bundle", b.dir); err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		return err
	}
	process := config["process"].(map[string]any)
	process["args"], process["terminal"] = []string{"/bin/true"}, false
	delete(process, "rlimits") // raising them takes a privilege
	config["root"] = map[string]any{"path": b.root(), "readonly": true}
	var namespaces []map[string]string
	for _, kind := range []string{"user", "mount", "pid", "network", "ipc", "uts", "cgroup"} {
		namespaces = append(namespaces, map[string]string{"type": kind})
	}
	ids := []map[string]int{{"containerID": 0, "hostID": 0x80000, "size": 65536}}
	config["linux"] = map[string]any{
		"namespaces": namespaces, "uidMappings": ids, "gidMappings": ids,
		"maskedPaths":   []string{"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"},
		"readonlyPaths": []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"},
	}
	text, err = json.Marshal(config)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
