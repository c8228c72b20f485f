package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
)

func TestApartWithoutMounts(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o751); err != nil {
		t.Fatal(err)
	}
	got, err := apart(Spec{Directory: dir})
	if want := []layer{{how: overlaid, sources: []string{dir}, mode: 0o751}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("layers are %+v, %v", got, err)
	}
}

func TestLayerOf(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("folder", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []layer
	for _, e := range entries {
		for _, covered := range []bool{false, true} {
			l, ok, err := layerOf(filepath.Join(dir, e.Name()), e, covered)
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				got = append(got, l)
			}
		}
	}
	link := layer{how: linked, sources: []string{"folder"}, target: "link"}
	want := []layer{
		{how: overlaid, sources: []string{filepath.Join(dir, "folder")}, target: "folder", mode: 0o700},
		{how: bound, sources: []string{filepath.Join(dir, "folder")}, target: "folder"},
		link, link,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("layers are\n%+v, want\n%+v", got, want)
	}
}

func TestIsDisk(t *testing.T) {
	const mounts = `20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 8:2 / /usr rw - ext4 /dev/sda2 rw
22 20 0:5 / /proc rw - proc proc rw
23 20 0:6 / /run rw - tmpfs tmpfs rw
24 20 8:3 / /boot rw - vfat /dev/sda3 rw
25 20 0:7 / /var/lib/engine rw - overlay overlay rw
26 20 8:4 / /no/such/folder rw - ext4 /dev/sda4 rw
27 20 0:8 / /dev/disk rw - ext4 /dev/sda5 rw
`
	list, err := mountinfo.GetMountsFromReader(strings.NewReader(mounts), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range list {
		if isDisk(m) {
			got = append(got, m.Mountpoint)
		}
	}
	if want := []string{"/", "/usr"}; !slices.Equal(got, want) {
		t.Errorf("disks are %v, want %v", got, want)
	}
}

func TestOpenMissingImage(t *testing.T) {
	if _, err := Open(Spec{Directory: "/no/such/folder"}, Options{Data: t.TempDir()}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Spec{Directory: file}, Options{Data: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "is not a folder") {
		t.Errorf("error is %v", err)
	}
}
