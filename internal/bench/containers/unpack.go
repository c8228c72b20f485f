package main

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/diyform/diyform/providers/container/image"
)

// An image of 300 MB, with as many files as one of that size mostly has.
const (
	imageSize  = 300 << 20
	imageFiles = 12000
)

// unpack measures how fast an image of one compressed layer becomes a root file system.
func (b *bench) unpack() error {
	layer := filepath.Join(b.dir, "layer.tar")
	if err := writeLayer(layer); err != nil {
		return err
	}
	if _, err := command("gzip", "--keep", layer); err != nil {
		return err
	}
	path := filepath.Join(b.dir, "image")
	if err := writeLayout(path, layer+".gz"); err != nil {
		return err
	}
	fmt.Printf("unpack an image of %d MB in %d files, compressed by gzip\n", imageSize>>20, imageFiles)
	took := map[string]time.Duration{}
	for _, way := range []struct {
		name string
		do   func(target string) error
	}{
		{"tar", func(target string) error {
			_, err := command("tar", "--extract", "--gzip", "--file", layer+".gz", "--directory", target)
			return err
		}},
		{"umoci unpack", func(target string) error {
			_, err := command("umoci", "unpack", "--image", path+":bench", filepath.Join(target, "bundle"))
			return err
		}},
		{"diyform", func(target string) error {
			_, err := image.Open(target).Pull(context.Background(), image.Source{Name: path + ":bench"}, nil)
			return err
		}},
	} {
		target := filepath.Join(b.dir, "unpacked")
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
		begun := time.Now()
		if err := way.do(target); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		took[way.name] = time.Since(begun)
		fmt.Printf("  %-14s %5.2f s\n", way.name, took[way.name].Seconds())
		if err := os.RemoveAll(target); err != nil {
			return err
		}
	}
	for _, name := range []string{"tar", "umoci unpack"} {
		fmt.Printf("%s takes %.2f times as long as diyform\n", name, took[name].Seconds()/took["diyform"].Seconds())
	}
	return nil
}

// writeLayer writes files of many sizes, half of whose content compresses, the same each time.
func writeLayer(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	random := rand.New(rand.NewPCG(1, 2))
	noise := rand.NewChaCha8([32]byte{})
	w := tar.NewWriter(f)
	for i := range imageFiles {
		if i%100 == 0 {
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: fmt.Sprintf("usr/share/d%d/", i/100), Mode: 0o755}); err != nil {
				return err
			}
		}
		size := random.Int64N(2 * imageSize / imageFiles)
		header := &tar.Header{Name: fmt.Sprintf("usr/share/d%d/f%d", i/100, i), Mode: 0o644, Size: size, ModTime: time.Unix(1e9, 0)}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.CopyN(w, noise, size/2); err != nil {
			return err
		}
		if _, err := w.Write(make([]byte, size-size/2)); err != nil {
			return err
		}
	}
	return w.Close()
}

// writeLayout makes an image of one layer in an OCI layout.
func writeLayout(path, layer string) error {
	l, err := tarball.LayerFromFile(layer, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return err
	}
	// umoci takes no other media types.
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.AppendLayers(base, l)
	if err != nil {
		return err
	}
	img, err = mutate.ConfigFile(img, withPlatform(img))
	if err != nil {
		return err
	}
	index, err := layout.Write(path, empty.Index)
	if err != nil {
		return err
	}
	return index.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "bench"}))
}

func withPlatform(img v1.Image) *v1.ConfigFile {
	config, err := img.ConfigFile()
	if err != nil {
		config = &v1.ConfigFile{}
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	return config
}
