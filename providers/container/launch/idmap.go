package launch

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"strings"

	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/providers/container/userns"
)

const (
	rangeSize = 65536

	// The ids that systemd's "Users, Groups, UIDs and GIDs" sets aside for containers.
	firstRange = 0x00080000
	lastRange  = 0x6FFF0000
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

// idsFor gives the ids of a container: its own, those of the container that it joins, or the
// host's.
func idsFor(spec Spec, scope string, join *pidfd.Process) (idMaps, error) {
	switch {
	case join != nil:
		ids, err := IDsOf(join.PID)
		return idMaps{uids: ids.UIDs, gids: ids.GIDs, dropGroups: ids.SetGroups}, err
	case spec.keeps(kindUser):
		ids, err := IDsOf(os.Getpid())
		for _, ranges := range [][]process.Range{ids.UIDs, ids.GIDs} {
			for i := range ranges {
				ranges[i].Outside = ranges[i].Inside
			}
		}
		return idMaps{uids: ids.UIDs, gids: ids.GIDs, dropGroups: ids.SetGroups}, err
	}
	return chooseIDs(spec.IDMap, scope+"\x00"+spec.ID)
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
	for _, file := range []string{userns.SubUIDs, userns.SubGIDs} {
		list, err := userns.Subordinate(file, nil)
		if err == nil {
			ranges = append(ranges, list...)
		}
	}
	return ranges
}

// chooseForUser maps the user to the container's root, and where the user has subordinate
// ids and the tools that may map them, these to the other ids.
func chooseForUser(kind IDMap) (idMaps, error) {
	m := userns.Single()
	if kind != IDMapSingle {
		ranged, err := userns.Range()
		switch {
		case err == nil:
			m = ranged
		case kind == IDMapRange:
			return idMaps{}, fmt.Errorf("find a range of ids: %w", err)
		}
	}
	return idMaps{uids: m.UIDs, gids: m.GIDs, tools: m.Tools, dropGroups: m.DropGroups}, nil
}

// write gives the process in a new user namespace its ids: user_namespaces(7).
func (m idMaps) write(ctx context.Context, pid int) error {
	return userns.Map{UIDs: m.uids, GIDs: m.gids, Tools: m.tools, DropGroups: m.dropGroups}.Write(ctx, pid)
}
