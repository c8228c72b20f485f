package userns

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/diyform/diyform/internal/linux/process"
)

// The files of subuid(5) and subgid(5).
const (
	SubUIDs = "/etc/subuid"
	SubGIDs = "/etc/subgid"
)

// Map is which ids a new user namespace has, and how they are written.
type Map struct {
	UIDs, GIDs []process.Range
	Tools      bool // by newuidmap(1) and newgidmap(1), which have the privilege
	DropGroups bool // who is in it may change supplementary groups
}

// Single maps the user who runs this to root, and nobody else exists.
func Single() Map {
	return Map{
		UIDs: []process.Range{{Outside: uint32(os.Geteuid()), Count: 1}},
		GIDs: []process.Range{{Outside: uint32(os.Getegid()), Count: 1}},
	}
}

// Range maps the user who runs this to root, and the user's subordinate ids to those from 1
// on. The error says what is missing for it.
func Range() (Map, error) {
	uids, uidErr := own(SubUIDs, "newuidmap")
	gids, gidErr := own(SubGIDs, "newgidmap")
	if err := errors.Join(uidErr, gidErr); err != nil {
		return Map{}, err
	}
	m := Single()
	m.UIDs, m.GIDs = append(m.UIDs, uids), append(m.GIDs, gids)
	m.Tools, m.DropGroups = true, true
	return m, nil
}

// Best is Range where it can be had, else Single.
func Best() Map {
	if m, err := Range(); err == nil {
		return m
	}
	return Single()
}

// Ranged reports whether others than root exist.
func (m Map) Ranged() bool { return len(m.UIDs) > 1 }

func own(file, tool string) (process.Range, error) {
	if _, err := exec.LookPath(tool); err != nil {
		return process.Range{}, fmt.Errorf("%s is not installed", tool)
	}
	names := []string{strconv.Itoa(os.Geteuid())}
	if u, err := user.LookupId(names[0]); err == nil {
		names = append(names, u.Username)
	}
	ranges, err := Subordinate(file, names)
	if err != nil {
		return process.Range{}, err
	}
	if len(ranges) == 0 {
		return process.Range{}, fmt.Errorf("%s has no entry for %s", file, names[len(names)-1])
	}
	ranges[0].Inside = 1
	return ranges[0], nil
}

// Subordinate reads subuid(5): NAME:FIRST:COUNT a line. With names, only theirs. A file that
// is not there has none.
func Subordinate(file string, names []string) ([]process.Range, error) {
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

// Write gives the process in a new user namespace its ids: user_namespaces(7).
func (m Map) Write(ctx context.Context, pid int) error {
	if m.Tools {
		return m.writeByTools(ctx, pid)
	}
	dir := fmt.Sprintf("/proc/%d/", pid)
	if !m.DropGroups {
		// Otherwise who has one group could leave another that forbids something to it.
		if err := writeFile(dir+"setgroups", "deny"); err != nil {
			return fmt.Errorf("map ids: %w", err)
		}
	}
	if err := writeFile(dir+"uid_map", lines(m.UIDs)); err != nil {
		return fmt.Errorf("map ids: %w", err)
	}
	if err := writeFile(dir+"gid_map", lines(m.GIDs)); err != nil {
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

// writeByTools runs the tools, which check the files of subuid(5), at the same time.
func (m Map) writeByTools(ctx context.Context, pid int) error {
	run := func(tool string, ranges []process.Range) error {
		args := append([]string{strconv.Itoa(pid)}, strings.Fields(lines(ranges))...)
		out, err := exec.CommandContext(ctx, tool, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("map ids: %s: %w: %s", tool, err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	groups := make(chan error, 1)
	go func() { groups <- run("newgidmap", m.GIDs) }()
	return errors.Join(run("newuidmap", m.UIDs), <-groups)
}
