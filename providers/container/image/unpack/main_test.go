package unpack

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/playhost"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

func TestMain(m *testing.M) { os.Exit(playtest.Main(m)) }

// asEachUser runs a test as it is, and where that is root, once more as an ordinary user and
// as the root of a user namespace with a range of ids, as such a user can have it.
func asEachUser(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	if os.Geteuid() != 0 || os.Getenv(again) != "" {
		test(t)
		return
	}
	t.Run("root", test)
	t.Run("user", func(t *testing.T) {
		runAgain(t, playhost.UserID, &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: playhost.UserID, Gid: playhost.UserID},
		})
	})
	t.Run("namespace", func(t *testing.T) {
		const first = 100_000
		ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: first, Size: 65536}}
		runAgain(t, first, &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, UidMappings: ids, GidMappings: ids,
			GidMappingsEnableSetgroups: true, Credential: &syscall.Credential{},
		})
	})
}

// again is set where a test runs once more.
const again = "DIYFORM_TEST_AGAIN"

func runAgain(t *testing.T, uid int, as *syscall.SysProcAttr) {
	home, err := os.MkdirTemp("", "unpack-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	if err := os.Chown(home, uid, uid); err != nil {
		playtest.Missing(t, fmt.Errorf("there is no second user: %w", err))
	}
	name, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+name+"$", "-test.v="+strconv.FormatBool(testing.Verbose()))
	cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home, again+"=1")
	cmd.Dir = home
	cmd.SysProcAttr = as
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// options are those that this user has to use.
func options() Options { return Options{SingleOwner: os.Geteuid() != 0} }

var epoch = time.Unix(1_700_000_000, 123_456_789)

// entry makes a header: "dir/" is a folder, "a -> b" a symbolic link, "a = b" a hard link,
// "fifo|" a FIFO, "a: content" a file, with set modes.
func entry(text string) *tar.Header {
	h := &tar.Header{ModTime: epoch, Mode: 0o644, Format: tar.FormatPAX}
	if name, target, ok := strings.Cut(text, " -> "); ok {
		h.Typeflag, h.Name, h.Linkname, h.Mode = tar.TypeSymlink, name, target, 0o777
	} else if name, target, ok := strings.Cut(text, " = "); ok {
		h.Typeflag, h.Name, h.Linkname = tar.TypeLink, name, target
	} else if name, content, ok := strings.Cut(text, ": "); ok {
		h.Typeflag, h.Name, h.Size = tar.TypeReg, name, int64(len(content))
	} else if name, ok := strings.CutSuffix(text, "|"); ok {
		h.Typeflag, h.Name = tar.TypeFifo, name
	} else if strings.HasSuffix(text, "/") || text == "." {
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, text, 0o755
	} else {
		h.Typeflag, h.Name = tar.TypeReg, text
	}
	return h
}

// archive makes a tar archive of entries: texts, or headers.
func archive(t testing.TB, entries ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h, ok := e.(*tar.Header)
		content := ""
		if !ok {
			h = entry(e.(string))
			_, content, _ = strings.Cut(e.(string), ": ")
		} else if h.Size > 0 {
			content = strings.Repeat("x", int(h.Size))
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(content)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// listing lists what is below a folder, one line each with everything that tar knows of it.
// skip names what is not to be in the line.
func listing(t testing.TB, dir string, skip ...string) []string {
	t.Helper()
	var lines []string
	first := map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		line := fmt.Sprintf("%s mode=%o", name, st.Mode)
		if !slices.Contains(skip, "owner") {
			line += fmt.Sprintf(" owner=%d:%d", st.Uid, st.Gid)
		}
		if !slices.Contains(skip, "times") {
			line += fmt.Sprintf(" mtime=%d.%09d", st.Mtim.Sec, st.Mtim.Nsec)
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			content, err := os.ReadFile(path)
			if err != nil && !os.IsPermission(err) {
				return err
			}
			line += fmt.Sprintf(" size=%d content=%.40q", len(content), content)
			if known, ok := first[st.Ino]; ok {
				line += " same as " + known
			} else {
				first[st.Ino] = name
			}
		case unix.S_IFLNK:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " -> " + target
		case unix.S_IFCHR, unix.S_IFBLK:
			line += fmt.Sprintf(" device=%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
		}
		if st.Mode&unix.S_IFMT != unix.S_IFLNK {
			line += xattrs(t, path)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func xattrs(t testing.TB, path string) string {
	list := make([]byte, 4096)
	n, err := unix.Llistxattr(path, list)
	if err != nil {
		t.Fatal(path, err)
	}
	var all []string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			t.Fatal(path, name, err)
		}
		all = append(all, fmt.Sprintf(" %s=%q", name, value[:n]))
	}
	slices.Sort(all)
	return strings.Join(all, "")
}
