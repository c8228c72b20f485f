package launch

import (
	"os"
	"os/exec"
	"testing"

	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

// BenchmarkLaunch starts /bin/true in a container and waits for its end; beside it, what
// bubblewrap needs for the same namespaces.
func BenchmarkLaunch(b *testing.B) {
	playtest.Require(b)
	for _, init := range []Init{InitNo, InitYes} {
		b.Run("init="+string(init), func(b *testing.B) {
			null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer null.Close()
			out, err := os.Create(b.TempDir() + "/out")
			if err != nil {
				b.Fatal(err)
			}
			defer out.Close()
			spec := valid()
			spec.Command, spec.Init = []string{"/bin/true"}, init
			for b.Loop() {
				b.StopTimer()
				spec.Data, err = os.MkdirTemp("", "data")
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				c, err := Create(b.Context(), spec, Options{Scope: "bench", Stdout: out, Stderr: out, Record: func(*pidfd.Process, *netns.Namespace) error { return nil }})
				if err != nil {
					b.Fatal(err)
				}
				if err := c.Start(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := c.Process.Wait(b.Context()); err != nil {
					b.Fatal(err)
				}
				exit, err := c.Process.Reap()
				if err != nil || exit.Code != 0 {
					b.Fatal(exit, err)
				}
				c.Process.Close()
				b.StopTimer()
				os.RemoveAll(spec.Data)
				b.StartTimer()
			}
		})
	}
	b.Run("bwrap", func(b *testing.B) {
		if _, err := exec.LookPath("bwrap"); err != nil {
			b.Skip(err)
		}
		for b.Loop() {
			if out, err := exec.Command("bwrap", "--unshare-all", "--unshare-user", "--ro-bind", "/", "/",
				"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run", "/bin/true").CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
		}
	})
}
