package rootfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/diyform/diyform/internal/linux/machine"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

// TestShiftedCopy checks that an image on a file system which cannot map ids appears as on
// one that can, and that the copy goes with the container.
func TestShiftedCopy(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		if os.Geteuid() != 0 || !playtest.RealRoot() {
			t.Skip("it takes root to own files of other users")
		}
		base := layered(t, 2)
		script := `cd ` + base[0] + ` && mkdir -m 1770 owned && echo text > owned/file && ln owned/file owned/twin && ln -s file owned/link &&
			mknod owned/fifo p && touch suid && chown -h 12:34 owned owned/file owned/link suid && chmod 4755 suid &&
			touch -d 2001-02-03 suid owned && touch cap && setcap cap_chown=ep cap`
		if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		// An overlay's mounts cannot have their ids mapped.
		over := filepath.Join(t.TempDir(), "over")
		var layers []string
		for i, layer := range base {
			at := filepath.Join(over, string(rune('a'+i)))
			if err := os.MkdirAll(at, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := machine.Mount(machine.Filesystem{Type: "overlay", Data: "lowerdir=" + layer + ":" + t.TempDir(), Devices: true}, at); err != nil {
				t.Fatal(err)
			}
			defer machine.Unmount(at)
			layers = append(layers, at)
		}
		const look = "cd /owned; stat -c '%n %F %a %u %g %h' . file link fifo ../suid; stat -c %Y . ../suid; cat twin"
		wanted := newBox(t, Spec{Layers: base}).run(look)
		b := newBox(t, Spec{Layers: layers})
		want(t, b.run(look), wanted)
		if !b.mapped {
			t.Error("owners are not as in the image")
		}
		want(t, b.run(look), wanted)
		out, err := exec.Command("getcap", "-n", filepath.Join(b.options.Data, "layers/0/cap")).CombinedOutput()
		if err != nil || string(out) != filepath.Join(b.options.Data, "layers/0/cap")+" cap_chown=ep [rootid=1048576]\n" {
			t.Errorf("capabilities: %s %v", out, err)
		}
	})
}

// TestCopyOfWhiteout copies what a layer has in place of a file that it removes. Where an
// overlay shows a layer, as above, nobody sees it.
func TestCopyOfWhiteout(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		if os.Geteuid() != 0 || !playtest.RealRoot() {
			t.Skip("it takes root to give files away")
		}
		from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
		if out, err := exec.Command("sh", "-c", "cd "+from+" && mknod gone c 0 0 && mkdir opaque && chmod 700 opaque").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if err := copyLayer(from, to, firstID, firstID); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("stat", "-c", "%F %t:%T %u %a", to+"/gone", to+"/opaque").CombinedOutput()
		if err != nil || string(out) != "character special file 0:0 1048576 644\ndirectory 0:0 1048576 700\n" {
			t.Errorf("%s%v", out, err)
		}
	})
}

func TestShiftACL(t *testing.T) {
	s := shifter{uid: 1000, gid: 2000}
	acl := []byte{2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 7, 0, 5, 0, 0, 0, 8, 0, 4, 0, 6, 0, 0, 0}
	wanted := []byte{2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 7, 0, 0xED, 3, 0, 0, 8, 0, 4, 0, 0xD6, 7, 0, 0}
	if got := s.shiftACL(acl); string(got) != string(wanted) {
		t.Errorf("the list is %v", got)
	}
}
