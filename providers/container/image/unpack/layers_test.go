package unpack

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/playhost/playtest"
)

// owned is an entry with a mode, an owner and an attribute.
func owned(text string, mode int64, id int) *tar.Header {
	h := entry(text)
	h.Mode, h.Uid, h.Gid = mode, id, id
	if h.Typeflag != tar.TypeSymlink {
		h.PAXRecords = map[string]string{"SCHILY.xattr.user.number": fmt.Sprint(id)}
	}
	return h
}

// layers are an image's, the lowest first, with all that a layer may do to those below.
func layers(t testing.TB) [][]byte {
	fifo := owned("fifo|", 0o622, 9)
	fifo.PAXRecords = nil
	return [][]byte{
		archive(t,
			owned("./", 0o755, 0), owned("bin/", 0o755, 0), owned("bin/su", 0o4755, 0), owned("bin/mail", 0o2755, 8),
			owned("tmp/", 0o1777, 0), "tmp/a: old", "tmp/b: old", "tmp/c: old", "tmp/sub/", "tmp/sub/x: old",
			owned("opaque/", 0o750, 5), "opaque/a: old", "opaque/b: old", "opaque/sub/", "opaque/sub/deep: old",
			"after/", "after/a: old", "after/b: old",
			"folder/", "folder/a: old", "file: old", "link -> folder", "mid/", "mid/low/", "mid/low/x: old",
			"hard: one", "hard2 = hard", "gone/", "gone/x/", "gone/x/y: old", "recreated/", "recreated/a: old",
			owned("mode/", 0o2770, 4), owned("mode/deep/", 0o701, 5), "mode/deep/old: x",
			owned("mode/closed/", 0o1700, 6), "mode/closed/a: old", owned("hidden/", 0o700, 7), "hidden/old: x",
			"late/", "late/a: old", "twice/", "twice/a: old", "alone/", "alone/a: old",
		),
		archive(t,
			owned("./", 0o755, 0), owned("tmp/", 0o1777, 0), "tmp/.wh.a", "tmp/b: new", "tmp/.wh.b", "tmp/.wh.c", "tmp/c: new", "tmp/sub/", "tmp/sub/y: new",
			"opaque/.wh..wh..opq", owned("opaque/", 0o710, 6), "opaque/b: new", "opaque/sub/", "opaque/sub/new: new",
			"after/", "after/b: new", "after/.wh..wh..opq", "after/c: new",
			"folder: now a file", "file/", "file/inside: new", "link: now a file",
			"mid/", "mid/low/", "mid/low/y: new", ".wh.gone", ".wh.missing",
			".wh.recreated", "recreated/", "recreated/b: new", "late/", "late/b: new", ".wh.late",
			"twice: a file", "twice/", "twice/b: new", "hard: two", "hard3 = hard",
			owned("bin/", 0o711, 7), owned("bin/link -> su", 0o777, 3), "alone/.wh.a",
		),
		archive(t,
			owned("./", 0o755, 0), "tmp/a: again", "tmp/.wh.b", "mode/deep/new: x", "mode/closed/.wh..wh..opq", "mode/closed/b: new",
			".wh.hidden", "hidden/new: x", "opaque/", "opaque/a: third", "gone/", "gone/z: new",
			"folder/", "folder/c: new", "file: a file again", "mid/.wh..wh..opq", "mid/z: new", "bin/", "bin/.wh.mail",
			fifo, ".wh.hard2",
		),
	}
}

