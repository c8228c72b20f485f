package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/image"
	"github.com/diyform/diyform/providers/container/userns"
)

// listWork lists an image's layers stacked by overlayfs, and what umoci makes of the image.
const listWork = "test-list"

// workers is the table for userns.Main.
func workers() map[string]userns.Func {
	table := image.Workers()
	table[listWork] = func(_ context.Context, args []string) error {
		var w lists
		if err := json.Unmarshal([]byte(args[0]), &w); err != nil {
			return err
		}
		return w.write(os.Stdout)
	}
	return table
}

// headers makes a layer of entries: a path with a slash behind it is a folder, others are
// files; then the mode and the owner, who also is the value of an attribute.
func headers(t *testing.T, entries ...any) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(entries); i += 3 {
		name, mode, owner := entries[i].(string), int64(entries[i+1].(int)), entries[i+2].(int)
		h := &tar.Header{Name: name, Mode: mode, Uid: owner, Gid: owner, Typeflag: tar.TypeReg, Format: tar.FormatPAX,
			ModTime: time.Unix(1e9+int64(i), 500), PAXRecords: map[string]string{"SCHILY.xattr.user.owner": fmt.Sprint(owner)}}
		if strings.HasSuffix(name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if target, name, isLink := strings.Cut(name, "="); isLink {
			h = &tar.Header{Name: name, Linkname: target, Typeflag: tar.TypeLink}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// writeLayout makes an image layout with the image of these layers as "test".
func writeLayout(t *testing.T, dir string, layers ...v1.Layer) {
	t.Helper()
	i := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	i, err := mutate.AppendLayers(i, layers...)
	if err != nil {
		t.Fatal(err)
	}
	file, err := i.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", "amd64"
	if i, err = mutate.ConfigFile(i, file); err != nil {
		t.Fatal(err)
	}
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: i, Descriptor: v1.Descriptor{
		Annotations: map[string]string{"org.opencontainers.image.ref.name": "test"},
	}})
	if _, err := layout.Write(dir, index); err != nil {
		t.Fatal(err)
	}
}

// Folders that a layer has no entry for are as the layers below say, in each image, though
// the images share layers. Everything is as umoci makes it.
func TestFoldersWithoutEntry(t *testing.T) {
	if _, err := exec.LookPath("umoci"); err != nil {
		playtest.Missing(t, err)
	}
	asEachUser(t, func(t *testing.T) {
		dir := t.TempDir()
		store := image.Open(filepath.Join(dir, "images"))
		t.Cleanup(func() { prune(t, store) })
		base := headers(t, "./", 0o711, 0, "tmp/", 0o1777, 0, "srv/", 0o2750, 5, "srv/deep/", 0o701, 6, "srv/deep/old", 0o4755, 7,
			"srv/opaque/", 0o1700, 8, "srv/opaque/old", 0o600, 8, "gone/", 0o700, 9, "gone/old", 0o644, 9,
			"file/", 0o700, 3, "file/inside", 0o644, 3, "hard", 0o640, 4)
		other := headers(t, "./", 0o700, 1, "tmp/", 0o700, 2, "srv/", 0o755, 3, "gone/", 0o750, 4)
		middle := headers(t, "srv/", 0o2770, 10, "srv/more", 0o644, 0)
		top := headers(t, "tmp/a", 0o644, 0, "srv/deep/new", 0o644, 1, "srv/opaque/.wh..wh..opq", 0, 0, "srv/opaque/new", 0o644, 2,
			"gone/.wh.old", 0, 0, "file", 0o644, 1, "one", 0o600, 3, "one=two", 0, 0, ".wh.hard", 0, 0)
		images := map[string][]v1.Layer{
			"plain": {base, top}, "other": {other, top}, "three": {base, middle, top}, "alone": {headers(t, "tmp/a", 0o644, 0)}, "twice": {base, top, base},
		}
		shared := map[string]string{}
		for _, name := range []string{"plain", "other", "three", "alone", "twice"} {
			bundle := filepath.Join(dir, name)
			writeLayout(t, bundle, images[name]...)
			got, err := store.Pull(t.Context(), image.Source{Name: bundle, Platform: platform}, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if again, err := store.Load(got.ID); err != nil || !slices.Equal(again.Layers, got.Layers) {
				t.Errorf("%s loaded is %v, %v", name, again.Layers, err)
			}
			wantLayers := map[string]int{"plain": 3, "other": 3, "three": 4, "alone": 1, "twice": 2}[name]
			if len(got.Layers) != wantLayers {
				t.Errorf("%s has the layers %v", name, got.Layers)
			}
			if name == "plain" || name == "other" {
				shared[got.Layers[1]] = name
			}
			ours, theirs := listBoth(t, lists{Dir: dir, Image: bundle, Layers: got.Layers})
			if diff := cmp.Diff(theirs, ours); diff != "" {
				t.Errorf("%s: umoci's (-) and ours (+) differ:\n%s", name, diff)
			}
		}
		if len(shared) != 1 {
			t.Errorf("two images do not share their layer: %v", shared)
		}
		if p := prune(t, store); p.Layers != 5 {
			t.Errorf("pruned %d layers", p.Layers)
		}
	})
}

// A name for a file of another layer is refused: layers are unpacked each for itself.
func TestHardLinkToOtherLayer(t *testing.T) {
	playtest.Require(t)
	dir := t.TempDir()
	writeLayout(t, filepath.Join(dir, "image"), headers(t, "file", 0o644, 0), headers(t, "file=link", 0, 0))
	store := image.Open(filepath.Join(dir, "images"))
	_, err := store.Pull(t.Context(), image.Source{Name: filepath.Join(dir, "image"), Platform: platform}, nil)
	if err == nil || !strings.Contains(err.Error(), `unpack "link": link to "file"`) || !strings.Contains(err.Error(), "no earlier entry of the layer") {
		t.Errorf("error is %v", err)
	}
	prune(t, store)
}

// lists says what to list.
type lists struct {
	Dir, Image string
	Layers     []string
	Ranged     bool // there are ids for all owners
}

func listBoth(t *testing.T, w lists) (ours, theirs []string) {
	t.Helper()
	var out bytes.Buffer
	var err error
	if userns.Needed() {
		m := userns.Best()
		w.Ranged = m.Ranged()
		text, jsonErr := json.Marshal(w)
		if jsonErr != nil {
			t.Fatal(jsonErr)
		}
		err = userns.Run(t.Context(), userns.Work{Name: listWork, Args: []string{string(text)}, Stdout: &out, Map: m})
	} else {
		w.Ranged = true
		err = w.write(&out)
	}
	if err != nil {
		t.Fatal(err)
	}
	var both [2][]string
	if err := json.Unmarshal(out.Bytes(), &both); err != nil {
		t.Fatal(err)
	}
	ours, theirs = both[0], both[1]
	for i, line := range theirs {
		// A folder that no entry stands for was made now, says umoci.
		if i < len(ours) && !changed.MatchString(line) {
			ours[i] = changed.ReplaceAllString(ours[i], "")
		}
	}
	return ours, theirs
}

var changed = regexp.MustCompile(` 100000\d{4}\.500`)

func (w lists) write(to io.Writer) error {
	bundle := w.Image + "-bundle"
	args := []string{"unpack", "--image", w.Image + ":test", bundle}
	if !w.Ranged {
		args = slices.Insert(args, 1, "--rootless")
	}
	if out, err := exec.Command("umoci", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("umoci: %w: %s", err, out)
	}
	defer os.RemoveAll(bundle)
	theirs, err := w.list(filepath.Join(bundle, "rootfs"))
	if err != nil {
		return err
	}
	ours, err := w.stacked()
	if err != nil {
		return err
	}
	return json.NewEncoder(to).Encode([2][]string{ours, theirs})
}

// stacked lists the layers as overlayfs shows them, in a mount namespace that ends with its
// thread.
func (w lists) stacked() (list []string, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		if err = unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return
		}
		if err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return
		}
		under := filepath.Join(w.Dir, "under") // overlayfs wants two folders at least
		merged := filepath.Join(w.Dir, "merged")
		if err = os.MkdirAll(under, 0o755); err != nil {
			return
		}
		if err = os.MkdirAll(merged, 0o755); err != nil {
			return
		}
		options := "userxattr,lowerdir=" + strings.Join(append(w.Layers, under), ":")
		if err = unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
			err = fmt.Errorf("mount overlay with %s: %w", options, err)
			return
		}
		list, err = w.list(merged)
	}()
	<-done
	return list, err
}

func (w lists) list(root string) ([]string, error) {
	var lines []string
	inodes := map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		line := fmt.Sprintf("%s %o", name, st.Mode)
		if w.Ranged {
			line += fmt.Sprintf(" %d:%d", st.Uid, st.Gid)
		}
		if time.Unix(st.Mtim.Unix()).Year() < 2010 {
			line += fmt.Sprintf(" %d.%d", st.Mtim.Sec, st.Mtim.Nsec)
		}
		value := make([]byte, 100)
		if n, err := unix.Lgetxattr(path, "user.owner", value); err == nil {
			line += fmt.Sprintf(" owner %s", value[:n])
		}
		if first, known := inodes[st.Ino]; known {
			line += " is " + first
		}
		inodes[st.Ino] = name
		lines = append(lines, line)
		return err
	})
	return lines, err
}
