package launch

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
	"syscall"

	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/providers/container/rootfs"
)

func TestTry(t *testing.T) {
	if u := os.Getenv("TRYUID"); u != "" {
		var n int
		fmt.Sscan(u, &n)
		syscall.Setgroups(nil)
		syscall.Setresgid(n, n, n)
		syscall.Setresuid(n, n, n)
	}
	r, w, _ := os.Pipe()
	spec := Spec{ID: "x", Root: rootfs.Spec{Host: true, Hide: []string{"/root", "/etc/shadow"}}, Command: []string{"sh", "-c", os.Getenv("TRY")}, Hostname: "diy", BootTime: BootTimeZero, IDMap: IDMapAuto, StopSignal: 15}
	spec.Network.Join = os.Getenv("TRYNET")
	if d := os.Getenv("TRYDIR"); d != "" { spec.Root = rootfs.Spec{Directory: d} }
	n := 1
	if os.Getenv("TRYN") != "" { fmt.Sscan(os.Getenv("TRYN"), &n) }
	t0 := time.Now()
	for i := 0; i < n; i++ {
	c, err := Create(context.Background(), spec, Options{Output: w, Record: func(p *pidfd.Process) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if n == 1 { t.Log("mapped", c.Mapped, time.Since(t0)) }
	if err := c.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := c.Process.Wait(context.Background()); err != nil { t.Fatal(err) }
	e, err := c.Process.Reap()
	if n == 1 { t.Log(e, err) } else if e.Code != 0 {t.Fatal(e)}
	c.Process.Close()
	}
	t.Log(time.Since(t0)/time.Duration(n))
	w.Close()
	buf := make([]byte, 65536)
	k, _ := r.Read(buf)
	fmt.Printf("%s", buf[:k])
}
