package world

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// An idMap says which users exist in the world. Root needs no user namespace; an
// ordinary user becomes root, followed by its subordinate ids if it has any.
type idMap struct {
	root     bool
	uid, gid subordinates
}

// subordinates are the ids that /etc/subuid or /etc/subgid lends to the user, and the
// program that may map them. The zero value means none.
type subordinates struct {
	program      string
	first, count int
}

// The names under which this program is started again: as init, and as init that must
// execute itself once more, because its capabilities come with the first exec after the
// map was written.
func (k *Kind) initName() string         { return k.Name + "-init" }
func (k *Kind) unmappedInitName() string { return k.Name + "-unmapped-init" }

func planIDMap() (idMap, error) {
	if os.Geteuid() == 0 {
		return idMap{root: true}, nil
	}
	uid, err := lookSubordinates("newuidmap", "/etc/subuid")
	if err != nil {
		return idMap{}, err
	}
	gid, err := lookSubordinates("newgidmap", "/etc/subgid")
	if err != nil || uid.count == 0 || gid.count == 0 {
		return idMap{}, err
	}
	return idMap{uid: uid, gid: gid}, nil
}

func (m idMap) ranged() bool { return m.uid.count > 0 }

func (m idMap) initName(k *Kind) string {
	if m.ranged() {
		return k.unmappedInitName()
	}
	return k.initName()
}

// attributes are those of the clone. A single id is mapped by the kernel's own rules, for
// which the process may not be able to call setgroups(2): see user_namespaces(7).
func (m idMap) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID |
			syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
	}
	if m.root {
		return attr
	}
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	if !m.ranged() {
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// write maps a range of ids, which needs the set-uid programs of newuidmap(1).
func (m idMap) write(pid int) error {
	if err := m.uid.write(pid, os.Geteuid()); err != nil {
		return err
	}
	return m.gid.write(pid, os.Getegid())
}

func (s subordinates) write(pid, own int) error {
	out, err := exec.Command(s.program, strconv.Itoa(pid),
		"0", strconv.Itoa(own), "1",
		"1", strconv.Itoa(s.first), strconv.Itoa(s.count)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("map ids with %s: %w: %s", s.program, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// lookSubordinates finds the user's range in a file of subuid(5)'s form, and the program
// that maps it. Lacking either is no error: one id has to do then.
func lookSubordinates(program, file string) (subordinates, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return subordinates{}, nil
	}
	uid := strconv.Itoa(os.Geteuid())
	name := uid
	if owner, err := user.LookupId(uid); err == nil { // else the user is in no passwd(5)
		name = owner.Username
	}
	f, err := os.Open(file)
	if os.IsNotExist(err) {
		return subordinates{}, nil
	}
	if err != nil {
		return subordinates{}, fmt.Errorf("open subordinate ids: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		first, count, ok := parseSubordinates(lines.Text(), name, uid)
		if ok {
			return subordinates{program: path, first: first, count: count}, nil
		}
	}
	return subordinates{}, lines.Err()
}

// parseSubordinates reads a line NAME:FIRST:COUNT, where NAME may be the numeric id.
func parseSubordinates(line, name, uid string) (first, count int, ok bool) {
	fields := strings.Split(strings.TrimSpace(line), ":")
	if len(fields) != 3 || (fields[0] != name && fields[0] != uid) {
		return 0, 0, false
	}
	first, errFirst := strconv.Atoi(fields[1])
	count, errCount := strconv.Atoi(fields[2])
	return first, count, errFirst == nil && errCount == nil && count > 0
}
