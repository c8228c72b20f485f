package launch

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/moby/sys/user"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/process"
)

// maxAccountFile is how much is read of an image's /etc/passwd and /etc/group.
const maxAccountFile = 1 << 20

// IDs are the ids that exist in a container's user namespace, and whether its processes may
// change their supplementary groups.
type IDs struct {
	UIDs, GIDs []process.Range
	SetGroups  bool
}

// IDsOf gives the ids of a running container by its first process.
func IDsOf(pid int) (IDs, error) {
	uids, err := process.UIDMap(fmt.Sprint(pid))
	if err != nil {
		return IDs{}, err
	}
	gids, err := process.GIDMap(fmt.Sprint(pid))
	if err != nil {
		return IDs{}, err
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/setgroups", pid))
	if err != nil {
		return IDs{}, fmt.Errorf("look at the container's groups: %w", err)
	}
	return IDs{uids, gids, strings.TrimSpace(string(text)) == "allow"}, nil
}

// Account looks up a user of a container, as Spec.User has it, in the files of its root.
func Account(root *os.File, name string, ids IDs) (fork.Account, error) {
	passwd, err := readAccounts(root, "/etc/passwd")
	if err != nil {
		return fork.Account{}, err
	}
	group, err := readAccounts(root, "/etc/group")
	if err != nil {
		return fork.Account{}, err
	}
	// What is not in the files: numbers are users all the same.
	defaults := &user.ExecUser{Home: "/"}
	u, err := user.GetExecUser(name, defaults, bytes.NewReader(passwd), bytes.NewReader(group))
	if err != nil {
		return fork.Account{}, unknownAccount(name, err)
	}
	a := fork.Account{Home: u.Home}
	if u.Uid == 0 && (a.Home == "" || a.Home == "/" && !bytes.Contains(passwd, []byte(":"))) {
		a.Home = "/root"
	}
	if a.UID, err = ids.mapped("user", u.Uid, ids.UIDs); err != nil {
		return fork.Account{}, err
	}
	if a.GID, err = ids.mapped("group", u.Gid, ids.GIDs); err != nil {
		return fork.Account{}, err
	}
	if !ids.SetGroups {
		return a, nil
	}
	for _, g := range u.Sgids {
		gid, err := ids.mapped("group", g, ids.GIDs)
		if err != nil {
			return fork.Account{}, err
		}
		a.Groups = append(a.Groups, gid)
	}
	return a, nil
}

// readAccounts reads a file of accounts. An image need not have any.
func readAccounts(root *os.File, path string) ([]byte, error) {
	text, err := process.ReadIn(root, path, maxAccountFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

func unknownAccount(name string, err error) error {
	switch {
	case errors.Is(err, user.ErrNoPasswdEntries):
		return fmt.Errorf("find user %q: the container's root has none of that name in /etc/passwd; a number needs none there", name)
	case errors.Is(err, user.ErrNoGroupEntries):
		return fmt.Errorf("find user %q: the container's root has no group of that name in /etc/group; a number needs none there", name)
	}
	return fmt.Errorf("find user %q: %w", name, err)
}

func (ids IDs) mapped(kind string, id int, ranges []process.Range) (uint32, error) {
	if id < 0 || id >= math.MaxUint32 {
		return 0, fmt.Errorf("become %s %d: there is no such id", kind, id)
	}
	var have []string
	for _, r := range ranges {
		if n := uint32(id); n >= r.Inside && n-r.Inside < r.Count {
			return n, nil
		}
		if r.Count == 1 {
			have = append(have, fmt.Sprint(r.Inside))
		} else {
			have = append(have, fmt.Sprintf("%d to %d", r.Inside, r.Inside+r.Count-1))
		}
	}
	hint := ""
	if len(ranges) == 1 && ranges[0].Count == 1 {
		hint = `; with id_map = "range" there are 65536`
	}
	return 0, fmt.Errorf("become %s %d: it does not exist in the container, whose ids are %s%s",
		kind, id, strings.Join(have, ", "), hint)
}

// shells neither reap orphans nor pass signals on.
var shells = []string{"ash", "bash", "busybox", "dash", "fish", "ksh", "mksh", "sh", "yash", "zsh"}

// wantsInit decides what InitAuto leaves open, by the command's name and its file.
func (s Spec) wantsInit(root *os.File) bool {
	switch {
	case !s.mayHaveInit():
		return false
	case s.Init == InitYes, slices.Contains(shells, path.Base(s.Command[0])):
		return true
	}
	for _, candidate := range Candidates(s.Command[0], s.Environ()) {
		if !path.IsAbs(candidate) {
			candidate = path.Join("/", s.WorkingDir, candidate)
		}
		if begin, err := process.ReadIn(root, candidate, 2); err == nil {
			return string(begin) == "#!"
		}
	}
	return false
}
