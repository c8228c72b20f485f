package container

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/linux/cgroup"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container/launch"
	"github.com/diyform/diyform/providers/container/rootfs"
	"github.com/diyform/diyform/providers/container/supervisor"
	"github.com/diyform/diyform/providers/schema"
)

// The blocks of a container, each with what it means to those who launch and keep it. Their
// strings were checked: by the schema's formats and by Validate.

type mountBlock struct {
	Type        string `diy:"type,replace" default:"bind" enum:"bind,tmpfs" doc:"bind shows the source in the target's place; tmpfs is empty at each start, and in memory."`
	Source      string `diy:"source,replace" doc:"Folder or file on the host, relative to the working folder."`
	Target      string `diy:"target,required,replace" format:"path" doc:"Where it is in the container; made where it is missing."`
	ReadOnly    bool   `diy:"read_only,replace" default:"false" doc:"Whether nothing can be written to it."`
	NoSuid      bool   `diy:"nosuid,replace" default:"false" doc:"Whether set-user-ID programs in it run as who starts them."`
	NoDev       bool   `diy:"nodev,replace" default:"true" doc:"Whether device files in it cannot be opened."`
	NoExec      bool   `diy:"noexec,replace" default:"false" doc:"Whether programs in it cannot be run."`
	Propagation string `diy:"propagation,replace" default:"rprivate" enum:"private,rprivate,slave,rslave,shared,rshared" doc:"Which of the mounts made later below source or target the other side sees: mount_namespaces(7). With an r before it, what is mounted below the source by then comes along."`
	MapIDs      bool   `diy:"map_ids,replace" default:"false" doc:"Whether the files belong, inside, to the same ids as on the host. It takes root and a file system that can do it."`
	Size        string `diy:"size,replace" format:"size" doc:"Of a tmpfs: how much fits. Left out, half of the memory."`
	Mode        string `diy:"mode,replace" doc:"Of a tmpfs: the folder's permissions, in octal. Left out, 1777."`
}

func (b mountBlock) spec(env providers.Env) rootfs.Mount {
	m := rootfs.Mount{
		Target: filepath.Clean(b.Target), ReadOnly: b.ReadOnly, NoSuid: b.NoSuid, NoDev: b.NoDev, NoExec: b.NoExec,
		MapIDs: b.MapIDs, Size: sizeOf(b.Size),
	}
	if b.Type == "tmpfs" {
		mode, _ := parseMode(b.Mode)
		m.Mode = mode
		return m
	}
	m.Source, m.Propagation = absolute(env, b.Source), b.Propagation
	return m
}

// parseMode reads permissions in octal; "" is 0.
func parseMode(s string) (uint32, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o7777 {
		return 0, fmt.Errorf("%q is not a mode: write permissions in octal, as in %q", s, "0755")
	}
	return uint32(n), nil
}

type volumeBlock struct {
	Volume   string `diy:"volume,required,replace" doc:"The id of a volume resource."`
	Target   string `diy:"target,required,replace" format:"path" doc:"Folder of the container where its files are; made where it is missing."`
	ReadOnly bool   `diy:"read_only,replace" default:"false" doc:"Whether the container cannot write to it."`
	NoExec   bool   `diy:"noexec,replace" default:"false" doc:"Whether programs in it cannot be run."`
}

func (b volumeBlock) spec(env providers.Env) rootfs.Mount {
	return rootfs.Mount{
		Source: volumePath(env, b.Volume), Target: filepath.Clean(b.Target),
		ReadOnly: b.ReadOnly, NoExec: b.NoExec, NoDev: true, MapIDs: true,
	}
}

type deviceBlock struct {
	Source string `diy:"source,required,replace" format:"path" doc:"Device file on the host, as /dev/net/tun. Its own permissions hold: outside, the container's root is an ordinary user, who cannot open what only root may."`
	Target string `diy:"target,replace" format:"path" doc:"Its place below /dev in the container. Left out, it is the source's."`
}

func (b deviceBlock) spec() rootfs.Device {
	return rootfs.Device{Source: filepath.Clean(b.Source), Target: filepath.Clean(cmp.Or(b.Target, b.Source))}
}

