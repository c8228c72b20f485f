package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
)

// parallel is how many layers are fetched and unpacked at once.
const parallel = 4

// Pull brings an image into the store, with those of its layers that are not there yet.
// progress, which may be nil, gets a line for people now and then.
func (s *Store) Pull(ctx context.Context, src Source, progress func(string)) (Image, error) {
	if err := s.sweep(ctx); err != nil {
		return Image{}, fmt.Errorf("clean image store: %w", err)
	}
	found, err := s.find(ctx, src)
	if err != nil {
		return Image{}, err
	}
	defer found.close()
	for range attempts {
		if err := s.fetch(ctx, found, newMeter(progress)); err != nil {
			return Image{}, err
		}
		var img Image
		img, err = s.finish(ctx, Document{Digest: found.digest.String(), Source: src.Name, Config: found.config})
		if !errors.Is(err, ErrNotFound) && !errors.Is(err, fs.ErrNotExist) {
			return img, err
		}
	}
	return Image{}, err
}

// attempts to have all layers at once: a prune in between removes what no image has yet.
const attempts = 3

// fetch unpacks what is missing, while it comes in.
func (s *Store) fetch(ctx context.Context, o *origin, m *meter) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	var missing []blob
	seen := map[v1.Hash]bool{}
	for _, b := range o.layers {
		_, err := s.facts(b.diffID)
		if errors.Is(err, fs.ErrNotExist) && !seen[b.diffID] {
			missing = append(missing, b)
			m.expect(b.size)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		seen[b.diffID] = true
	}
	m.begin(len(o.layers), len(missing))
	for _, b := range missing {
		group.Go(func() error { return s.fetchLayer(ctx, b, m) })
	}
	return group.Wait()
}

func (s *Store) fetchLayer(ctx context.Context, b blob, m *meter) error {
	r, err := b.open()
	if err != nil {
		return fmt.Errorf("fetch layer %s: %w", b.diffID, err)
	}
	defer r.Close()
	w := &watched{Reader: r, note: m.add}
	_, _, err = s.keep(ctx, b.diffID, job{Layer: true}, w)
	if w.err != nil {
		err = w.err // whatever the unpacking of half a layer ran into
	}
	if err != nil {
		return fmt.Errorf("fetch layer %s: %w", b.diffID, err)
	}
	m.layerDone()
	return nil
}

// Import makes an image of a root file system: an archive, compressed or not, or a folder.
func (s *Store) Import(ctx context.Context, path, platform string, progress func(string)) (Image, error) {
	if err := s.sweep(ctx); err != nil {
		return Image{}, fmt.Errorf("clean image store: %w", err)
	}
	p, err := parsePlatform(platform)
	if err != nil {
		return Image{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return Image{}, fmt.Errorf("open root file system: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Image{}, err
	}
	var j job
	m := newMeter(progress)
	w := &watched{Reader: f, note: m.add}
	if info.IsDir() {
		if j.Folder, err = filepath.Abs(path); err != nil {
			return Image{}, err
		}
		w.Reader = empty{}
	} else {
		m.expect(info.Size())
	}
	m.begin(1, 1)
	diffID, _, err := s.keep(ctx, v1.Hash{}, j, w)
	if err != nil {
		return Image{}, err
	}
	config, err := json.Marshal(v1.ConfigFile{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{diffID}},
	})
	if err != nil {
		return Image{}, err
	}
	return s.finish(ctx, Document{Digest: diffID.String(), Source: path, Config: config})
}

// finish records an image all of whose layers are there.
func (s *Store) finish(ctx context.Context, d Document) (Image, error) {
	d.ID = Prefix + digestOf(d.Config).String()
	file, err := d.file()
	if err != nil {
		return Image{}, err
	}
	for _, diffID := range file.RootFS.DiffIDs {
		f, err := s.facts(diffID)
		if err != nil {
			return Image{}, fmt.Errorf("find layer: %w", err)
		}
		d.Size += f.Size
	}
	if err := s.complete(ctx, file.RootFS.DiffIDs); err != nil {
		return Image{}, fmt.Errorf("complete layers: %w", err)
	}
	d.Created = time.Now().UTC()
	if old, err := s.Document(d.ID); err == nil {
		d.Created = old.Created
	}
	if err := s.record(d); err != nil {
		return Image{}, fmt.Errorf("record image: %w", err)
	}
	return s.image(d)
}

// meter tells people how far a transfer is.
type meter struct {
	tell func(string)

	mu            sync.Mutex
	total, got    int64
	layers, ready int
	told          time.Time
}

func newMeter(tell func(string)) *meter {
	if tell == nil {
		tell = func(string) {}
	}
	return &meter{tell: tell, told: time.Now()}
}

// tellEvery keeps the lines few.
const tellEvery = 2 * time.Second

func (m *meter) expect(size int64) { m.total += size }

func (m *meter) begin(layers, missing int) {
	m.layers = missing
	switch {
	case missing == 0:
		m.tell("all layers are in the store already")
	case m.total > 0:
		m.tell(fmt.Sprintf("unpacking %d of %d layers, %s", missing, layers, Bytes(m.total)))
	}
}

func (m *meter) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.got += int64(n)
	if time.Since(m.told) >= tellEvery && m.total > 0 {
		m.told = time.Now()
		m.tell(fmt.Sprintf("unpacked %s of %s", Bytes(m.got), Bytes(m.total)))
	}
}

func (m *meter) layerDone() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ready++
	m.tell(fmt.Sprintf("layer %d of %d is ready", m.ready, m.layers))
}

// Bytes writes a number of bytes for people: "45.2 MB".
func Bytes(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), -1
	for value >= 1000 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", value, units[unit])
}
