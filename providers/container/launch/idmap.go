package launch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/diyform/diyform/internal/linux/process"
)

const (
	rangeSize = 65536

	// The ids that systemd's "Users, Groups, UIDs and GIDs" sets aside for containers.
	firstRange = 0x00080000
	lastRange  = 0x6FFF0000

	subUIDs = "/etc/subuid"
	subGIDs = "/etc/subgid"
)

// idMaps are a container's mappings, and how they are written.
type idMaps struct {
	uids, gids []process.Range
	tools      bool // by newuidmap and newgidmap
	dropGroups bool // supplementary groups may be changed after that
}

// rootIDs gives who the container's root is outside.
func (m idMaps) rootIDs() (uid, gid int) { return int(m.uids[0].Outside), int(m.gids[0].Outside) }

// chooseIDs resolves an IDMap for the process that launches. The key is the container's.
func chooseIDs(kind IDMap, key string) (idMaps, error) {
	uids, err := process.UIDMap("self")
	if err != nil {
		return idMaps{}, err
	}
	gids, err := process.GIDMap("self")
	if err != nil {
		return idMaps{}, err
	}
	if os.Geteuid() != 0 {
		return chooseForUser(kind)
	}
	m := idMaps{dropGroups: !groupsDenied()}
	first, ok := rangeWithin(uids, gids, key)
	switch {
	case ok && kind == IDMapSingle:
		m.uids = []process.Range{{Outside: first, Count: 1}}
	case ok:
		m.uids = []process.Range{{Outside: first, Count: rangeSize}}
	case kind == IDMapRange:
		return idMaps{}, fmt.Errorf("find a range of ids: this user namespace has no %d of them besides root", rangeSize)
	default:
		m.uids = []process.Range{{Count: 1}}
	}
	m.gids = m.uids
	return m, nil
}

// groupsDenied reports whether this user namespace, and so those in it, may not use
// setgroups(2).
func groupsDenied() bool {
	text, err := os.ReadFile("/proc/self/setgroups")
	return err == nil && strings.TrimSpace(string(text)) == "deny"
}

// rangeWithin finds ids for a container among those that this process may give away. Never
// 0: mapped to itself, the container's root could write what the kernel gives to root by
// its id, such as /proc/sys.
func rangeWithin(uids, gids []process.Range, key string) (uint32, bool) {
	first := hashed(key, taken())
	if contains(uids, first) && contains(gids, first) {
		return first, true
	}
	for _, r := range uids {
		first := max(r.Inside, 1)
		if contains(uids, first) && contains(gids, first) {
			return first, true
		}
	}
	return 0, false
}

func contains(ranges []process.Range, first uint32) bool {
	for _, r := range ranges {
		if first >= r.Inside && uint64(first)+rangeSize <= uint64(r.Inside)+uint64(r.Count) {
			return true
		}
	}
	return false
}

// hashed gives a container the same range each time, another one than to other containers,
// and none that users have.
func hashed(key string, taken []process.Range) uint32 {
	h := fnv.New32a()
	h.Write([]byte(key))
	const ranges = (lastRange - firstRange) / rangeSize
	for i := range uint32(ranges) {
		first := firstRange + (h.Sum32()+i)%ranges*rangeSize
		free := true
		for _, t := range taken {
			free = free && (first+rangeSize <= t.Outside || t.Outside+t.Count <= first)
		}
		if free {
			return first
		}
	}
	return firstRange
}

// taken gives the ranges that users were given.
func taken() []process.Range {
	var ranges []process.Range
	for _, file := range []string{subUIDs, subGIDs} {
		list, err := subordinate(file, nil)
		if err == nil {
			ranges = append(ranges, list...)
		}
	}
	return ranges
}

