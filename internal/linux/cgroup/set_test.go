package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folder makes a group's folder with empty files, as far as this package writes them.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func empty(names ...string) map[string]string {
	files := map[string]string{}
	for _, name := range names {
		files[name] = ""
	}
	return files
}

// disk has a disk, a partition of it and a file system without a device.
func disk(t *testing.T) host {
	t.Helper()
	sys := t.TempDir()
	for path, text := range map[string]string{
		"devices/sda/dev":            "8:0\n",
		"devices/sda/sda1/dev":       "8:1\n",
		"devices/sda/sda1/partition": "1\n",
	} {
		path = filepath.Join(sys, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(sys, "dev/block"), 0o755); err != nil {
		t.Fatal(err)
	}
	here, err := os.Stat(sys)
	if err != nil {
		t.Fatal(err)
	}
	number, err := deviceOf(sys, here)
	if err != nil {
		t.Fatal(err)
	}
	// The folder of this test is on the partition, as this host has it.
	if err := os.Symlink("../../devices/sda/sda1", filepath.Join(sys, "dev/block", number)); err != nil {
		t.Fatal(err)
	}
	h := thisHost()
	h.sys = sys
	return h
}

func TestWhatLimitsAreWritten(t *testing.T) {
	swap := int64(100)
	h := disk(t)
	limits := Limits{
		Memory: 1000, Swap: &swap, CPUs: 1.5, CPUWeight: 1000, PIDs: 7, IOWeight: 1000,
		IO: []IO{{Device: h.sys, ReadBPS: 5, WriteIOPS: 6}},
	}
	for name, test := range map[string]struct {
		files        map[string]string
		limited, not map[string]string
	}{
		"version 2": {
			files: empty("memory.max", "memory.swap.max", "cpu.max", "cpu.weight", "pids.max", "io.weight", "io.bfq.weight", "io.max"),
			limited: map[string]string{
				"memory.max": "1000", "memory.swap.max": "100", "cpu.max": "150000 100000", "cpu.weight": "1000", "pids.max": "7",
				"io.weight": "default 1000", "io.bfq.weight": "181", "io.max": "8:0 rbps=5 wbps=max riops=max wiops=6",
			},
			not: map[string]string{
				"memory.max": "max", "memory.swap.max": "max", "cpu.max": "max 100000", "cpu.weight": "100", "pids.max": "max",
				"io.weight": "default 100", "io.bfq.weight": "100", "io.max": "8:0 rbps=max wbps=max riops=max wiops=max",
			},
		},
		"version 1": {
			files: map[string]string{
				limitFile: "9223372036854771712", totalFile: "", "cpu.cfs_quota_us": "", "cpu.cfs_period_us": "", "cpu.shares": "",
				"pids.max": "", "blkio.bfq.weight": "", "blkio.throttle.read_bps_device": "", "blkio.throttle.write_bps_device": "",
				"blkio.throttle.read_iops_device": "", "blkio.throttle.write_iops_device": "",
			},
			limited: map[string]string{
				limitFile: "1000", totalFile: "1100", "cpu.cfs_quota_us": "150000", "cpu.cfs_period_us": "100000", "cpu.shares": "10240",
				"pids.max": "7", "blkio.bfq.weight": "181", "blkio.throttle.read_bps_device": "8:0 5", "blkio.throttle.write_iops_device": "8:0 6",
			},
			not: map[string]string{
				limitFile: "-1", totalFile: "-1", "cpu.cfs_quota_us": "-1", "cpu.shares": "1024",
				"pids.max": "max", "blkio.bfq.weight": "100", "blkio.throttle.read_bps_device": "8:0 0",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, test.files)
			g := &Group{dirs: []string{dir}, host: h}
			for _, step := range []struct {
				limits Limits
				want   map[string]string
			}{{limits, test.limited}, {Limits{}, test.not}} {
				if err := g.Set(step.limits); err != nil {
					t.Fatal(err)
				}
				for file, want := range step.want {
					// A value is written over the last one; the kernel takes each alone.
					if got, err := readText(dir, file); !strings.HasPrefix(got, want) || err != nil {
						t.Errorf("%s is %q, not %q (%v)", file, got, want, err)
					}
				}
			}
		})
	}
}

func TestLimitWithoutAFileIsAnError(t *testing.T) {
	swap := int64(0)
	for name, test := range map[string]struct {
		limits Limits
		files  map[string]string
	}{
		"memory":      {Limits{Memory: 1}, nil},
		"cpus":        {Limits{CPUs: 1}, empty("cpu.weight")},
		"cpu_weight":  {Limits{CPUWeight: 1}, empty("cpu.max")},
		"pids":        {Limits{PIDs: 1}, nil},
		"io_weight":   {Limits{IOWeight: 1}, empty("io.max")},
		"swap":        {Limits{Memory: 1, Swap: &swap}, empty("memory.max")},
		"swap (1)":    {Limits{Memory: 1, Swap: &swap}, map[string]string{limitFile: "0"}},
		"swap alone":  {Limits{Swap: &swap}, map[string]string{limitFile: "0", totalFile: "0"}},
		"io":          {Limits{IO: []IO{{Device: disk(t).sys}}}, nil},
		"no such one": {Limits{IO: []IO{{Device: "/proc/self"}}}, empty("io.max")},
	} {
		t.Run(name, func(t *testing.T) {
			g := &Group{dirs: []string{folder(t, test.files)}, host: disk(t)}
			if err := g.Set(test.limits); !errors.Is(err, ErrUnavailable) {
				t.Errorf("got %v", err)
			}
			if err := g.Set(Limits{}); err != nil {
				t.Errorf("without limits: %v", err)
			}
		})
	}
}

func TestDevices(t *testing.T) {
	h := disk(t)
	if number, err := h.device(h.sys); number != "8:0" || err != nil {
		t.Errorf("the folder is on %s (%v)", number, err)
	}
	if _, err := h.device("/dev/null"); err == nil || !strings.Contains(err.Error(), "only block devices") {
		t.Errorf("/dev/null: %v", err)
	}
	g := &Group{dirs: []string{folder(t, empty("io.max"))}, host: h}
	if err := g.Set(Limits{IO: []IO{{Device: h.sys}, {Device: h.sys + "/devices"}}}); err == nil || !strings.Contains(err.Error(), "same device, 8:0") {
		t.Errorf("one device twice: %v", err)
	}
}
