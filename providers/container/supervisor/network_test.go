package supervisor_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/playhost"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/launch"
	"github.com/diyform/diyform/providers/container/supervisor"
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

// TestRestartKeepsNetwork checks that a container goes on with the network namespace that has
// its name, and with what is in it, also after its supervisor was killed.
func TestRestartKeepsNetwork(t *testing.T) {
	playtest.Require(t) // where every user is root
	t.Run("own user", func(t *testing.T) { restartKeepsNetwork(t, spec(forever)) })
	t.Run("host's user", func(t *testing.T) {
		sp := spec(forever)
		sp.Namespaces.Keep = []string{"user"}
		sp.Privileges.Add = []string{"NET_ADMIN"} // to add links
		restartKeepsNetwork(t, sp)
	})
}

func restartKeepsNetwork(t *testing.T, sp launch.Spec) {
	sp.Network = launch.Network{Name: "own", Mark: "diyform:test"}
	s := newStack(t)
	first := s.run(sp)
	addLink(t, first, "d0")
	addAddress(t, first, "d0", "10.7.7.1/24")
	expectKept := func(status supervisor.Status, err error) {
		t.Helper()
		if err != nil || status.Phase != supervisor.Running || status.Network != first.Network {
			t.Fatalf("%s in %v, was in %v: %v", status.Phase, status.Network, first.Network, err)
		}
		out, code := inContainer(t, status, "ip -o -4 address show dev d0 | grep -c 10.7.7.1; ip link add d1 type bridge && ip link delete d1; ls /sys/class/net | wc -l")
		if code != 0 || out != "1\n4" {
			t.Errorf("in the container: %q, exit code %d", out, code)
		}
	}
	expectKept(s.Restart(testContext(t), "box"))
	if _, err := s.Stop(testContext(t), "box", 0); err != nil {
		t.Fatal(err)
	}
	s.killSupervisor()
	expectKept(s.Start(testContext(t), "box"))

	// What has the name now is not the container's, whatever its inode is.
	if _, err := s.Stop(testContext(t), "box", 0); err != nil {
		t.Fatal(err)
	}
	var set netns.Set
	defer set.Close()
	if err := errors.Join(set.Delete([]string{"own"})...); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(set.Create(t.Context(), []netns.Spec{{Name: "own"}})...); err != nil {
		t.Fatal(err)
	}
	defer set.Delete([]string{"own"})
	if _, err := s.Start(testContext(t), "box"); err == nil || !strings.Contains(err.Error(), "file exists") {
		t.Errorf("with the name taken: %v", err)
	}
	if err := s.Remove(testContext(t), "box"); err != nil {
		t.Fatal(err)
	}
	if pin, err := netns.Lookup("own"); err != nil || !pin.Mounted {
		t.Errorf("the name of another was taken away: %+v, %v", pin, err)
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

// TestContainersNetwork checks that a container is in the network namespace of another one.
func TestContainersNetwork(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		first := s.run(spec(forever))
		sp := spec(forever)
		sp.ID, sp.Namespaces = "beside", launch.Namespaces{Join: []string{"network"}, Container: "box"}
		settings := supervisor.Settings{Interfaces: []string{"d0"}}
		if _, err := s.Client.Create(testContext(t), withData(s.dir, sp), settings); err != nil {
			t.Fatal(err)
		}
		if waiting, err := s.Start(testContext(t), "beside"); err != nil || waiting.Phase != supervisor.Waiting {
			t.Fatalf("started: %+v, %v", waiting, err)
		}
		addLink(t, first, "d0")
		s.await("start", func(supervisor.Status) bool {
			beside, err := s.Inspect(testContext(t), "beside")
			return err == nil && beside.Phase == supervisor.Running && beside.Network == first.Network
		})
	})
}
