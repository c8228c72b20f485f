package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/diyform/diyform/internal/playhost"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/image"
	"github.com/diyform/diyform/providers/container/userns"
)

func TestMain(m *testing.M) {
	if userns.Invoked() {
		os.Exit(userns.Main(workers()))
	}
	os.Exit(playtest.Main(m))
}

// asEachUser runs a test as root and as an ordinary user, who has subordinate ids if the
// machine has newuidmap.
func asEachUser(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	playtest.Require(t)
	if os.Geteuid() != 0 {
		test(t)
		return
	}
	t.Run("root", test)
	t.Run("user", func(t *testing.T) {
		home, err := os.MkdirTemp("", "image-user-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(home) })
		if err := os.Chown(home, playhost.UserID, playhost.UserID); err != nil {
			playtest.Missing(t, fmt.Errorf("there is no second user: %w", err))
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		program := filepath.Join(home, "test")
		if err := os.WriteFile(program, text, 0o755); err != nil {
			t.Fatal(err)
		}
		top, _, _ := strings.Cut(t.Name(), "/")
		cmd := exec.Command(program, "-test.run=^"+top+"$", "-test.v")
		cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home)
		cmd.Dir = home
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: playhost.UserID, Gid: playhost.UserID}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("as an ordinary user: %v\n%s", err, out)
		}
	})
}

// layer makes a layer of a file's name and content, one after the other.
func layer(t *testing.T, files ...string) v1.Layer {
	t.Helper()
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive(t, files...))), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// archive makes an archive in which everything belongs to user 7.
func archive(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		h := tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1])), Uid: 7, Gid: 7, ModTime: time.Unix(1e9, 0)}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sample is an image of two layers, the upper of which hides a file.
func sample(t *testing.T) v1.Image {
	t.Helper()
	i, err := mutate.AppendLayers(empty.Image,
		layer(t, "etc/os", "one", "etc/gone", "x", "big", strings.Repeat("0123456789abcdef", 20000)),
		layer(t, "etc/.wh.gone", "", "etc/new", "two"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := i.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", "amd64"
	file.Config = v1.Config{
		Entrypoint: []string{"/entry"}, Cmd: []string{"serve"}, Env: []string{"A=b=c"}, User: "web", WorkingDir: "/srv",
		StopSignal: "SIGINT",
	}
	if i, err = mutate.ConfigFile(i, file); err != nil {
		t.Fatal(err)
	}
	return i
}

const platform = "linux/amd64"

// serve starts a registry with the image as x/y:1. wrap may stand before it.
func serve(t *testing.T, i v1.Image, wrap func(http.Handler) http.Handler) (reference string) {
	t.Helper()
	handler := http.Handler(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	var front atomic.Pointer[http.Handler]
	front.Store(&handler)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*front.Load()).ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	reference = strings.TrimPrefix(server.URL, "http://") + "/x/y:1"
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, i); err != nil {
		t.Fatal(err)
	}
	if wrap != nil {
		wrapped := wrap(handler)
		front.Store(&wrapped)
	}
	return reference
}

func TestPull(t *testing.T) {
	asEachUser(t, func(t *testing.T) {
		store := image.Open(filepath.Join(t.TempDir(), "images"))
		i := sample(t)
		reference := serve(t, i, nil)
		got, err := store.Pull(t.Context(), image.Source{Name: reference, Platform: platform}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { prune(t, store) })
		digest, err := i.Digest()
		if err != nil {
			t.Fatal(err)
		}
		config, err := i.ConfigName()
		if err != nil {
			t.Fatal(err)
		}
		if got.ID != image.Prefix+config.String() || got.Digest != digest.String() || len(got.Layers) != 2 {
			t.Fatalf("image is %+v", got)
		}
		want := image.Config{
			Entrypoint: []string{"/entry"}, Command: []string{"serve"}, Env: map[string]string{"A": "b=c"},
			User: "web", WorkingDir: "/srv", StopSignal: "SIGINT",
		}
		if fmt.Sprint(got.Config) != fmt.Sprint(want) {
			t.Errorf("configuration is %+v", got.Config)
		}
		checkFiles(t, got)
		loaded, err := store.Load(got.ID)
		if err != nil || !slices.Equal(loaded.Layers, got.Layers) || loaded.Size != got.Size {
			t.Errorf("loaded is %+v, %v", loaded, err)
		}
	})
}

func checkFiles(t *testing.T, i image.Image) {
	t.Helper()
	top, bottom := i.Layers[0], i.Layers[1]
	if text, err := os.ReadFile(filepath.Join(bottom, "etc/os")); err != nil || string(text) != "one" {
		t.Errorf("etc/os is %q, %v", text, err)
	}
	info, err := os.Stat(filepath.Join(top, "etc/gone"))
	if err != nil || info.Mode().Type() != os.ModeDevice|os.ModeCharDevice {
		t.Errorf("the whiteout is %v, %v", info, err)
	}
	info, err = os.Stat(filepath.Join(top, "etc/new"))
	if err != nil {
		t.Fatal(err)
	}
	owner := uint32(7)
	if userns.Needed() {
		owner = uint32(os.Geteuid())
		if m := userns.Best(); m.Ranged() {
			owner = m.UIDs[1].Outside + 6
		}
	}
	if got := info.Sys().(*syscall.Stat_t).Uid; got != owner {
		t.Errorf("etc/new belongs to %d, want %d", got, owner)
	}
}

func prune(t *testing.T, store *image.Store) image.Pruned {
	t.Helper()
	p, err := store.Prune(context.Background(), image.Keep{
		Image: func(image.Document) bool { return false }, Use: func(image.Use) bool { return false },
	})
	if err != nil {
		t.Error(err)
	}
	return p
}

func TestPruneLeavesNothing(t *testing.T) {
	asEachUser(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "images")
		store := image.Open(dir)
		reference := serve(t, sample(t), nil)
		got, err := store.Pull(t.Context(), image.Source{Name: reference, Platform: platform}, nil)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := store.Prune(t.Context(), image.Keep{Image: func(d image.Document) bool { return d.ID == got.ID }})
		if err != nil || len(kept.Images) != 0 || kept.Layers != 0 {
			t.Errorf("pruned what is wanted: %+v, %v", kept, err)
		}
		nobody := func(image.Document) bool { return false }
		kept, err = store.Prune(t.Context(), image.Keep{Image: nobody, Layers: map[string]bool{got.Layers[0]: true, got.Layers[1]: true}})
		if err != nil || len(kept.Images) != 0 || kept.Layers != 0 {
			t.Errorf("pruned what runs: %+v, %v", kept, err)
		}
		p := prune(t, store)
		if len(p.Images) != 1 || p.Layers != 2 || p.Size != got.Size {
			t.Errorf("pruned %+v", p)
		}
		if _, err := store.Load(got.ID); !errors.Is(err, image.ErrNotFound) {
			t.Errorf("loading it again: %v", err)
		}
		if left, err := os.ReadDir(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("left are %v, %v", left, err)
		}
	})
}

