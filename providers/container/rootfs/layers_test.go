package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/playhost/playtest"
)

// layered makes an image of a base with what containers need, and n small layers above.
func layered(t *testing.T, n int) []string {
	t.Helper()
	layers := []string{busybox(t)}
	store := t.TempDir()
	for i := 1; i < n; i++ {
		dir := filepath.Join(store, fmt.Sprintf("sha256-%064d", i))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"top": fmt.Sprint(i), fmt.Sprint("only", i): ""} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		layers = append([]string{dir}, layers...)
	}
	return layers
}

// TestLayers stacks as many layers as an image may have.
func TestLayers(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		for _, n := range []int{1, 2, maxLayers} {
			b := newBox(t, Spec{Layers: layered(t, n)})
			wantTop := fmt.Sprint(n - 1)
			if n == 1 {
				wantTop = ""
			}
			want(t, b.run("cat /top 2>/dev/null; echo; ls / | grep -c only; echo x > /top; cat /top"), fmt.Sprintf("%s\n%d\nx", wantTop, n-1))
		}
	})
}

// TestOwners checks that an image's files belong inside to whom they belong, where the file
// system can map ids.
func TestOwners(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		if os.Geteuid() != 0 || !playtest.RealRoot() {
			t.Skip("who is not root has no files of other users")
		}
		layers := layered(t, 2)
		if err := os.Chown(filepath.Join(layers[0], "top"), 12, 34); err != nil {
			t.Fatal(err)
		}
		b := newBox(t, Spec{Layers: layers})
		out := b.run("stat -c '%u %g' /bin/busybox /top; chown 5:6 /top && stat -c '%u %g' /top")
		want(t, out, "0 0\n12 34\n5 6")
		if !b.mapped {
			t.Error("the ids are not mapped")
		}
	})
}

func TestReadOnly(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		for _, spec := range []Spec{{Directory: busybox(t)}, {Host: true}} {
			spec.ReadOnly = true
			spec.Mounts = []Mount{{Target: "/data"}}
			b := newBox(t, spec)
			b.options.WorkingDir = "/my-work/dir"
			out := b.run(`for f in / /etc /my-work/dir /bin /tmp /run /var/tmp /dev /dev/shm /data; do touch $f/x 2>/dev/null && echo $f; done; ls -d /my-work/dir`)
			want(t, out, "/tmp\n/run\n/var/tmp\n/dev\n/dev/shm\n/data\n/my-work/dir")
		}
	})
}

func TestHideWhatALinkMeans(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		image := busybox(t)
		for link, target := range map[string]string{"alias": "/dir", "etc/up": "../../../etc/secret", "loop": "loop", "gone": "/no/such"} {
			if err := os.Symlink(target, filepath.Join(image, link)); err != nil {
				t.Fatal(err)
			}
		}
		for _, file := range []string{"dir/file", "etc/secret"} {
			if err := os.WriteFile(filepath.Join(image, file), []byte("secret"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		b := newBox(t, Spec{Directory: image, Hide: []string{"/alias", "/etc/up", "/loop", "/gone", "/none"}})
		if out := b.run("cat /etc/secret /dir/* 2>/dev/null; ls /dir"); strings.Contains(out, "secret") || out != "" {
			t.Errorf("in the container: %q", out)
		}
	})
}
