package main_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

// The matrix shows that a container is what it should be whoever makes it, of whatever image,
// and with whatever ids.

// matrixVariable is set in the environment of the test binary that runs a part of the matrix
// in its playhost, "USER ID_MAP".
const matrixVariable = "DIYFORM_MATRIX"

func TestMatrix(t *testing.T) {
	if part := os.Getenv(matrixVariable); part != "" {
		user, idMap, _ := strings.Cut(part, " ")
		runMatrix(t, user == "user", idMap)
		return
	}
	if err := playtest.Available(); err != nil {
		playtest.Missing(t, err)
	}
	if _, err := exec.LookPath("busybox"); err != nil {
		playtest.Missing(t, err)
	}
	bin := buildPrograms(t, raced)
	for _, user := range []string{"root", "user"} {
		for _, idMap := range []string{"single", "range"} {
			if user == "user" && idMap == "range" && os.Geteuid() != 0 {
				continue // a playhost of an ordinary user has no other one with subordinate ids
			}
			t.Run(user+" "+idMap, func(t *testing.T) {
				t.Parallel()
				againInPlayhost(t, "TestMatrix", bin, matrixVariable+"="+user+" "+idMap)
			})
		}
	}
}

// matrixLab is a lab with one container of each kind of image.
type matrixLab struct {
	*lab
	user, ranged bool
}

// images are the kinds of root_image, which are the keys of the lab's containers.
var images = []string{"host", "directory", "archive", "oci"}

func runMatrix(t *testing.T, user bool, idMap string) {
	m := matrixLab{newLab(t, "matrix.diy.hcl"), user, idMap == "range"}
	m.env = append(m.env, "DIYFORM_VAR_id_map="+idMap, "DIYFORM_VAR_registry="+m.serveImage())
	if user {
		m.prefix = []string{"as-user"}
	}
	m.must("validate") // makes what a playhost's ordinary user comes with
	before := m.look()
	m.must("apply")
	m.learnLineage()
	for _, round := range []string{"wrote /kept", "kept kept"} {
		pids := m.pids()
		for _, image := range images {
			t.Run(fmt.Sprintf("%s, %s", image, round), func(t *testing.T) {
				m := m
				m.lab = m.within(t)
				m.checkOutside(pids[image])
				m.checkInside(image, round)
			})
		}
		m.must("restart", "-all")
	}
	m.must("destroy")
	m.must("image prune", "-all")
	if err := os.RemoveAll(filepath.Join(m.dir, ".diyform")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, m.look()); diff != "" {
		t.Errorf("destroy has left something (- before, + after):\n%s", diff)
	}
}

// serveImage writes the archive anew, with files of two owners, pushes it as an image to a
// registry on the loopback interface, and gives where that is.
func (m matrixLab) serveImage() string {
	m.Helper()
	m.write("rootfs/zero", nil)
	m.write("rootfs/one", nil)
	archive := m.archive(filepath.Join(m.dir, "rootfs"))
	m.write("rootfs.tar.gz", archive)
	if os.Geteuid() == 0 && mayLimit() {
		if err := os.Chown(filepath.Join(m.dir, "rootfs/one"), 1, 1); err != nil {
			m.Fatal(err)
		}
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil })
	if err != nil {
		m.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	m.Cleanup(server.Close)
	where := strings.TrimPrefix(server.URL, "http://")
	m.push(where+"/lab/os:1", layer)
	return where
}

func (m matrixLab) push(to string, layer v1.Layer) {
	m.Helper()
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		m.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		m.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	if img, err = mutate.ConfigFile(img, config); err != nil {
		m.Fatal(err)
	}
	ref, err := name.ParseReference(to)
	if err == nil {
		err = remote.Write(ref, img)
	}
	if err != nil {
		m.Fatal(err)
	}
}

// archive gives a folder as a compressed archive, in which all is root's but the file one.
func (m matrixLab) archive(dir string) []byte {
	m.Helper()
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	w := tar.NewWriter(packed)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		link, _ := os.Readlink(path)
		h, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		h.Name, h.Uid, h.Gid, h.Uname, h.Gname = rel, 0, 0, "", ""
		if rel == "one" {
			h.Uid, h.Gid = 1, 1
		}
		if err := w.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	})
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = packed.Close()
	}
	if err != nil {
		m.Fatal(err)
	}
	return out.Bytes()
}

