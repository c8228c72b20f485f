package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Source says which image is meant.
type Source struct {
	// Name is the path of an image layout, possibly with a colon and a tag behind it, or of an
	// archive of one, or of what docker save writes, or else a reference of a registry.
	Name     string
	Platform string // "linux/arm64", "linux/arm/v7"; left out, this machine's
	Insecure bool   // the registry may have no TLS, or a certificate that proves nothing
	Dir      string // where a relative path begins
}

// origin is an image that was found, and not yet fetched.
type origin struct {
	digest v1.Hash
	config []byte
	layers []blob // the bottom one first, as in the configuration
	close  func()
}

// blob is a layer that can be fetched.
type blob struct {
	diffID v1.Hash
	size   int64 // as it is fetched; 0 if not known
	open   func() (io.ReadCloser, error)
}

// Local gives the path of a source that is no registry's, without the tag behind it.
func (s Source) Local() (path, tag string, ok bool) {
	full := s.Name
	if !filepath.IsAbs(full) {
		full = filepath.Join(s.Dir, full)
	}
	if _, err := os.Stat(full); err == nil {
		return full, "", true
	}
	if i := strings.LastIndexByte(full, ':'); i > strings.LastIndexByte(full, '/') {
		if info, err := os.Stat(full[:i]); err == nil && info.IsDir() {
			return full[:i], full[i+1:], true
		}
	}
	for _, prefix := range []string{"/", "./", "../"} {
		if strings.HasPrefix(s.Name, prefix) {
			return full, "", true
		}
	}
	return "", "", false
}

// find looks at the source, without fetching layers.
func (s *Store) find(ctx context.Context, src Source) (*origin, error) {
	platform, err := parsePlatform(src.Platform)
	if err != nil {
		return nil, err
	}
	file, tag, local := src.Local()
	if !local {
		return findRemote(ctx, src, platform)
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	if info.IsDir() {
		return findInFolder(file, tag, platform)
	}
	return s.findInArchive(ctx, file, platform)
}

func parsePlatform(text string) (v1.Platform, error) {
	if text == "" {
		p := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
		return p, nil
	}
	p, err := v1.ParsePlatform(text)
	if err != nil || p.OS == "" || p.Architecture == "" {
		return v1.Platform{}, fmt.Errorf("%q %w", text, ErrPlatform)
	}
	return *p, nil
}

// Check tells whether name and platform can mean an image. No registry is asked. ErrPlatform
// and ErrReference say that they cannot.
func (s Source) Check() error {
	if _, err := parsePlatform(s.Platform); err != nil {
		return err
	}
	if _, _, local := s.Local(); local {
		return nil
	}
	_, err := s.reference()
	return err
}

// findInArchive unpacks an archive of an image, which is as large as the image compressed.
func (s *Store) findInArchive(ctx context.Context, file string, platform v1.Platform) (*origin, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	defer f.Close()
	dir, done, err := s.workplace()
	if err != nil {
		return nil, err
	}
	end := func() {
		// It is made of this user's files alone. What stays is swept.
		_ = os.RemoveAll(dir)
		done()
	}
	_, err = job{Dest: dir, Single: true}.run(ctx, f)
	var found *origin
	if err == nil {
		found, err = findInFolder(dir, "", platform)
	}
	if err != nil {
		end()
		return nil, err
	}
	found.close = end
	return found, nil
}

// findInFolder knows the two forms: OCI's image layout, and what docker save puts into its
// archive. Newer dockers put both into one.
func findInFolder(dir, tag string, platform v1.Platform) (*origin, error) {
	if _, err := os.Stat(filepath.Join(dir, "index.json")); err == nil {
		return findInLayout(dir, tag, platform)
	}
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err == nil {
		return findSaved(dir)
	}
	return nil, fmt.Errorf("%w: it has neither the index.json of an image layout nor the manifest.json of docker save", ErrUnknownType)
}

// index is the part of v1.ImageIndex that choosing needs.
type index interface {
	IndexManifest() (*v1.IndexManifest, error)
	Image(v1.Hash) (v1.Image, error)
	ImageIndex(v1.Hash) (v1.ImageIndex, error)
}

const tagAnnotation = "org.opencontainers.image.ref.name"

func findInLayout(dir, tag string, platform v1.Platform) (*origin, error) {
	ii, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, fmt.Errorf("read image layout: %w", err)
	}
	manifest, err := ii.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("read image layout: %w", err)
	}
	list := manifest.Manifests
	if tag != "" {
		list = slices.DeleteFunc(slices.Clone(list), func(d v1.Descriptor) bool { return d.Annotations[tagAnnotation] != tag })
		if len(list) == 0 {
			return nil, fmt.Errorf("find tag %q in image layout: it has %s", tag, tags(manifest.Manifests))
		}
	}
	return choose(ii, list, platform)
}

