package supervisor_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/diyform/diyform/internal/linux/machine"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

// TestFurtherDisks checks that what is mounted below the host's root, as /home may be, is in
// a container that has the host's root, and is not written to.
func TestFurtherDisks(t *testing.T) {
	playtest.Require(t)
	disk := t.TempDir()
	if err := os.WriteFile(filepath.Join(disk, "file"), []byte("on disk"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := machine.Bind(disk, "/srv"); err != nil {
		t.Fatal(err)
	}
	defer machine.Unmount("/srv")
	status := newStack(t).run(spec(forever))
	if out, _ := inContainer(t, status, "cat /srv/file; echo changed > /srv/file; rm /srv/file"); out != "on disk" {
		t.Errorf("in the container: %q", out)
	}
	if text, err := os.ReadFile(filepath.Join(disk, "file")); err != nil || string(text) != "on disk" {
		t.Errorf("on the disk: %q, %v", text, err)
	}
}

func TestHide(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		// Below /usr, /var and the like, there is no folder that every user may write to
		// and that a container has its own of; so hide what is there already.
		sp := spec(forever)
		sp.Root.Hide = []string{"/etc/profile", "/usr/share", "/no/such/path"}
		status := newStack(t).run(sp)
		if out, code := inContainer(t, status, "cat /etc/profile; ls -A /usr/share; touch /usr/share/x 2>/dev/null"); out != "" || code == 0 {
			t.Errorf("in the container: %q", out)
		}
	})
}

// TestRuntimeIsHidden checks that a container with the host's root sees neither other
// stacks nor named network namespaces.
func TestRuntimeIsHidden(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		status := newStack(t).run(spec(forever))
		if out, _ := inContainer(t, status, "ls -A /run /tmp"); out != "/run:\n\n/tmp:" {
			t.Errorf("in the container: %q", out)
		}
	})
}
