package network

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/diyform/diyform/internal/linux/bootid"
	"github.com/diyform/diyform/providers"
)

type hostData struct {
	Hostname     string `diy:"hostname,computed" doc:"Name of the machine."`
	Kernel       string `diy:"kernel,computed" doc:"Release of the running kernel, as uname -r gives it."`
	Architecture string `diy:"architecture,computed" doc:"Processor architecture in the words of container images: amd64, arm64."`
	CPUs         int    `diy:"cpus,computed" doc:"Processors that diyform may run on."`
	Memory       int    `diy:"memory,computed" unit:"bytes" doc:"Memory of the machine."`
	BootID       string `diy:"boot_id,computed" doc:"UUID that the kernel gives itself anew at each boot."`
	UID          *int   `diy:"uid,computed" doc:"User id that diyform runs as."`
	IsRoot       bool   `diy:"is_root,computed" doc:"Whether that is root."`
}

type hostSource struct{}

func defineHostData() providers.DataDef[*session] {
	return providers.DefineData("host", "The machine that diyform runs on.", hostSource{})
}

func (hostSource) Read(_ context.Context, _ *session, v *hostData) (err error) {
	if v.Hostname, err = os.Hostname(); err != nil {
		return fmt.Errorf("read host name: %w", err)
	}
	if v.Kernel, err = readSysctl("kernel/osrelease"); err != nil {
		return fmt.Errorf("read kernel release: %w", err)
	}
	if v.BootID, err = bootid.Read(); err != nil {
		return err
	}
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return fmt.Errorf("read size of memory: %w", err)
	}
	if v.Memory, err = totalMemory(string(info)); err != nil {
		return fmt.Errorf("read size of memory: %w", err)
	}
	v.Architecture, v.CPUs = runtime.GOARCH, runtime.NumCPU()
	uid := os.Geteuid()
	v.UID, v.IsRoot = &uid, uid == 0
	return nil
}

// totalMemory gives the bytes of the line "MemTotal: 123 kB" of /proc/meminfo.
func totalMemory(info string) (int, error) {
	for line := range strings.Lines(info) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("find MemTotal in /proc/meminfo: %w", os.ErrNotExist)
}
