package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/diyform/diyform/providers/container/image/unpack"
	"github.com/diyform/diyform/providers/container/userns"
)

// facts are what is known of an unpacked layer besides its files.
type facts struct {
	Size    int64 `json:"size"`
	Entries int   `json:"entries"`
	Opaque  bool  `json:"opaque,omitempty"`
	// Implied are unpack.Stats.Implied: what such folders are like, the layers below say.
	Implied []string `json:"implied,omitempty"`
	// Folders says that the layer was made here, to say that of other layers' folders.
	Folders bool `json:"folders,omitempty"`
	// Devices and Xattrs are how many were left out: unpack.Stats.
	Devices int `json:"devices,omitempty"`
	Xattrs  int `json:"xattrs,omitempty"`
}

func (s *Store) factsPath(diffID v1.Hash) string { return s.layerPath(diffID) + ".json" }

// facts gives what is known of a layer that is there.
func (s *Store) facts(diffID v1.Hash) (facts, error) {
	var f facts
	if _, err := os.Stat(s.layerPath(diffID)); err != nil {
		return f, err
	}
	return f, readJSON(s.factsPath(diffID), &f)
}

// keep puts the layer that read writes into a folder in its place. want is its digest, or the
// zero Hash where that is to be found out.
func (s *Store) keep(ctx context.Context, want v1.Hash, j job, r io.Reader) (v1.Hash, facts, error) {
	dir, done, err := s.workplace()
	if err != nil {
		return v1.Hash{}, facts{}, fmt.Errorf("make folder for a layer: %w", err)
	}
	defer done()
	j.Dest = dir
	got, err := work(ctx, j, r)
	if err == nil && want != (v1.Hash{}) && got.DiffID != want {
		err = fmt.Errorf("%w: layer %s unpacks to %s", ErrMismatch, want, got.DiffID)
	}
	if err == nil {
		err = s.place(dir, got)
	}
	// After a kill, sweep does this.
	return got.DiffID, got.Facts, errors.Join(err, userns.RemoveAll(context.WithoutCancel(ctx), dir))
}

// place gives a layer its name. The facts go before: a layer that is there has some.
func (s *Store) place(dir string, r result) error {
	if err := writeJSON(s.factsPath(r.DiffID), r.Facts); err != nil {
		return fmt.Errorf("keep layer: %w", err)
	}
	err := os.Rename(dir, s.layerPath(r.DiffID))
	if _, there := os.Stat(s.layerPath(r.DiffID)); err != nil && there == nil {
		return nil // another process was faster, and has the same
	}
	if err != nil {
		return fmt.Errorf("keep layer: %w", err)
	}
	return nil
}

// job is what a worker unpacks.
type job struct {
	Dest   string
	Layer  bool   // with whiteouts
	Over   string // make the layer with this name, to go over those that standard input lists: unpack.Complete
	Folder string // take this folder, instead of the archive on standard input
	Single bool   // no other ids than the user's can be had
}

type result struct {
	DiffID v1.Hash
	Facts  facts
}

// unpackWork is the name of this package's worker.
const unpackWork = "image-unpack"

// Workers is what this package wants to be in the table of userns.Main.
func Workers() map[string]userns.Func {
	return map[string]userns.Func{unpackWork: unpackWorker}
}

// work unpacks where the files can get their owners.
func work(ctx context.Context, j job, r io.Reader) (result, error) {
	if !userns.Needed() {
		return j.run(ctx, r)
	}
	m := userns.Best()
	j.Single = !m.Ranged()
	text, err := json.Marshal(j)
	if err != nil {
		return result{}, err
	}
	var out bytes.Buffer
	err = userns.Run(ctx, userns.Work{Name: unpackWork, Args: []string{string(text)}, Stdin: r, Stdout: &out, Map: m})
	if err != nil {
		return result{}, err
	}
	var got result
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		return result{}, fmt.Errorf("read what the worker says: %w", err)
	}
	return got, nil
}

func unpackWorker(ctx context.Context, args []string) error {
	var j job
	if err := json.Unmarshal([]byte(args[0]), &j); err != nil {
		return err
	}
	got, err := j.run(ctx, os.Stdin)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(got)
}

func (j job) run(ctx context.Context, r io.Reader) (result, error) {
	if j.Over != "" {
		return j.complete(r)
	}
	if j.Folder != "" {
		read, stop, err := archiveOf(ctx, j.Folder)
		if err != nil {
			return result{}, err
		}
		defer stop()
		r = read
	}
	digest := sha256.New()
	stats, err := unpack.Extract(ctx, r, j.Dest, unpack.Options{Layer: j.Layer, SingleOwner: j.Single, Plain: digest})
	if err != nil {
		return result{}, err
	}
	return result{
		DiffID: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(digest.Sum(nil))},
		Facts: facts{
			Size: stats.Size, Entries: stats.Entries, Opaque: stats.Opaque, Implied: stats.Implied, Devices: stats.Devices, Xattrs: stats.Xattrs,
		},
	}, nil
}

// archiveOf gives a folder as an archive.
func archiveOf(ctx context.Context, folder string) (io.Reader, func(), error) {
	root, err := os.Open(folder)
	if err != nil {
		return nil, nil, err
	}
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(unpack.Write(ctx, w, root, "", unpack.WriteOptions{Xattrs: true, Follow: true}, nil))
	}()
	return r, func() {
		r.Close()
		<-done
		root.Close()
	}, nil
}
