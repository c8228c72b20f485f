package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container/rootfs"
	"github.com/diyform/diyform/providers/schema"
)

type rootImageAttrs struct {
	Host      bool   `diy:"host,replace" default:"false" doc:"Take the host's own root: nothing to download, nothing to build. Containers see it, and write to a layer of their own. Made by root, a container's root can read what the host's root can, /etc/shadow among it: take a directory for what is not trusted."`
	Directory string `diy:"directory,replace" doc:"Folder that holds a root file system, such as debootstrap or buildroot's output/target; relative to the working folder. Containers see it, and write to a layer of their own."`
	ID        string `diy:"id,computed" doc:"What a container's root_image refers to."`
	Path      string `diy:"path,computed" doc:"Absolute path of the root file system."`
}

// rootImageIdentity is empty: a folder of the user's is known by its path.
type rootImageIdentity struct{}

type rootImage struct{}

func defineRootImage() providers.Def[*snapshot, *session] {
	return providers.Define("root_image",
		"A root file system that containers start from. It is never changed: what a container writes goes to a layer of its own, and is gone with it. "+
			"Without root, the kernel allows no such layer over a folder that has mounts below it: those folders of the image are read-only in the container.",
		rootImage{})
}

// The forms of a root_image's id.
const (
	hostImage       = "host"
	directoryPrefix = "directory:"
)

// imageSpec reads an id.
func imageSpec(id string) (rootfs.Spec, error) {
	if id == hostImage {
		return rootfs.Spec{Host: true}, nil
	}
	if path, ok := strings.CutPrefix(id, directoryPrefix); ok {
		return rootfs.Spec{Directory: path}, nil
	}
	return rootfs.Spec{}, &diag.Problem{
		Summary:   "Not a root image",
		Detail:    fmt.Sprintf("%q is not the id of a root_image. Refer to one: root_image.NAME.id.", id),
		Attribute: "root_image",
	}
}

func (rootImage) Derive(d *providers.Derivation) {
	host, directory := d.Get("host"), d.Get("directory")
	if !host.IsKnown() || !directory.IsKnown() {
		return
	}
	if directory.IsNull() {
		d.Set("id", cty.StringVal(hostImage))
		d.Set("path", cty.StringVal("/"))
		return
	}
	path := absolute(d.Env, directory.AsString())
	d.Set("id", cty.StringVal(directoryPrefix+path))
	d.Set("path", cty.StringVal(path))
}

func (rootImage) Validate(v *rootImageAttrs, unknown schema.Unknown) error {
	if v.Host == (v.Directory != "") && !unknown.Has("host") && !unknown.Has("directory") {
		return &diag.Problem{
			Summary: "A root image is one thing",
			Detail:  "Set either host = true or directory, and not both: it says where the root file system is.",
		}
	}
	return nil
}

// Check finds the folder.
func (rootImage) Check(_ *snapshot, p *providers.Proposed[rootImageAttrs]) error {
	if p.Unknown.Has("path") {
		return nil
	}
	info, err := os.Stat(p.Attrs.Path)
	if err == nil && info.IsDir() {
		return nil
	}
	if err == nil {
		err = errors.New("it is not a folder")
	}
	return &diag.Problem{
		Summary:   "The root file system is not there",
		Detail:    fmt.Sprintf("%s: %s", p.Attrs.Path, diag.Sentence(reason(err))),
		Attribute: "directory",
		Err:       err,
	}
}

// reason is what an error says without the path that the caller names anyway.
func reason(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

func (rootImage) Read(_ *snapshot, r *providers.Recorded[rootImageAttrs, rootImageIdentity]) (*providers.Recorded[rootImageAttrs, rootImageIdentity], error) {
	if info, err := os.Stat(r.Attrs.Path); err != nil || !info.IsDir() {
		return nil, nil
	}
	return r, nil
}

// Apply makes nothing: the image is there, and stays.
func (rootImage) Apply(_ context.Context, _ *session, action providers.Action, ops []*providers.Op[rootImageAttrs, rootImageIdentity]) {
	for _, op := range ops {
		if action == providers.Delete {
			op.Gone()
		} else {
			op.Done(op.Planned, rootImageIdentity{})
		}
	}
}
