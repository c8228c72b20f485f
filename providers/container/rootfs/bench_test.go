package rootfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/diyform/diyform/internal/playhost/playtest"
)

// BenchmarkLaunch measures a launch of /bin/true, from looking at the image to its end, with
// the writable layer on a disk, each time a new one.
func BenchmarkLaunch(b *testing.B) {
	playtest.Require(b)
	image := busybox(b)
	for _, c := range []struct {
		name  string
		spec  Spec
		data  string // where the data folder is
		files int
	}{
		{"directory in memory", Spec{Directory: image}, "/dev/shm", 0},
		{"directory", Spec{Directory: image}, "", 0},
		{"directory with files", Spec{Directory: image}, "", 3},
		{"read-only directory", Spec{Directory: image, ReadOnly: true}, "", 3},
		{"host", Spec{Host: true}, "", 3},
	} {
		b.Run(c.name, func(b *testing.B) {
			data, err := os.MkdirTemp(c.data, "data")
			if err != nil {
				b.Fatal(err)
			}
			defer os.RemoveAll(data)
			for b.Loop() {
				dir, err := os.MkdirTemp(data, "")
				if err != nil {
					b.Fatal(err)
				}
				box := box{t: b, spec: c.spec, kernel: Kernel{OwnNetwork: true, Sysfs: -1}}
				box.options.Data = filepath.Join(dir, "data")
				box.options.Files = []File{{"/etc/hosts", "x", 0o644}, {"/etc/resolv.conf", "x", 0o644}, {"/etc/hostname", "x", 0o644}}[:c.files]
				box.run("exit 0")
			}
		})
	}
}
