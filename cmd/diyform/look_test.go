package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// machine is what other tools see of the kernel, by namespace and kind, and in its files,
// without the numbers that every making of an object gives anew.
type machine map[string]any

// volatile are those numbers, and what follows from timing.
var volatile = []string{"ifindex", "link_index", "link_netnsid", "handle", "stats64", "stats", "operstate", "flags", "linkmode", "valid_life_time", "preferred_life_time"}

func (l *lab) look() machine {
	l.Helper()
	m := machine{}
	pins, err := filepath.Glob("/run/netns/*")
	if err != nil {
		l.Fatal(err)
	}
	m["namespaces"] = pins
	for _, pin := range append(pins, "/proc/self/ns/net") {
		m[pin+" addresses"] = l.json(pin, "ip", "-json", "-details", "address", "show")
		m[pin+" routes"] = l.json(pin, "ip", "-json", "route", "show", "table", "all")
		m[pin+" routes6"] = l.json(pin, "ip", "-6", "-json", "route", "show", "table", "all")
		m[pin+" rules"] = l.json(pin, "nft", "--json", "list", "ruleset")
		m[pin+" forward"] = l.output(pin, "sysctl", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")
	}
	mounts := strings.Split(l.output("", "findmnt", "--raw", "--noheadings", "--output", "TARGET,FSTYPE"), "\n")
	slices.Sort(mounts)
	m["mounts"] = mounts
	m["processes"] = l.processes()
	m["files"] = slices.Concat(l.files("/run"), l.files("/var/lib"))
	m["cgroups"] = l.cgroups()
	m["greeting"] = l.greeting()
	return m
}

// processes lists what runs in the playhost besides this test, also what has ended and whose
// parent does not reap it.
func (l *lab) processes() []string {
	l.Helper()
	var lines []string
	for range 50 { // most parents reap at once
		lines = slices.Sorted(maps.Values(l.commandLines()))
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, ") Z ") }) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return lines
}

// commandLines gives the command lines of the playhost's processes, besides this test and
// init, by process id.
func (l *lab) commandLines() map[int]string {
	l.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		l.Fatal(err)
	}
	list := map[int]string{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == 1 || pid == os.Getpid() {
			continue
		}
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && len(line) == 0 {
			line, err = os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if !bytes.Contains(line, []byte(") Z ")) || bytes.Contains(line, []byte(") Z 1 ")) {
				continue // it is ending, or init is about to reap it
			}
		}
		if err == nil { // else it has gone meanwhile
			list[pid] = strings.ReplaceAll(string(bytes.Trim(line, "\x00\n")), "\x00", " ")
		}
	}
	return list
}

// numbered is the name of a file that tells of a network namespace by its number.
var numbered = regexp.MustCompile(`net-[0-9]+,`)

// files lists what is below a folder, with type and mode. Of the store of images there is
// nothing: it is a cache, looked at by itself.
func (l *lab) files(root string) []string {
	l.Helper()
	var list []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if path == "/run/netns" || path == l.dir || strings.HasSuffix(path, "/diyform/images") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".spool") {
			return nil // made with the first output, or when a run has ended
		}
		info, err := d.Info()
		if err == nil {
			list = append(list, fmt.Sprintf("%s %s", info.Mode(), numbered.ReplaceAllString(path, "net-N,")))
		}
		return nil
	})
	if err != nil {
		l.Fatal(err)
	}
	return list
}

// cgroups lists the stack's control groups, with their limits of memory.
func (l *lab) cgroups() []string {
	l.Helper()
	var list []string
	for _, pattern := range []string{"/sys/fs/cgroup/diyform/*", "/sys/fs/cgroup/*/diyform/*"} {
		stacks, err := filepath.Glob(pattern)
		if err != nil {
			l.Fatal(err)
		}
		for _, stack := range stacks {
			if !strings.Contains(stack, l.lineage) {
				continue // of another playhost
			}
			groups, err := filepath.Glob(stack + "/*/")
			if err != nil {
				l.Fatal(err)
			}
			list = append(list, stack)
			for _, group := range groups {
				limit, _ := os.ReadFile(group + "memory.limit_in_bytes")
				limit2, _ := os.ReadFile(group + "memory.max")
				list = append(list, fmt.Sprintf("%s %s%s", group, limit, limit2))
			}
		}
	}
	return list
}

// greeting gives what a container of the lab has written to its volume.
func (l *lab) greeting() string {
	l.Helper()
	volumes, err := filepath.Glob("/var/lib/diyform/volumes/*/*/greeting")
	if err != nil {
		l.Fatal(err)
	}
	var text []byte
	for _, file := range volumes {
		part, err := os.ReadFile(file)
		if err != nil {
			l.Fatal(err)
		}
		text = append(text, part...)
	}
	return string(text)
}

func (l *lab) output(pin string, args ...string) string {
	l.Helper()
	if pin != "" {
		args = append([]string{"nsenter", "--net=" + pin}, args...)
	}
	out, err := exec.CommandContext(l.Context(), args[0], args[1:]...).CombinedOutput()
	if err != nil && args[0] != "sh" {
		l.Fatalf("%s: %v\n%s", args, err, out)
	}
	return string(out)
}

func (l *lab) json(pin string, args ...string) any {
	l.Helper()
	out := l.output(pin, args...)
	var v any
	if strings.TrimSpace(out) == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		l.Fatalf("%s: %v\n%s", args, err, out)
	}
	return sorted(stable(v))
}

// stable takes the volatile numbers out of what a tool printed.
func stable(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range volatile {
			delete(v, key)
		}
		for key, e := range v {
			if strings.HasSuffix(key, "_timer") {
				delete(v, key)
			} else {
				v[key] = stable(e)
			}
		}
	case []any:
		kept := []any{}
		for _, e := range v {
			if !isLinkLocal(e) {
				kept = append(kept, stable(e))
			}
		}
		return kept
	}
	return v
}

// isLinkLocal tells of a link-local address and of the route to it, which the kernel makes
// and which are complete only when nobody else has been found to have the address.
func isLinkLocal(v any) bool {
	object, _ := v.(map[string]any)
	for _, key := range []string{"local", "dst"} {
		if text, _ := object[key].(string); strings.HasPrefix(text, "fe80::") && text != "fe80::/64" {
			return true
		}
	}
	return false
}

// sorted brings the outer list into an order that does not tell which object was first.
func sorted(v any) any {
	if rules, ok := v.(map[string]any); ok {
		v = rules["nftables"]
	}
	list, ok := v.([]any)
	if !ok {
		return v
	}
	slices.SortFunc(list, func(a, b any) int {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		return bytes.Compare(x, y)
	})
	return list
}