type limitsBlock struct {
	Memory    string     `diy:"memory" format:"size" doc:"Memory, the page cache of files included; at least 1M. Who wants more is ended by the kernel."`
	Swap      string     `diy:"swap" format:"size" doc:"Swap space besides the memory; 0 is none. Left out, it is the kernel's default."`
	CPUs      float64    `diy:"cpus" min:"0" doc:"Time of processors: 0.5 is half of one; 0 is no limit."`
	CPUWeight int        `diy:"cpu_weight" min:"1" max:"10000" doc:"Share of the processors where there is not enough for all. The default is 100."`
	PIDs      int64      `diy:"pids" min:"1" doc:"Processes and threads."`
	IOWeight  int        `diy:"io_weight" min:"1" max:"10000" doc:"Share of the disks where there is not enough for all. The default is 100."`
	IO        []ioLimits `diy:"io,block" doc:"Limits of the use of one disk."`
}

type ioLimits struct {
	Device    string `diy:"device,required" format:"path" doc:"The disk: its device file, or a file or folder on it."`
	ReadBPS   string `diy:"read_bps" format:"size" doc:"Bytes read in a second."`
	WriteBPS  string `diy:"write_bps" format:"size" doc:"Bytes written in a second."`
	ReadIOPS  int64  `diy:"read_iops" min:"1" doc:"Reads in a second."`
	WriteIOPS int64  `diy:"write_iops" min:"1" doc:"Writes in a second."`
}

func (b *limitsBlock) limits() cgroup.Limits {
	if b == nil {
		return cgroup.Limits{}
	}
	l := cgroup.Limits{Memory: sizeOf(b.Memory), CPUs: b.CPUs, CPUWeight: b.CPUWeight, PIDs: b.PIDs, IOWeight: b.IOWeight}
	if b.Swap != "" {
		swap := sizeOf(b.Swap)
		l.Swap = &swap
	}
	for _, io := range b.IO {
		l.IO = append(l.IO, cgroup.IO{
			Device: io.Device, ReadBPS: sizeOf(io.ReadBPS), WriteBPS: sizeOf(io.WriteBPS), ReadIOPS: io.ReadIOPS, WriteIOPS: io.WriteIOPS,
		})
	}
	return l
}

type rlimitBlock struct {
	Name string `diy:"name,required,replace" doc:"Which: nofile, nproc, core, memlock, and the others of getrlimit(2), without RLIMIT_."`
	Soft string `diy:"soft,required,replace" doc:"What is in force: a number, or unlimited."`
	Hard string `diy:"hard,replace" doc:"How far a process may raise it. Left out, it is the same."`
}

func (b rlimitBlock) spec() launch.ResourceLimit {
	soft, _ := parseRLimit(b.Soft)
	hard, _ := parseRLimit(cmp.Or(b.Hard, b.Soft))
	return launch.ResourceLimit{Name: b.Name, Soft: soft, Hard: hard}
}

func parseRLimit(s string) (uint64, error) {
	if s == "unlimited" {
		return math.MaxUint64, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf(`%q is not a limit: write a whole number, or "unlimited"`, s)
	}
	return n, nil
}

type capabilitiesBlock struct {
	Add  []string `diy:"add,unordered,replace" doc:"Capabilities by name, as NET_ADMIN, or ALL. They hold for the container's own namespaces."`
	Drop []string `diy:"drop,unordered,replace" doc:"Capabilities by name, or ALL. What is added too stays."`
}

type namespacesBlock struct {
	Keep      []string `diy:"keep,unordered,replace" doc:"Namespaces of the host to stay in: user, pid, network, ipc, uts, cgroup, time."`
	Join      []string `diy:"join,unordered,replace" doc:"Namespaces of another container to be in."`
	Container string   `diy:"container,replace" doc:"That container: its id. When it is replaced, this one is too."`
}

