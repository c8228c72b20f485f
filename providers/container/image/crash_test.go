package image_test

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/image"
)

// Set in the environment of a process that pulls and is killed.
const (
	killedStore  = "IMAGE_TEST_STORE"
	killedSource = "IMAGE_TEST_SOURCE"
)

// A killed pull leaves nothing that looks like a layer, and the next one cleans up.
func TestKilledPull(t *testing.T) {
	if dir := os.Getenv(killedStore); dir != "" {
		_, err := image.Open(dir).Pull(t.Context(), image.Source{Name: os.Getenv(killedSource), Platform: platform}, nil)
		t.Fatalf("it was not killed in time: %v", err)
	}
	asEachUser(t, testKilledPull)
}

func testKilledPull(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "images")
	i := sample(t)
	layers, err := i.Layers()
	if err != nil {
		t.Fatal(err)
	}
	big, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	half, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	reference := serve(t, i, func(inner http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			first := false
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, big.String()) {
				once.Do(func() { first = true })
			}
			if !first {
				inner.ServeHTTP(w, r)
				return
			}
			w.WriteHeader(http.StatusOK)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			close(half)
			<-release
		})
	})
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestKilledPull$")
	cmd.Env = append(os.Environ(), killedStore+"="+dir, killedSource+"="+reference)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-half
	var left []string
	for deadline := time.Now().Add(10 * time.Second); len(left) == 0; time.Sleep(time.Millisecond) {
		left, err = filepath.Glob(filepath.Join(dir, "layers", ".unpack-*[0-9]"))
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the pull does not begin: %v", err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as was asked
	close(release)
	store := image.Open(dir)
	got, err := store.Pull(t.Context(), image.Source{Name: reference, Platform: platform}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { prune(t, store) })
	checkFiles(t, got)
	// The killed one's worker in a user namespace ends a moment later; until then what it works
	// on is not swept.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		left, err = filepath.Glob(filepath.Join(dir, "layers", ".unpack-*"))
		if err == nil && len(left) == 0 {
			return
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("left are %v, %v", left, err)
		}
		if _, err := store.Pull(t.Context(), image.Source{Name: reference, Platform: platform}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// Several processes may want the same at once, and each sweeps the store before.
func TestConcurrentPulls(t *testing.T) {
	playtest.Require(t)
	dir := filepath.Join(t.TempDir(), "images")
	reference := serve(t, sample(t), nil)
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for n := range errs {
		wg.Go(func() {
			got, err := image.Open(dir).Pull(t.Context(), image.Source{Name: reference, Platform: platform}, nil)
			if err == nil && len(got.Layers) != 2 {
				err = errors.New("a layer is missing")
			}
			errs[n] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "layers", ".unpack-*")); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}
