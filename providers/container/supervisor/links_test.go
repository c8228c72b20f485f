package supervisor_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/diyform/diyform/providers/container/supervisor"
)

// inNetwork runs ip in a container's network namespace, as who owns it.
func inNetwork(t *testing.T, status supervisor.Status, args ...string) {
	t.Helper()
	if err := tryInNetwork(status, args...); err != nil {
		t.Fatal(err)
	}
}

func setLoopbackUp(status supervisor.Status) error {
	return tryInNetwork(status, "link", "set", "lo", "up")
}

func tryInNetwork(status supervisor.Status, args ...string) error {
	enter := []string{"-n", "-t", strconv.Itoa(status.PID), "ip"}
	if os.Geteuid() != 0 {
		enter = append([]string{"--preserve-credentials", "-U"}, enter...)
	}
	if out, err := exec.Command("nsenter", append(enter, args...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w: %s", args, err, out)
	}
	return nil
}

func addLink(t *testing.T, status supervisor.Status, name string) {
	t.Helper()
	inNetwork(t, status, "link", "add", name, "type", "bridge")
	inNetwork(t, status, "link", "set", "lo", "up")
	inNetwork(t, status, "link", "add", name+"p", "type", "veth", "peer", "name", name+"q")
	inNetwork(t, status, "link", "set", name+"p", "master", name, "up")
	inNetwork(t, status, "link", "set", name+"q", "up")
	inNetwork(t, status, "link", "set", name, "up")
}

func addAddress(t *testing.T, status supervisor.Status, link, address string) {
	t.Helper()
	inNetwork(t, status, "address", "add", address, "dev", link)
}