func tags(list []v1.Descriptor) string {
	var names []string
	for _, d := range list {
		if name := d.Annotations[tagAnnotation]; name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// choose takes the image for the platform, from what an index lists.
func choose(ii index, list []v1.Descriptor, platform v1.Platform) (*origin, error) {
	var there []string
	for _, d := range list {
		switch {
		case d.MediaType.IsIndex():
			inner, err := ii.ImageIndex(d.Digest)
			if err != nil {
				return nil, fmt.Errorf("read index: %w", err)
			}
			m, err := inner.IndexManifest()
			if err != nil {
				return nil, fmt.Errorf("read index: %w", err)
			}
			found, err := choose(inner, m.Manifests, platform)
			if !errors.Is(err, ErrNoPlatform) || len(list) == 1 {
				return found, err
			}
		case d.Platform != nil && !d.Platform.Satisfies(platform):
			if d.Platform.OS != "unknown" { // attestations, which are no images
				there = append(there, d.Platform.String())
			}
		case d.MediaType.IsImage():
			i, err := ii.Image(d.Digest)
			if err != nil {
				return nil, fmt.Errorf("read manifest: %w", err)
			}
			return originOf(i, d.Digest, platform)
		default:
			return nil, fmt.Errorf("%w: its media type is %q", ErrUnknownType, d.MediaType)
		}
	}
	return nil, fmt.Errorf("%w: %s is wanted, and there is %s", ErrNoPlatform, platform.String(), orNothing(there))
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// originOf checks manifest and configuration.
func originOf(i v1.Image, digest v1.Hash, platform v1.Platform) (*origin, error) {
	raw, err := i.RawManifest()
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	if err := verify(raw, digest); err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	if !m.Config.MediaType.IsConfig() {
		return nil, fmt.Errorf("%w: its configuration's media type is %q", ErrUnknownType, m.Config.MediaType)
	}
	config, err := i.RawConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if err := verify(config, m.Config.Digest); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	o := &origin{digest: digest, config: config, close: func() {}}
	diffIDs, err := o.check(platform)
	if err != nil {
		return nil, err
	}
	if len(diffIDs) != len(m.Layers) {
		return nil, fmt.Errorf("%w: %d layers, and %d digests of layers", ErrMismatch, len(m.Layers), len(diffIDs))
	}
	for n, d := range m.Layers {
		if !d.MediaType.IsLayer() && d.MediaType != types.OCILayerZStd {
			return nil, fmt.Errorf("%w: the media type of a layer is %q", ErrUnknownType, d.MediaType)
		}
		o.layers = append(o.layers, blob{diffIDs[n], d.Size, func() (io.ReadCloser, error) {
			l, err := i.LayerByDigest(d.Digest)
			if err != nil {
				return nil, err
			}
			r, err := l.Compressed()
			if err != nil {
				return nil, err
			}
			return &verifier{ReadCloser: r, hash: sha256.New(), want: d.Digest}, nil
		}})
	}
	return o, nil
}

// check reads the configuration: for which platform it is, and the digests of its layers.
func (o *origin) check(platform v1.Platform) ([]v1.Hash, error) {
	file, err := v1.ParseConfigFile(bytes.NewReader(o.config))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	is := file.Platform()
	if is != nil && is.Architecture != "" && !is.Satisfies(platform) {
		return nil, fmt.Errorf("%w: %s is wanted, and there is %s", ErrNoPlatform, platform.String(), is)
	}
	for _, h := range file.RootFS.DiffIDs {
		if h.Algorithm != "sha256" || len(h.Hex) != 64 {
			return nil, fmt.Errorf("%w: %q is no digest of a layer", ErrUnknownType, h)
		}
	}
	return file.RootFS.DiffIDs, nil
}

// saved is an image in the manifest.json of docker save.
type saved struct {
	Config string
	Layers []string
}

// findSaved reads the folder that docker save's archive was unpacked to. Its layers are links
// to each other in older ones, which must not lead out of it.
func findSaved(dir string) (*origin, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var list []saved
	text, err := root.ReadFile("manifest.json")
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("read manifest.json: %w", err)
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("%w: the archive has %d images, and must have one: save it alone", ErrUnknownType, len(list))
	}
	config, err := root.ReadFile(path.Clean(list[0].Config))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	o := &origin{config: config, digest: digestOf(config), close: func() {}}
	file, err := v1.ParseConfigFile(bytes.NewReader(config))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	diffIDs := file.RootFS.DiffIDs
	if len(diffIDs) != len(list[0].Layers) {
		return nil, fmt.Errorf("%w: %d layers, and %d digests of layers", ErrMismatch, len(list[0].Layers), len(diffIDs))
	}
	for n, name := range list[0].Layers {
		info, err := root.Stat(path.Clean(name))
		if err != nil {
			return nil, fmt.Errorf("find layer: %w", err)
		}
		o.layers = append(o.layers, blob{diffIDs[n], info.Size(), func() (io.ReadCloser, error) { return openIn(dir, name) }})
	}
	return o, nil
}

func openIn(dir, name string) (io.ReadCloser, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(path.Clean(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open layer: %w", err)
	}
	return f, err
}
