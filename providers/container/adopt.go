package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
)

func (container) RefuseImport() string {
	return "What a container is was decided when its process was started, by the program that keeps it: its namespaces, its root, where its " +
		"output goes. Write the resource with the same image and volumes, and apply it in place of the other one."
}

func (container) RefuseRelease() string {
	return "It is kept by this state's supervisor, and nobody else would collect its output, restart it or remove its files. " +
		"Let it be destroyed (destroy = true), or leave its resource in the configuration."
}

func (rootImage) RefuseImport() string {
	return "Write the resource and apply it: what is in the store of images already, by whichever stack of this user, is taken from " +
		"there and not fetched or unpacked again."
}

func (rootImage) RefuseRelease() string { return "" }

// Release takes the use of the image away: it stays in the store until a prune.
func (rootImage) Release(_ context.Context, k *session, ops []*imageOp) {
	for _, op := range ops {
		if err := k.dropImage(op); err != nil {
			op.Fail(err)
			continue
		}
		op.Gone()
	}
}

func (volume) ImportForm() string { return "NAME of a volume that this state let go of, or lost" }

func (volume) Locate(id string) (volumeAttrs, error) {
	if id != volumeName(id) {
		return volumeAttrs{}, errors.New("a volume's name has letters, digits, dots, hyphens and underscores, and none of the first two in front")
	}
	return volumeAttrs{Name: id, ID: id}, nil
}

func (volume) Import(s *snapshot, r *recordedVolume) (*recordedVolume, error) {
	out := *r
	out.Attrs.Path = volumePath(s.session.env, r.Attrs.Name)
	info, err := os.Lstat(out.Attrs.Path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil, noVolume(s.session.env, r.Attrs.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("read volume: %w", err)
	}
	out.Attrs.Owner = rootOwner
	out.Attrs.observe(info)
	return &out, nil
}

func noVolume(env providers.Env, name string) error {
	var known []string
	if entries, err := os.ReadDir(volumesFolder(env)); err == nil {
		for _, e := range entries {
			known = append(known, e.Name())
		}
	}
	return &diag.Problem{
		Summary: "There is no such volume",
		Detail: fmt.Sprintf("There is no folder %s.%s A folder from elsewhere becomes a volume when it is moved there.",
			volumePath(env, name), diag.Suggest(name, known)),
	}
}

// Release has nothing to do: a volume has no mark but the folder that it is in.
func (volume) Release(_ context.Context, _ *session, ops []*volumeOp) {
	for _, op := range ops {
		op.Gone()
	}
}

var _ providers.Refuser = container{}
var _ providers.Refuser = rootImage{}
var _ providers.Releaser[rootImageAttrs, rootImageIdentity, *session] = rootImage{}
var _ providers.Importer[volumeAttrs, volumeIdentity, *snapshot] = volume{}
var _ providers.Releaser[volumeAttrs, volumeIdentity, *session] = volume{}
