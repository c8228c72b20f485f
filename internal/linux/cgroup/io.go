package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// setIO sets the limits of devices. Devices that have some and shall not any more lose them.
func (g *Group) setIO(limits []IO) error {
	wanted := map[string]IO{}
	for _, l := range limits {
		device, err := g.host.device(l.Device)
		if err != nil {
			return err
		}
		if other, twice := wanted[device]; twice {
			return fmt.Errorf("limit \"io\": %s and %s are on the same device, %s", other.Device, l.Device, device)
		}
		wanted[device] = l
	}
	if dir := g.with("io.max"); dir != "" {
		return setIOV2(dir, wanted)
	}
	if dir := g.with("blkio.throttle.read_bps_device"); dir != "" {
		return setIOV1(dir, wanted)
	}
	if len(limits) > 0 {
		return missing("io", "io")
	}
	return nil
}

func setIOV2(dir string, wanted map[string]IO) error {
	devices, err := limitedDevices(dir, "io.max", wanted)
	if err != nil {
		return err
	}
	for _, device := range devices {
		l := wanted[device]
		s := setting{"io.max", fmt.Sprintf("%s rbps=%s wbps=%s riops=%s wiops=%s", device,
			orMax(l.ReadBPS), orMax(l.WriteBPS), orMax(l.ReadIOPS), orMax(l.WriteIOPS))}
		if err := write(dir, s.file, s.value); err != nil {
			return refused("io", dir, s, err)
		}
	}
	return nil
}

func setIOV1(dir string, wanted map[string]IO) error {
	for file, value := range map[string]func(IO) int64{
		"blkio.throttle.read_bps_device":   func(l IO) int64 { return l.ReadBPS },
		"blkio.throttle.write_bps_device":  func(l IO) int64 { return l.WriteBPS },
		"blkio.throttle.read_iops_device":  func(l IO) int64 { return l.ReadIOPS },
		"blkio.throttle.write_iops_device": func(l IO) int64 { return l.WriteIOPS },
	} {
		devices, err := limitedDevices(dir, file, wanted)
		if err != nil {
			return err
		}
		for _, device := range devices {
			// 0 is no limit.
			s := setting{file, fmt.Sprintf("%s %d", device, value(wanted[device]))}
			if err := write(dir, s.file, s.value); err != nil {
				return refused("io", dir, s, err)
			}
		}
	}
	return nil
}

// limitedDevices gives the devices that have a limit in a file, or are wanted to.
func limitedDevices(dir, file string, wanted map[string]IO) ([]string, error) {
	text, err := readText(dir, file)
	if err != nil {
		return nil, fmt.Errorf("read limits of devices: %w", err)
	}
	all := maps.Clone(wanted)
	for line := range strings.Lines(text) {
		device, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, there := all[device]; !there && device != "" {
			all[device] = IO{}
		}
	}
	return slices.Sorted(maps.Keys(all)), nil
}

func orMax(n int64) string {
	if n == 0 {
		return "max"
	}
	return strconv.FormatInt(n, 10)
}

// device gives the number, as in "8:0", of the block device that a path names, or that the
// file or folder at the path is on. It is that of the whole disk: the kernel limits no
// partitions.
func (h host) device(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("limit \"io\": %w", err)
	}
	number, err := deviceOf(path, info)
	if err != nil {
		return "", err
	}
	at := filepath.Join(h.sys, "dev/block", number)
	if _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) {
		return "", &unavailable{
			what:   fmt.Sprintf("The limit \"io\" of %s cannot be enforced", path),
			reason: fmt.Sprintf("the file system there is on no single block device (%s)", number),
			advice: "Name the device itself: /dev/sda",
		}
	}
	if !exists(at, "partition") {
		return number, nil
	}
	// The entry is a link to .../block/sda/sda1.
	target, err := filepath.EvalSymlinks(at)
	if err != nil {
		return "", fmt.Errorf("limit \"io\": %w", err)
	}
	disk, err := readText(filepath.Dir(target), "dev")
	if err != nil {
		return "", fmt.Errorf("limit \"io\": find the disk of partition %s: %w", path, err)
	}
	return disk, nil
}

func deviceOf(path string, info fs.FileInfo) (string, error) {
	if info.Mode()&fs.ModeCharDevice != 0 {
		return "", fmt.Errorf("limit \"io\": %s is a character device, and only block devices can be limited", path)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "", fmt.Errorf("limit \"io\": %w", &fs.PathError{Op: "stat", Path: path, Err: err})
	}
	number := st.Dev
	if info.Mode()&fs.ModeDevice != 0 {
		number = st.Rdev
	}
	return fmt.Sprintf("%d:%d", unix.Major(number), unix.Minor(number)), nil
}