// chooseForUser maps the user to the container's root, and where the user has subordinate
// ids and the tools that may map them, these to the other ids.
func chooseForUser(kind IDMap) (idMaps, error) {
	uid := process.Range{Outside: uint32(os.Geteuid()), Count: 1}
	gid := process.Range{Outside: uint32(os.Getegid()), Count: 1}
	m := idMaps{uids: []process.Range{uid}, gids: []process.Range{gid}}
	if kind == IDMapSingle {
		return m, nil
	}
	uids, uidErr := ownSubordinate(subUIDs, "newuidmap")
	gids, gidErr := ownSubordinate(subGIDs, "newgidmap")
	if err := errors.Join(uidErr, gidErr); err != nil {
		if kind == IDMapRange {
			return idMaps{}, fmt.Errorf("find a range of ids: %w", err)
		}
		return m, nil
	}
	m.uids, m.gids = append(m.uids, uids), append(m.gids, gids)
	m.tools, m.dropGroups = true, true
	return m, nil
}

func ownSubordinate(file, tool string) (process.Range, error) {
	if _, err := exec.LookPath(tool); err != nil {
		return process.Range{}, fmt.Errorf("%s is not installed", tool)
	}
	names := []string{strconv.Itoa(os.Geteuid())}
	if u, err := user.LookupId(names[0]); err == nil {
		names = append(names, u.Username)
	}
	ranges, err := subordinate(file, names)
	if err != nil {
		return process.Range{}, err
	}
	if len(ranges) == 0 {
		return process.Range{}, fmt.Errorf("%s has no entry for %s", file, names[len(names)-1])
	}
	ranges[0].Inside = 1
	return ranges[0], nil
}

// subordinate reads subuid(5): NAME:FIRST:COUNT a line. With names, only theirs.
func subordinate(file string, names []string) ([]process.Range, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read subordinate ids: %w", err)
	}
	defer f.Close()
	var ranges []process.Range
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(fields) != 3 || names != nil && !slices.Contains(names, fields[0]) {
			continue
		}
		first, err1 := strconv.ParseUint(fields[1], 10, 32)
		count, err2 := strconv.ParseUint(fields[2], 10, 32)
		if err1 == nil && err2 == nil && count > 0 {
			ranges = append(ranges, process.Range{Outside: uint32(first), Count: uint32(count)})
		}
	}
	return ranges, nil
}

// write gives the process in a new user namespace its ids: user_namespaces(7).
func (m idMaps) write(ctx context.Context, pid int) error {
	if m.tools {
		return m.writeByTools(ctx, pid)
	}
	dir := fmt.Sprintf("/proc/%d/", pid)
	if !m.dropGroups {
		// Otherwise who has one group could leave another that forbids something to it.
		if err := writeFile(dir+"setgroups", "deny"); err != nil {
			return fmt.Errorf("map ids: %w", err)
		}
	}
	if err := writeFile(dir+"uid_map", lines(m.uids)); err != nil {
		return fmt.Errorf("map ids: %w", err)
	}
	if err := writeFile(dir+"gid_map", lines(m.gids)); err != nil {
		return fmt.Errorf("map ids: %w", err)
	}
	return nil
}

// writeFile writes in one write(2), as the kernel wants it, to a file that exists.
func writeFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func lines(ranges []process.Range) string {
	var b strings.Builder
	for _, r := range ranges {
		fmt.Fprintln(&b, r.Inside, r.Outside, r.Count)
	}
	return b.String()
}

// writeByTools runs newuidmap(1) and newgidmap(1), which have the privilege and check
// /etc/subuid, at the same time.
func (m idMaps) writeByTools(ctx context.Context, pid int) error {
	run := func(tool string, ranges []process.Range) error {
		args := append([]string{strconv.Itoa(pid)}, strings.Fields(lines(ranges))...)
		out, err := exec.CommandContext(ctx, tool, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("map ids: %s: %w: %s", tool, err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	groups := make(chan error, 1)
	go func() { groups <- run("newgidmap", m.gids) }()
	return errors.Join(run("newuidmap", m.uids), <-groups)
}