// TestWhiteouts compares layers stacked by overlayfs with what umoci makes of them.
func TestWhiteouts(t *testing.T) {
	if _, err := exec.LookPath("umoci"); err != nil {
		playtest.Missing(t, err)
	}
	asEachUser(t, func(t *testing.T) {
		playtest.Require(t)
		dir := t.TempDir()
		ours := stack(t, dir, layers(t))
		theirs := umoci(t, dir, layers(t))
		skip := []string{}
		if os.Geteuid() != 0 {
			skip = append(skip, "owner") // umoci keeps those in an attribute of its own
		}
		want, got := listing(t, theirs, skip...), listing(t, ours, skip...)
		for _, list := range [][]string{want, got} {
			for i, line := range list {
				list[i] = comparable(line)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("umoci's (-) and ours (+) differ:\n%s", diff)
		}
	})
}

// comparable takes away what umoci does otherwise: a whiteout behind what it does not hide
// changes the folder's time, and who made a folder that no entry stands for made it now.
func comparable(line string) string {
	line = rootlessOwner.ReplaceAllString(line, "")
	for _, folder := range []string{".", "late", "hidden"} {
		if strings.HasPrefix(line, folder+" ") {
			return changeTime.ReplaceAllString(line, "")
		}
	}
	return line
}

var (
	changeTime    = regexp.MustCompile(` mtime=\S+`)
	rootlessOwner = regexp.MustCompile(` user\.rootlesscontainers="[^"]*"`)
)

// stack unpacks layers and mounts them over each other.
func stack(t *testing.T, dir string, layers [][]byte) string {
	t.Helper()
	var lower []string
	var all []Layer
	for i, layer := range layers {
		dest := filepath.Join(dir, fmt.Sprint("layer", i))
		if err := os.Mkdir(dest, 0o755); err != nil {
			t.Fatal(err)
		}
		o := options()
		o.Layer = true
		stats, err := Extract(t.Context(), bytes.NewReader(layer), dest, o)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(stats.Implied, ".") {
			t.Error("the root's entry was not seen")
		}
		lower = slices.Insert(lower, 0, dest)
		all = slices.Insert(all, 0, Layer{Dir: dest, Implied: stats.Implied})
	}
	top := filepath.Join(dir, "top")
	if err := os.Mkdir(top, 0o755); err != nil {
		t.Fatal(err)
	}
	n, err := Complete(top, all, options())
	if err != nil || n == 0 {
		t.Fatalf("%d folders: %v", n, err)
	}
	lower = slices.Insert(lower, 0, top)
	merged := filepath.Join(dir, "merged")
	if err := os.Mkdir(merged, 0o755); err != nil {
		t.Fatal(err)
	}
	options := "userxattr,lowerdir=" + strings.Join(lower, ":")
	if os.Geteuid() != 0 {
		return mountedByUser(t, merged, options)
	}
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(merged, unix.MNT_DETACH) })
	return merged
}

// mountedByUser copies what an ordinary user sees, who may mount in namespaces of their own.
func mountedByUser(t *testing.T, merged, options string) string {
	t.Helper()
	out := merged + "-copy"
	script := `mount -t overlay -o "$1" overlay "$2" && cp -a "$2" "$3"`
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", options, merged, out)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}

// umoci unpacks the same image with umoci.
func umoci(t *testing.T, dir string, layers [][]byte) string {
	t.Helper()
	image := filepath.Join(dir, "image")
	writeImage(t, image, layers)
	bundle := filepath.Join(dir, "bundle")
	args := []string{"unpack", "--image", image + ":test", bundle}
	if os.Geteuid() != 0 {
		args = slices.Insert(args, 1, "--rootless")
	}
	if out, err := exec.Command("umoci", args...).CombinedOutput(); err != nil {
		t.Fatalf("umoci: %v\n%s", err, out)
	}
	return filepath.Join(bundle, "rootfs")
}

// writeImage writes an image layout folder.
func writeImage(t *testing.T, dir string, layers [][]byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "blobs/sha256"), 0o755); err != nil {
		t.Fatal(err)
	}
	blob := func(kind string, b []byte) map[string]any {
		digest := fmt.Sprintf("%x", sha256.Sum256(b))
		if err := os.WriteFile(filepath.Join(dir, "blobs/sha256", digest), b, 0o644); err != nil {
			t.Fatal(err)
		}
		return map[string]any{"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + digest, "size": len(b)}
	}
	document := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var descriptors []any
	var ids []string
	for _, layer := range layers {
		descriptors = append(descriptors, blob("layer.v1.tar", layer))
		ids = append(ids, fmt.Sprintf("sha256:%x", sha256.Sum256(layer)))
	}
	config := blob("config.v1+json", document(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	}))
	manifest := blob("manifest.v1+json", document(map[string]any{"schemaVersion": 2, "config": config, "layers": descriptors}))
	manifest["annotations"] = map[string]string{"org.opencontainers.image.ref.name": "test"}
	for name, v := range map[string]any{
		"index.json": map[string]any{"schemaVersion": 2, "manifests": []any{manifest}},
		"oci-layout": map[string]string{"imageLayoutVersion": "1.0.0"},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), document(v), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpaqueRoot(t *testing.T) {
	dest := newBench(t).dest
	o := options()
	o.Layer = true
	stats, err := Extract(t.Context(), bytes.NewReader(archive(t, ".wh..wh..opq", "a: x")), dest, o)
	if err != nil || !stats.Opaque || !slices.Equal(stats.Implied, []string{"."}) {
		t.Errorf("%+v, %v", stats, err)
	}
}
