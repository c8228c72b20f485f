// Package image keeps root file systems: images of registries, image layouts and archives,
// in one store that all stacks of a user share.
//
// The store is content-addressed: a layer is a folder named by the digest of its tar stream
// without compression, an image a document named by the digest of its configuration. Both
// are made beside their place and renamed into it, so that what has its name is whole,
// whoever was killed when. Nothing in it is changed afterwards.
//
// The package mounts nothing (rootfs stacks the layers) and knows no resource (root_image.go
// of package container does). Unpacking itself is in unpack. Start with Store; pull.go gets
// images, source.go finds out what is meant by a name, layer.go unpacks one layer, folders.go
// makes up for what layers leave unsaid, use.go and prune.go say what nobody needs any more.
package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// What callers may want to tell apart.
var (
	ErrNotFound    = errors.New("the image is not in the store")
	ErrMismatch    = errors.New("the content is not what its digest says")
	ErrNoPlatform  = errors.New("there is no image for this platform")
	ErrPlatform    = errors.New("is no platform: write OS/ARCHITECTURE, as in linux/arm64")
	ErrReference   = errors.New("is neither a file or folder that is there nor the name of an image in a registry, which has no capitals, as in docker.io/library/debian:12")
	ErrUnknownType = errors.New("it is no container image")
)

// Prefix is what the id of an image of the store begins with. Behind it comes the digest of
// its configuration, "sha256:" and 64 hexadecimal digits.
const Prefix = "image:"

// Image is an image of the store.
type Image struct {
	ID     string
	Digest string // of the manifest or the archive that it was made of
	// Layers are the unpacked layers, the top one first; absolute paths.
	Layers  []string
	Config  Config
	Size    int64 // of the layers' files, in bytes
	Source  string
	Created time.Time // when it came into the store
}

// Config is what an image says about the containers that are started from it.
type Config struct {
	Entrypoint, Command []string
	Env                 map[string]string
	User                string
	WorkingDir          string
	StopSignal          string
}

// Document is an image as the store has it on record.
type Document struct {
	ID      string    `json:"id"`
	Digest  string    `json:"digest"`
	Source  string    `json:"source"`
	Created time.Time `json:"created"`
	Size    int64     `json:"size"`
	// Config is the image's configuration in OCI's format, to the byte.
	Config json.RawMessage `json:"config"`
}

// file decodes the configuration.
func (d Document) file() (*v1.ConfigFile, error) {
	var file v1.ConfigFile
	if err := json.Unmarshal(d.Config, &file); err != nil {
		return nil, fmt.Errorf("read the configuration of %s: %w", d.ID, err)
	}
	return &file, nil
}

// configOf gives what containers need of a configuration.
func configOf(c v1.Config) Config {
	config := Config{
		Entrypoint: c.Entrypoint, Command: c.Cmd, User: c.User, WorkingDir: c.WorkingDir, StopSignal: c.StopSignal,
	}
	for _, v := range c.Env {
		if config.Env == nil {
			config.Env = map[string]string{}
		}
		name, value, _ := strings.Cut(v, "=")
		if name != "" {
			config.Env[name] = value
		}
	}
	return config
}
