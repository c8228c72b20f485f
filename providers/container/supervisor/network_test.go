package supervisor_test

import (
	"os"
	"testing"

	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/playhost"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/launch"
)

func TestOwnNetworkHasAName(t *testing.T) {
	playtest.Require(t) // where every user is root
	sp := spec(forever)
	sp.Network = launch.Network{Name: "own", Mark: "diyform:test"}
	s := newStack(t)
	status := s.run(sp)
	ns, err := netns.Open("own")
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if ns.ID() != status.Network {
		t.Errorf("the name means %v, and the container is in %v", ns.ID(), status.Network)
	}
	if out, code := inContainer(t, status, "cat /sys/class/net/lo/ifalias; ip link add d0 type bridge && ls /sys/class/net"); code != 0 || out != "diyform:test\nd0\nlo" {
		t.Errorf("in the container: %q, exit code %d", out, code)
	}
	other := spec(forever)
	other.ID, other.Network = "other", sp.Network
	if _, err := s.Create(testContext(t), other); err == nil {
		t.Error("another container got the same name")
	}
	if err := s.Remove(testContext(t), "box"); err != nil {
		t.Fatal(err)
	}
	if _, err := netns.Lookup("own"); err == nil {
		t.Error("the name is left")
	}
}

func TestJoinedNetwork(t *testing.T) {
	playtest.Require(t) // where every user is root
	sp := spec(forever)
	sp.Network = launch.Network{Join: playhost.InternetNamespace}
	status := newStack(t).run(sp)
	ns, err := netns.Open(playhost.InternetNamespace)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if ns.ID() != status.Network {
		t.Errorf("the container is in %v, not in %v", status.Network, ns.ID())
	}
	links, err := os.ReadDir("/sys/class/net")
	if err != nil {
		t.Fatal(err)
	}
	out, code := inContainer(t, status, "ls /sys/class/net | wc -l; ip link add d0 type bridge 2>/dev/null || echo refused")
	if code != 0 || out != "2\nrefused" {
		t.Errorf("in the container: %q, exit code %d (the host has %d links)", out, code, len(links))
	}
}