// sharesOf gives a planned container's block namespaces, as far as it is known.
func sharesOf(planned cty.Value) namespacesBlock {
	var b namespacesBlock
	if v := planned.GetAttr("namespaces"); v.IsKnown() && !v.IsNull() {
		schema.Of[namespacesBlock]().Decode(v, &b)
	}
	return b
}

// has reports whether a namespace is not the container's own.
func (b namespacesBlock) has(kind string) bool {
	return slices.Contains(b.Keep, kind) || slices.Contains(b.Join, kind)
}

type restartBlock struct {
	Policy string `diy:"policy" default:"on-failure" enum:"never,on-failure,always" doc:"When: on-failure is after an exit code other than 0, always after any."`
	Max    int    `diy:"max" default:"0" min:"0" doc:"How often in a row; 0 is without end."`
	Delay  string `diy:"delay" default:"1s" format:"duration" doc:"Pause before the first restart. It doubles with each that follows, up to a minute, and is as at first again when the command has run for ten seconds."`
}

func (b *restartBlock) restart() supervisor.Restart {
	if b == nil || b.Policy == "never" {
		return supervisor.Restart{}
	}
	return supervisor.Restart{Policy: supervisor.RestartPolicy(b.Policy), Max: b.Max, Delay: durationOf(b.Delay)}
}

type healthCheckBlock struct {
	Command     []string `diy:"command" doc:"Command to run inside; healthy is exit code 0."`
	TCP         string   `diy:"tcp" doc:"Address and port to connect to from inside, as 127.0.0.1:80."`
	HTTP        string   `diy:"http" doc:"URL to get from inside, as http://127.0.0.1/; healthy is a status below 400."`
	Interval    string   `diy:"interval" default:"30s" format:"duration" doc:"Pause between two checks. While it starts, checks come more often."`
	Timeout     string   `diy:"timeout" default:"30s" format:"duration" doc:"How long one check may take."`
	Retries     int      `diy:"retries" default:"3" min:"1" max:"1000" doc:"Failures in a row that make it unhealthy."`
	StartPeriod string   `diy:"start_period" default:"0s" format:"duration" doc:"How long after the start failures do not count."`
}

func (b *healthCheckBlock) check() *supervisor.HealthCheck {
	if b == nil {
		return nil
	}
	return &supervisor.HealthCheck{
		Command: b.Command, TCP: b.TCP, HTTP: b.HTTP, Interval: durationOf(b.Interval), Timeout: durationOf(b.Timeout),
		Retries: b.Retries, StartPeriod: durationOf(b.StartPeriod),
	}
}

type dnsBlock struct {
	Servers []string `diy:"servers" format:"ip" doc:"Addresses of name servers."`
	Search  []string `diy:"search" doc:"Domains in which names without dots are looked up."`
	Options []string `diy:"options" doc:"Options of resolv.conf(5), as ndots:2."`
}

func (b *dnsBlock) dns() *supervisor.DNS {
	if b == nil {
		return nil
	}
	return &supervisor.DNS{Servers: b.Servers, Search: b.Search, Options: b.Options}
}

type logBlock struct {
	MaxSize  string `diy:"max_size" default:"10M" format:"size" doc:"Size of one file, after which the next is begun."`
	MaxFiles int    `diy:"max_files" default:"3" min:"1" max:"1000" doc:"How many files are kept, with the one that is written."`
}

func (b *logBlock) log() supervisor.Log {
	if b == nil {
		return supervisor.Log{}
	}
	return supervisor.Log{MaxSize: sizeOf(b.MaxSize), MaxFiles: b.MaxFiles}
}

// sizeOf gives a size that the schema has checked; "" is 0.
func sizeOf(s string) int64 {
	n, err := schema.ParseSize(cmp.Or(s, "0"))
	if err != nil {
		panic("a size was not checked, which is a bug: " + err.Error())
	}
	return n
}

// durationOf gives a duration that the schema has checked; "" is 0.
func durationOf(s string) time.Duration {
	d, err := schema.ParseDuration(cmp.Or(s, "0"))
	if err != nil {
		panic("a duration was not checked, which is a bug: " + err.Error())
	}
	return d
}
