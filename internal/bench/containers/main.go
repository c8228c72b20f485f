// Command containers measures containers against the programs that people run them with, and
// prints the ratios: how long one takes from the order to start /bin/true to its end, beside
// bwrap, crun and podman; what the whole of an apply takes, of one and of a hundred; what memory
// an idle one costs; how fast an image is unpacked, beside umoci and tar. All is measured in one run, one after the
// other, on the same root file system.
//
// It takes root, and a mount namespace of its own, where it hides what others of the machine's
// containers have: make bench.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/diyform/diyform/providers/container/supervisor"
)

func main() {
	if supervisor.Invoked() {
		os.Exit(supervisor.Main())
	}
	only := flag.String("only", "", "measure only this: start, apply, idle or unpack")
	rounds := flag.Int("rounds", 30, "how many starts of each kind")
	flag.Parse()
	if err := run(*only, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(only string, rounds int) error {
	dir, err := os.MkdirTemp("", "diyform-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // crun enters it as who is root inside
		return err
	}
	b := &bench{dir: dir, rounds: rounds}
	if err := b.prepare(); err != nil {
		return err
	}
	for _, part := range []struct {
		name    string
		measure func() error
	}{{"start", b.starts}, {"apply", b.apply}, {"idle", b.idle}, {"unpack", b.unpack}} {
		if only != "" && only != part.name {
			continue
		}
		if err := part.measure(); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		fmt.Println()
	}
	return nil
}

// bench is where the measuring takes place.
type bench struct {
	dir    string
	rounds int
}

// root is the root file system that all containers start from: busybox and its links.
func (b *bench) root() string { return filepath.Join(b.dir, "root") }

// runtimeFolder is in memory, on this machine as on others. Where the machine has containers,
// they are out of sight.
const runtimeFolder = "/run/diyform"

func (b *bench) prepare() error {
	if _, err := command("mount", "-t", "tmpfs", "bench", "/run"); err != nil {
		return err
	}
	// crun and podman refuse a host that has control groups of both kinds. The mount namespace
	// is ours.
	if _, err := os.Stat("/sys/fs/cgroup/unified"); err == nil {
		if _, err := command("umount", "/sys/fs/cgroup/unified"); err != nil {
			return err
		}
	}
	for _, dir := range []string{"bin", "proc", "sys", "dev", "tmp", "etc"} {
		if err := os.MkdirAll(filepath.Join(b.root(), dir), 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"hosts", "hostname", "resolv.conf"} { // as in most images
		if err := os.WriteFile(filepath.Join(b.root(), "etc", name), nil, 0o644); err != nil {
			return err
		}
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	if _, err := command("cp", busybox, filepath.Join(b.root(), "bin/busybox")); err != nil {
		return err
	}
	for _, name := range []string{"sh", "true", "sleep"} {
		if err := os.Symlink("busybox", filepath.Join(b.root(), "bin", name)); err != nil {
			return err
		}
	}
	return nil
}

// command runs a program to its end and gives what it wrote.
func command(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// median gives the middle of several measurements of the same.
func median(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)/2]
}
