package cgroup

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// pathSeparator separates the folders in a group's path, and is in none of their names.
const pathSeparator = ":"

// maxName is how long a folder's name may be: NAME_MAX.
const maxName = 255

// kernelNames are what the names of the kernel's own files in a group begin with, up to the
// first dot.
var kernelNames = []string{
	"cgroup", "cpu", "cpuacct", "cpuset", "memory", "io", "blkio", "pids", "rdma", "hugetlb", "misc", "dmem",
	"devices", "freezer", "net_cls", "net_prio", "perf_event", "debug", "irq", "tasks", "notify_on_release", "release_agent",
}

// fileName makes a folder's name of any text, different ones of different texts. An
// underscore before it keeps it apart from the kernel's files, as systemd does it.
func fileName(text string) string {
	var b strings.Builder
	first, _, _ := strings.Cut(text, ".")
	if text == "" || text[0] == '_' || first == "" || slices.Contains(kernelNames, first) {
		b.WriteByte('_')
	}
	for _, c := range []byte(text) {
		if c < ' ' || c == 0x7f || strings.IndexByte("/%"+pathSeparator, c) >= 0 {
			fmt.Fprintf(&b, "%%%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	name := b.String()
	if len(name) > maxName {
		sum := fmt.Sprintf("%%%x", sha256.Sum256([]byte(text)))
		name = name[:maxName-len(sum)] + sum
	}
	return name
}