// pids gives the process ids of the lab's containers, by image.
func (m matrixLab) pids() map[string]int {
	m.Helper()
	var rows []struct {
		Address string
		PID     int
	}
	if err := json.Unmarshal([]byte(m.must("ps -json")), &rows); err != nil {
		m.Fatal(err)
	}
	pids := map[string]int{}
	for _, r := range rows {
		image := strings.TrimSuffix(strings.TrimPrefix(r.Address, `container.box["`), `"]`)
		pids[image] = r.PID
	}
	return pids
}

// namespaces are all that there are, as /proc/PID/ns names them.
var namespaces = []string{"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"}

// capabilityBound is the bounding set of a container with a network of its own, as
// capabilities(7) numbers them: podman's default, NET_ADMIN and NET_RAW.
const capabilityBound = "00000000800435fb"

// checkOutside looks at a container's first process from the host.
func (m matrixLab) checkOutside(pid int) {
	m.Helper()
	for _, kind := range namespaces {
		inside, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
		if err != nil {
			m.Error(err)
		}
		if outside, err := os.Readlink("/proc/self/ns/" + kind); err != nil || inside == outside {
			m.Errorf("the container is in the host's %s namespace: %s, %v", kind, inside, err)
		}
	}
	m.checkMap(process.UIDMap(strconv.Itoa(pid)))
	m.checkMap(process.GIDMap(strconv.Itoa(pid)))
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		m.Error(err)
	}
	for _, line := range []string{"CapBnd:\t" + capabilityBound, "CapAmb:\t" + strings.Repeat("0", 16), "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !bytes.Contains(status, []byte("\n"+line+"\n")) {
			m.Errorf("no %q in the status:\n%s", line, status)
		}
	}
}

// checkMap looks at a container's map of ids.
func (m matrixLab) checkMap(list []process.Range, err error) {
	m.Helper()
	if err != nil {
		m.Error(err)
		return
	}
	var total uint32
	for _, r := range list {
		total += r.Count
		if r.Outside == 0 && mayLimit() {
			m.Errorf("root of the host is in the container: %v", list)
		}
	}
	if !m.ranged && total != 1 || m.ranged && total < 65536 || list[0].Inside != 0 {
		m.Errorf("the map is %v", list)
	}
	if m.user && mayLimit() && list[0].Outside != 1000 {
		m.Errorf("the container's root is not the user: %v", list)
	}
}

// checkInside runs a script in a container, which finds the mark of an earlier round.
func (m matrixLab) checkInside(image, round string) {
	m.Helper()
	script, err := os.ReadFile("testdata/inside.sh")
	if err != nil {
		m.Fatal(err)
	}
	files := []string{"/zero", "/one"}
	if image == "host" {
		files = []string{"/etc/passwd"}
	}
	address := fmt.Sprintf("container.box[%q]", image)
	out, err := m.run("exec", append([]string{address, "--", "/bin/sh", "-c", string(script), "inside"}, files...)...)
	if err != nil {
		m.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "uptime ") })
	if i < 0 {
		m.Fatalf("no uptime:\n%s", out)
	}
	if up, err := strconv.Atoi(strings.TrimPrefix(lines[i], "uptime ")); err != nil || up < 0 || up > 60 {
		m.Errorf("the container is up for %s", lines[i])
	}
	lines = slices.Delete(lines, i, i+1)
	want := []string{"CapBnd: " + capabilityBound, "NoNewPrivs: 1", "Seccomp: 2", "hostname " + image}
	want = append(want, m.owners(image)...)
	want = append(want, round)
	if diff := cmp.Diff(want, lines); diff != "" {
		m.Errorf("inside (- want, + got):\n%s", diff)
	}
}

// nobody is the id that stands for all that have none in a user namespace.
const nobody = "65534:65534"

// owners says to whom files of an image belong inside.
func (m matrixLab) owners(image string) []string {
	zero, one := "0:0", "1:1"
	switch {
	case image == "host" && (m.user || !mayLimit()):
		return []string{"owner /etc/passwd " + nobody} // the host's root is nobody's business
	case image == "host":
		return []string{"owner /etc/passwd " + zero}
	case image == "directory" && m.user:
		one = zero // all in it is the user's
	case !m.ranged:
		one = nobody
	}
	return []string{"owner /zero " + zero, "owner /one " + one}
}
