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
	"io/fs"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/diyform/diyform/providers/container/image/unpack"
	"github.com/diyform/diyform/providers/container/userns"
)

// A layer is unpacked once, whatever images have it. What folders are like that it does not
// say, though it has files in them, depends on the layers below. So a further layer over them
// says it, which belongs to this very row of layers.

// foldersID is the name of the layer that goes over others: of what they are, in their order.
func foldersID(diffIDs []v1.Hash) v1.Hash {
	sum := sha256.New()
	for _, diffID := range diffIDs {
		fmt.Fprintf(sum, "%s\n", diffID)
	}
	fmt.Fprintln(sum, "folders")
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
}

// mayImply reports whether a layer says nothing of a folder of which one below may.
func mayImply(layers []unpack.Layer) bool {
	named := false // a layer below has an entry for the root
	for i := len(layers) - 1; i >= 0; i-- {
		implied := layers[i].Implied
		root := len(implied) > 0 && implied[0] == "."
		if i < len(layers)-1 && (root && named || len(implied) > 1 || len(implied) == 1 && !root) {
			return true
		}
		named = named || !root
	}
	return false
}

// folders gives the layer that goes over others, or "" where none is needed.
func (s *Store) folders(diffIDs []v1.Hash, layers []unpack.Layer) (string, error) {
	if !mayImply(layers) {
		return "", nil
	}
	id := foldersID(diffIDs)
	f, err := s.facts(id)
	if err != nil || f.Entries == 0 {
		return "", err
	}
	return s.layerPath(id), nil
}

// complete makes the layer that goes over others, where it may be needed and is not there.
func (s *Store) complete(ctx context.Context, diffIDs []v1.Hash) error {
	layers, err := s.layers(diffIDs)
	if err != nil {
		return err
	}
	if _, err := s.folders(diffIDs, layers); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text, err := json.Marshal(layers)
	if err != nil {
		return err
	}
	dir, done, err := s.workplace()
	if err != nil {
		return err
	}
	defer done()
	made, err := work(ctx, job{Dest: dir, Over: foldersID(diffIDs).Hex}, bytes.NewReader(text))
	if err == nil {
		err = s.place(dir, made)
	}
	return errors.Join(err, userns.RemoveAll(context.WithoutCancel(ctx), dir))
}

// complete is the worker's part.
func (j job) complete(r io.Reader) (result, error) {
	var layers []unpack.Layer
	if err := json.NewDecoder(r).Decode(&layers); err != nil {
		return result{}, err
	}
	n, err := unpack.Complete(j.Dest, layers, unpack.Options{SingleOwner: j.Single})
	return result{v1.Hash{Algorithm: "sha256", Hex: j.Over}, facts{Entries: n, Folders: true}}, err
}
