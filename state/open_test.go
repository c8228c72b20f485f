package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/linux/flock"
)

// everything is what an apply does with the folder's files.
func everything(dir string) error {
	s := Open(dir)
	l, err := s.Lock(context.Background(), LockInfo{}, 0, nil)
	if err != nil {
		return err
	}
	defer l.Unlock()
	st, _, err := s.Load()
	if err != nil {
		return err
	}
	j, err := s.Begin(st)
	if err != nil {
		return err
	}
	if err := j.Close(); err != nil {
		return err
	}
	st.Serial++
	return s.Save(st)
}

func TestLinksAreNotFollowed(t *testing.T) {
	for _, name := range []string{
		lockFile, journalFile, lineageFile, File, File + ".tmp", BackupFile, BackupFile + ".tmp", privateDir,
	} {
		t.Run(name, func(t *testing.T) {
			dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
			write(t, victim, []byte("precious"))
			target := victim
			if name == privateDir {
				target = filepath.Dir(victim)
			} else if err := os.Mkdir(filepath.Join(dir, privateDir), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			err := everything(dir)
			var unsafe *UnsafeError
			if !errors.As(err, &unsafe) && (name == lockFile || name == journalFile || name == File || name == privateDir) {
				t.Errorf("error %v", err)
			}
			if got := string(read(t, victim)); got != "precious" {
				t.Errorf("the file that the link points to holds %q (%v)", got, err)
			}
			if made := names(t, filepath.Dir(victim)); len(made) != 1 {
				t.Errorf("beside the file there is %v", made)
			}
		})
	}
}

func TestFIFOsDoNotBlock(t *testing.T) {
	for _, name := range []string{lockFile, journalFile, File, lineageFile} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, privateDir), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
				t.Fatal(err)
			}
			done := time.AfterFunc(20*time.Second, func() { panic("it blocks") })
			defer done.Stop()
			err := everything(dir)
			var unsafe *UnsafeError
			if !errors.As(err, &unsafe) && name != lineageFile {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestTrusted(t *testing.T) {
	const us, root, other = 1000, 0, 1001
	for name, test := range map[string]struct {
		mode         fs.FileMode
		owner, above int
		want         string // of the error, "" for none
	}{
		"ours":                          {0o700, us, us, ""},
		"ours, of an open umask":        {0o777, us, us, ""},
		"root's":                        {0o755, root, us, ""},
		"the folder's owner's":          {0o755, other, other, ""},
		"a stranger's":                  {0o700, other, us, "belongs to another user"},
		"root's, open to all":           {0o777, root, us, "others may write"},
		"root's, open with sticky bit":  {0o777 | fs.ModeSticky, root, us, ""},
		"the folder's owner's, to some": {0o775, other, other, "others may write"},
	} {
		err := trusted(".diyform", info{mode: fs.ModeDir | test.mode}, test.owner, test.above, us)
		if got := fmt.Sprint(err); (err == nil) != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type info struct {
	fs.FileInfo
	mode fs.FileMode
}

func (i info) Mode() fs.FileMode { return i.mode }

// TestLockOfAProcessThatEnded has the lock's file open in a child for a moment after its
// holder was killed.
func TestLockOfAProcessThatEnded(t *testing.T) {
	dir := t.TempDir()
	cmd, _ := holder(t, dir)
	child := exec.Command("sleep", "0.4")
	held, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if err := flock.TryExclusive(held); err != nil {
		t.Fatal(err)
	}
	child.ExtraFiles = []*os.File{held}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	held.Close()
	l, err := Open(dir).Lock(t.Context(), LockInfo{}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Unlock(); err != nil {
		t.Error(err)
	}
}