// A registry, or somebody on the way, that gives other content than what was asked for.
func TestDamagedLayerIsNotKept(t *testing.T) {
	playtest.Require(t)
	dir := filepath.Join(t.TempDir(), "images")
	store := image.Open(dir)
	var zip bytes.Buffer
	w := gzip.NewWriter(&zip)
	w.Write(archive(t, "etc/os", "evil"))
	w.Close()
	i := sample(t)
	layers, err := i.Layers()
	if err != nil {
		t.Fatal(err)
	}
	first, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	reference := serve(t, i, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, first.String()) {
				w.Write(zip.Bytes())
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	if _, err := store.Pull(t.Context(), image.Source{Name: reference, Platform: platform}, nil); err == nil {
		t.Fatal("a layer that is not what its digest says was taken")
	}
	if list, err := store.List(); err != nil || len(list) != 0 {
		t.Errorf("images are %v, %v", list, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "layers", "*"+first.Hex+"*")); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "layers", ".*")); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestWrongPlatform(t *testing.T) {
	playtest.Require(t)
	store := image.Open(filepath.Join(t.TempDir(), "images"))
	reference := serve(t, sample(t), nil)
	_, err := store.Pull(t.Context(), image.Source{Name: reference, Platform: "linux/s390x"}, nil)
	if !errors.Is(err, image.ErrNoPlatform) || !strings.Contains(err.Error(), "there is linux/amd64") {
		t.Errorf("error is %v", err)
	}
}

