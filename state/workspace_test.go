package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func workspace(t testing.TB, dir, name string) *Store {
	t.Helper()
	s, err := OpenWorkspace(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Lock(t.Context(), LockInfo{Command: "diyform apply"}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Unlock() })
	return s
}

func TestWorkspacesAreApart(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b", "a"} {
		if err := NewWorkspace(dir, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", DefaultWorkspace} {
		if err := NewWorkspace(dir, name); !errors.Is(err, ErrWorkspaceExists) {
			t.Errorf("%s is made again: %v", name, err)
		}
	}
	list, err := Workspaces(dir)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "workspaces", list, []string{DefaultWorkspace, "a", "b"})

	// Each has its own lock, state, backup and journal.
	first, second := workspace(t, dir, DefaultWorkspace), workspace(t, dir, "a")
	one, two := stateOf(link(t, "bridge.a", "1")), stateOf(link(t, "bridge.a", "2"))
	two.Lineage = otherLineage
	save(t, first, one)
	save(t, second, two)
	if _, err := second.Begin(two); err != nil {
		t.Fatal(err)
	}
	got, _ := load(t, dir)
	equal(t, "default", text(t, got), text(t, one))
	got, _ = load(t, workspaceDir(dir, "a"))
	equal(t, "a", text(t, got), text(t, two))
	lineages, err := Lineages(dir)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "lineages", lineages, map[string]string{DefaultWorkspace: testLineage, "a": otherLineage})
}

func TestSelectWorkspace(t *testing.T) {
	dir := t.TempDir()
	selected := func(want string) {
		t.Helper()
		got, err := SelectedWorkspace(dir)
		if got != want || err != nil {
			t.Errorf("selected is %q, %v; want %q", got, err, want)
		}
	}
	selected(DefaultWorkspace)
	missing := (*NoWorkspaceError)(nil)
	if err := SelectWorkspace(dir, "lab"); !errors.As(err, &missing) || missing.Name != "lab" {
		t.Errorf("got %v", err)
	}
	if err := NewWorkspace(dir, "lab"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lab", DefaultWorkspace, "lab"} {
		if err := SelectWorkspace(dir, name); err != nil {
			t.Fatal(err)
		}
		selected(name)
	}
	write(t, filepath.Join(dir, selectedFile), []byte("../x\n"))
	if _, err := SelectedWorkspace(dir); err == nil || !strings.Contains(err.Error(), "cannot be the name") {
		t.Errorf("got %v", err)
	}
}

func TestCheckWorkspaceName(t *testing.T) {
	for _, good := range []string{"a", "A_b-c.9", strings.Repeat("x", 64)} {
		if err := CheckWorkspaceName(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", ".", "..", ".a", "-a", "a/b", "a b", "ä", "a\n", strings.Repeat("x", 65)} {
		if CheckWorkspaceName(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
		if _, err := OpenWorkspace(t.TempDir(), bad); err == nil {
			t.Errorf("%q is opened", bad)
		}
	}
}

func TestUnsafeWorkspaces(t *testing.T) {
	unsafe := (*UnsafeError)(nil)
	dir := t.TempDir()
	if err := NewWorkspace(dir, "a"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), workspaceDir(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenWorkspace(dir, "b"); !errors.As(err, &unsafe) {
		t.Errorf("a link is followed: %v", err)
	}
	other := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, workspacesDir), filepath.Join(other, workspacesDir)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenWorkspace(other, "a"); !errors.As(err, &unsafe) {
		t.Errorf("a link is followed: %v", err)
	}
	if err := NewWorkspace(other, "c"); !errors.As(err, &unsafe) {
		t.Errorf("made behind a link: %v", err)
	}
	if _, err := os.Lstat(workspaceDir(dir, "c")); err == nil {
		t.Error("made behind a link")
	}
}

func TestDeleteWorkspace(t *testing.T) {
	dir := t.TempDir()
	if err := NewWorkspace(dir, "a"); err != nil {
		t.Fatal(err)
	}
	unlocked, err := OpenWorkspace(dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := unlocked.DeleteWorkspace(); !errors.Is(err, ErrNotLocked) {
		t.Errorf("without the lock: %v", err)
	}
	if err := locked(t, dir).DeleteWorkspace(); err == nil {
		t.Error("the default workspace is deleted")
	}
	s := workspace(t, dir, "a")
	save(t, s, stateOf(link(t, "bridge.a", "1")))

	// Whoever waits for the lock meanwhile must not take it for one that others respect.
	waiting, err := OpenWorkspace(dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	begun, done := make(chan struct{}), make(chan error)
	go func() {
		_, err := waiting.Lock(t.Context(), LockInfo{}, patience, func(LockInfo) { close(begun) })
		done <- err
	}()
	<-begun
	if err := s.DeleteWorkspace(); err != nil {
		t.Fatal(err)
	}
	if err := s.lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, ErrWorkspaceGone) {
		t.Errorf("the waiting one got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, workspacesDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	missing := (*NoWorkspaceError)(nil)
	if _, err := OpenWorkspace(dir, "a"); !errors.As(err, &missing) {
		t.Errorf("opened: %v", err)
	}
}

func TestHolder(t *testing.T) {
	dir := t.TempDir()
	free := func() {
		t.Helper()
		if _, held, err := Open(dir).Holder(t.Context(), LockInfo{}); held || err != nil {
			t.Errorf("held %t, %v", held, err)
		}
	}
	free()
	if len(names(t, dir)) != 0 {
		t.Error("looking has made files")
	}
	cmd, end := holder(t, dir)
	who, held, err := Open(dir).Holder(t.Context(), LockInfo{})
	if !held || err != nil || who.PID != cmd.Process.Pid || who.Command != "diyform apply" {
		t.Errorf("%v, held %t, %v", who, held, err)
	}
	if err := end.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	free()
}
