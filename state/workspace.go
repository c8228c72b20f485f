package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// DefaultWorkspace is the workspace that is there without having been made. Its records lie
// beside the configuration; those of another one in a folder of its own, with the same files.
const DefaultWorkspace = "default"

const (
	workspacesDir = "diyform.state.d"
	selectedFile  = ".diyform/workspace" // the name of the selected workspace; absent: the default one
)

// NoWorkspaceError says that there is no workspace of that name.
type NoWorkspaceError struct {
	Name  string
	Known []string
}

func (e *NoWorkspaceError) Error() string { return fmt.Sprintf("there is no workspace %q", e.Name) }

var (
	// ErrWorkspaceExists says that there is a workspace of that name already.
	ErrWorkspaceExists = errors.New("the workspace exists already")

	// ErrWorkspaceGone says that the workspace was deleted by another command meanwhile.
	ErrWorkspaceGone = errors.New("the workspace was deleted by another command meanwhile")
)

// maxWorkspaceName leaves room for what is named after a workspace: a network namespace has at
// most 255 bytes.
const maxWorkspaceName = 64

// CheckWorkspaceName says what no workspace can be called: it is the name of a folder, and
// stands in front of names in the kernel.
func CheckWorkspaceName(name string) error {
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-", r))
	}
	if name == "" || len(name) > maxWorkspaceName || strings.ContainsFunc(name, odd) || strings.ContainsRune(".-", rune(name[0])) {
		return fmt.Errorf("%q cannot be the name of a workspace: use letters, digits, hyphens, dots and underscores, "+
			"at most %d, with no hyphen or dot in front", name, maxWorkspaceName)
	}
	return nil
}

// OpenWorkspace gives the store of a workspace of a working folder. One that does not exist is
// a *NoWorkspaceError.
func OpenWorkspace(dir, name string) (*Store, error) {
	if name == DefaultWorkspace {
		return Open(dir), nil
	}
	if err := CheckWorkspaceName(name); err != nil {
		return nil, err
	}
	s := &Store{dir: workspaceDir(dir, name), workspace: name}
	err := checkFolders(dir, filepath.Join(dir, workspacesDir), s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		known, listErr := Workspaces(dir)
		return nil, errors.Join(listErr, &NoWorkspaceError{name, known})
	}
	return s, err
}

func workspaceDir(dir, name string) string { return filepath.Join(dir, workspacesDir, name) }

// checkFolders refuses folders below dir that diyform has not made, as makePrivate does.
func checkFolders(dir string, paths ...string) error {
	above, err := os.Stat(dir)
	if err != nil {
		return err
	}
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return &UnsafeError{path, "is no folder, so diyform has not made it. Remove it: `diyform workspace new` makes one."}
		}
		if err := trusted(path, info, owner(info), owner(above), os.Geteuid()); err != nil {
			return err
		}
	}
	return nil
}

// Workspaces lists the workspaces of a working folder, the default one first.
func Workspaces(dir string) ([]string, error) {
	names := []string{DefaultWorkspace}
	entries, err := os.ReadDir(filepath.Join(dir, workspacesDir)) // in the order of names
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list workspaces: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != DefaultWorkspace && CheckWorkspaceName(e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// NewWorkspace makes an empty workspace.
func NewWorkspace(dir, name string) error {
	if err := CheckWorkspaceName(name); err != nil {
		return err
	}
	if name == DefaultWorkspace {
		return ErrWorkspaceExists
	}
	all := filepath.Join(dir, workspacesDir)
	if err := os.Mkdir(all, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make workspace: %w", err)
	}
	if err := checkFolders(dir, all); err != nil {
		return err
	}
	err := os.Mkdir(workspaceDir(dir, name), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return ErrWorkspaceExists
	}
	if err != nil {
		return fmt.Errorf("make workspace: %w", err)
	}
	return nil
}

// SelectedWorkspace gives the name of the workspace that commands in the folder are about,
// whether it exists or not.
func SelectedWorkspace(dir string) (string, error) {
	path := filepath.Join(dir, selectedFile)
	data, err := readRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return DefaultWorkspace, nil
	}
	if err != nil {
		return "", fmt.Errorf("read the selected workspace: %w", err)
	}
	name := strings.TrimSuffix(string(data), "\n")
	if err := CheckWorkspaceName(name); err != nil {
		return "", fmt.Errorf("%s: %w. `diyform workspace select` writes it anew", path, err)
	}
	return name, nil
}

// SelectWorkspace makes the workspace, which must exist, the one that commands are about.
func SelectWorkspace(dir, name string) error {
	if _, err := OpenWorkspace(dir, name); err != nil {
		return err
	}
	s := Open(dir)
	if err := s.makePrivate(); err != nil {
		return fmt.Errorf("select workspace: %w", err)
	}
	if name == DefaultWorkspace {
		return removeIfThere(s.path(selectedFile))
	}
	temp := s.path(selectedFile + ".tmp")
	if err := writeSynced(temp, []byte(name+"\n")); err != nil {
		return fmt.Errorf("select workspace: %w", err)
	}
	return os.Rename(temp, s.path(selectedFile))
}

// DeleteWorkspace removes the workspace whose store this is, with all of its records: not what
// they are about. It needs the lock, and the default workspace stays.
func (s *Store) DeleteWorkspace() error {
	switch {
	case s.lock == nil:
		return fmt.Errorf("delete workspace: %w", ErrNotLocked)
	case s.workspace == "":
		return errors.New("delete workspace: the default one stays, which is a bug")
	}
	// Out of sight in one step: half a workspace would be one whose records are damaged.
	hidden := filepath.Join(filepath.Dir(s.dir), "."+s.workspace+".deleted")
	if err := os.RemoveAll(hidden); err != nil {
		return fmt.Errorf("delete workspace: %w", err)
	}
	if err := os.Rename(s.dir, hidden); err != nil {
		return fmt.Errorf("delete workspace: %w", err)
	}
	if err := os.RemoveAll(hidden); err != nil {
		return fmt.Errorf("delete workspace: %w", err)
	}
	_ = os.Remove(filepath.Dir(s.dir)) // it stays as long as there is another workspace
	return nil
}

// Used reports whether a command has ever kept anything in the store.
func (s *Store) Used() bool {
	_, err := os.Lstat(s.path(privateDir))
	return !errors.Is(err, fs.ErrNotExist)
}

// Lineages gives the lineage of each workspace of the folder that has one, by the workspace's
// name. One whose records cannot be read has none.
func Lineages(dir string) (map[string]string, error) {
	names, err := Workspaces(dir)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, name := range names {
		if s, err := OpenWorkspace(dir, name); err == nil && s.lineage() != "" {
			out[name] = s.lineage()
		}
	}
	return out, nil
}

// lineage reads which state it is and no more; "" where nothing is recorded.
func (s *Store) lineage() string {
	if data, err := readRegular(s.path(File)); err == nil {
		lineage, _, _ := decodeHeader(s.path(File), data)
		return lineage
	}
	if j, err := s.readJournal(); err == nil && j != nil {
		return j.lineage
	}
	promised, err := readRegular(s.path(lineageFile))
	if err != nil {
		return ""
	}
	return string(promised)
}