// The same image as a layout, in an archive of one, and as docker save writes it.
func TestLocalForms(t *testing.T) {
	asEachUser(t, func(t *testing.T) {
		i, dir := sample(t), t.TempDir()
		store := image.Open(filepath.Join(dir, "images"))
		t.Cleanup(func() { prune(t, store) })
		index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: i, Descriptor: v1.Descriptor{
			Annotations: map[string]string{"org.opencontainers.image.ref.name": "v1"},
		}})
		if _, err := layout.Write(filepath.Join(dir, "layout"), index); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("tar", "-C", filepath.Join(dir, "layout"), "-czf", filepath.Join(dir, "layout.tar.gz"), ".").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		tag, err := name.NewTag("x/y:1")
		if err != nil {
			t.Fatal(err)
		}
		if err := tarball.WriteToFile(filepath.Join(dir, "saved.tar"), tag, i); err != nil {
			t.Fatal(err)
		}
		config, err := i.ConfigName()
		if err != nil {
			t.Fatal(err)
		}
		for _, source := range []string{"layout", "layout:v1", "./layout.tar.gz", filepath.Join(dir, "saved.tar")} {
			prune(t, store)
			got, err := store.Pull(t.Context(), image.Source{Name: source, Dir: dir, Platform: platform}, nil)
			if err != nil {
				t.Errorf("%s: %v", source, err)
				continue
			}
			if got.ID != image.Prefix+config.String() {
				t.Errorf("%s is %s", source, got.ID)
			}
			checkFiles(t, got)
		}
		_, err = store.Pull(t.Context(), image.Source{Name: "layout:v2", Dir: dir, Platform: platform}, nil)
		if err == nil || !strings.Contains(err.Error(), "it has v1") {
			t.Errorf("error for a missing tag is %v", err)
		}
	})
}

func TestImport(t *testing.T) {
	asEachUser(t, func(t *testing.T) {
		dir := t.TempDir()
		store := image.Open(filepath.Join(dir, "images"))
		t.Cleanup(func() { prune(t, store) })
		file := filepath.Join(dir, "rootfs.tar")
		if err := os.WriteFile(file, archive(t, "bin/sh", "#!", ".wh.kept", ""), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := store.Import(t.Context(), file, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		// An archive is no layer: such a name means nothing in it.
		for _, name := range []string{"bin/sh", ".wh.kept"} {
			if _, err := os.Lstat(filepath.Join(got.Layers[0], name)); err != nil {
				t.Error(err)
			}
		}
		again, err := store.Import(t.Context(), file, "", nil)
		if err != nil || again.ID != got.ID || !again.Created.Equal(got.Created) {
			t.Errorf("again it is %+v, %v", again, err)
		}
		folder := filepath.Join(dir, "folder")
		if err := os.MkdirAll(filepath.Join(folder, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		fromFolder, err := store.Import(t.Context(), folder, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Join(fromFolder.Layers[0], "bin")); err != nil || !info.IsDir() {
			t.Error(err)
		}
	})
}

func TestFingerprintNoticesChanges(t *testing.T) {
	dir := t.TempDir()
	store := image.Open(filepath.Join(dir, "images"))
	file := filepath.Join(dir, "big")
	content := bytes.Repeat([]byte("x"), 1<<20)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	first, err := store.Fingerprint(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := store.Fingerprint(t.Context(), file); err != nil || again != first {
		t.Errorf("again it is %s, %v", again, err)
	}
	// The same size and time, as who is careful about times leaves it.
	content[5] = 'y'
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	if changed, err := store.Fingerprint(t.Context(), file); err != nil || changed == first {
		t.Errorf("after a change it is %s, %v", changed, err)
	}
}

// A registry elsewhere is not spoken to without encryption, whatever addresses it has.
func TestPlainRegistryIsRefused(t *testing.T) {
	playtest.Require(t)
	listener, err := net.Listen("tcp", playhost.HostAddress4+":0")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{
		Listener: listener, Config: &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0)))},
	}
	server.Start()
	t.Cleanup(server.Close)
	reference := listener.Addr().String() + "/x/y:1"
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, sample(t)); err != nil {
		t.Fatal(err)
	}
	store := image.Open(filepath.Join(t.TempDir(), "images"))
	if _, err := store.Pull(t.Context(), image.Source{Name: reference, Platform: platform}, nil); err == nil {
		t.Error("an image was taken over HTTP without being told to")
	}
	if _, err := store.Pull(t.Context(), image.Source{Name: reference, Platform: platform, Insecure: true}, nil); err != nil {
		t.Error(err)
	}
	prune(t, store)
}
