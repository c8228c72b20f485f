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

// starts measures one container, from the order to the end of its command.
func (b *bench) starts() error {
	if err := b.bundle(); err != nil {
		return err
	}
	client := supervisor.Connect(filepath.Join(b.dir, "runtime"))
	// One that stays keeps the supervisor, as that of a stack with containers.
	keep := b.spec("keep", rootfs.Spec{Directory: b.root()}, "/bin/sleep", "100000")
	if err := b.start(client, keep); err != nil {
		return err
	}
	defer client.Remove(context.Background(), keep.ID)
	ways := []struct {
		name string
		do   func() error
	}{
		{"diyform, a folder", b.diyform(client, rootfs.Spec{Directory: b.root()})},
		{"diyform, the host's root", b.diyform(client, rootfs.Spec{Host: true})},
		{"diyform, three layers", b.diyform(client, rootfs.Spec{Layers: b.layers()})},
		{"bwrap, a folder", b.bwrap(b.root())},
		{"bwrap, the host's root", b.bwrap("/")},
		{"crun run", func() error { _, err := command("crun", "run", "--bundle", b.dir, "bench"); return err }},
		{"podman run", b.podman()},
	}
	medians := map[string]time.Duration{}
	fmt.Println("one container: from the order to run /bin/true until it has ended and nothing is left, median of", b.rounds)
	for _, way := range ways {
		took := make([]time.Duration, b.rounds)
		for i := range took {
			begun := time.Now()
			if err := way.do(); err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			took[i] = time.Since(begun)
		}
		medians[way.name] = median(took)
		fmt.Printf("  %-26s %6.1f ms\n", way.name, medians[way.name].Seconds()*1000)
	}
	ours := medians["diyform, a folder"].Seconds()
	for _, name := range []string{"bwrap, a folder", "crun run", "podman run"} {
		fmt.Printf("%s takes %.2f times as long as diyform\n", name, medians[name].Seconds()/ours)
	}
	return nil
}

func (b *bench) spec(id string, root rootfs.Spec, argv ...string) launch.Spec {
	return launch.Spec{
		ID: id, Root: root, Command: argv, Hostname: "bench", BootTime: launch.BootTimeZero, IDMap: launch.IDMapAuto,
		Data: filepath.Join(b.dir, "data", id), StopSignal: int(syscall.SIGTERM),
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
func (b *bench) diyform(client *supervisor.Client, root rootfs.Spec) func() error {
	spec := b.spec("true", root, "/bin/true")
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

func (b *bench) bwrap(root string) func() error {
	return func() error {
		_, err := command("bwrap", "--unshare-all", "--bind", root, "/", "--proc", "/proc", "--dev", "/dev",
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
			"--runroot", filepath.Join(b.dir, "podman-run"), "run", "--rm", "--ulimit", "host", "--network", "none",
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
