package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container/image"
	"github.com/diyform/diyform/providers/container/rootfs"
	"github.com/diyform/diyform/providers/schema"
)

type rootImageAttrs struct {
	Host         bool            `diy:"host,replace" default:"false" doc:"Take the host's own root: nothing to download, nothing to build. Containers see it, and write to a layer of their own. Made by root, a container's root can read what the host's root can, /etc/shadow among it: take another image for what is not trusted."`
	Directory    string          `diy:"directory,replace" doc:"Folder that holds a root file system, such as one of debootstrap; relative to the working folder. Containers see it as it is, and write to a layer of their own. Of buildroot take archive and output/images/rootfs.tar: in output/target, owners and devices are not what they should be."`
	Archive      string          `diy:"archive,replace" doc:"Archive of a root file system, which is unpacked once: tar, plain or compressed by gzip, bzip2, xz or zstd, as of buildroot's output/images/rootfs.tar, docker export or debootstrap; relative to the working folder. When its content changes, the image is replaced."`
	OCI          string          `diy:"oci,replace" doc:"Container image: the folder of an image layout, with a colon and a tag behind it if it has several images; an archive of one, or of docker save; or a registry's reference, as in docker.io/library/debian:12. A relative path that does not exist yet begins with ./ to be no reference. Credentials are those of docker login and podman login. What is behind a reference is looked up when the image is created, and stays the same until it is replaced."`
	Platform     string          `diy:"platform,replace" doc:"Operating system and architecture to take of an oci image that has several, as in linux/arm64. Left out, it is this machine's."`
	Insecure     bool            `diy:"insecure,replace" default:"false" doc:"The registry may speak HTTP, or have a certificate that proves nothing. One on this machine may speak HTTP anyway."`
	Build        *rootImageBuild `diy:"build,block,replace" doc:"A local command that makes the root file system: make of buildroot, debootstrap, mkosi, or a script."`
	ID           string          `diy:"id,computed" doc:"What a container's root_image refers to."`
	Path         string          `diy:"path,computed" doc:"Absolute path of the root file system of host or directory."`
	Digest       string          `diy:"digest,computed" doc:"Digest of what the image was made of: of an oci image its manifest's, which a registry's reference can have behind an @, else that of the archive without compression."`
	Size         int64           `diy:"size,computed" unit:"bytes" doc:"What the image's files hold, unpacked."`
	SourceDigest string          `diy:"source_digest,computed,replace" doc:"Digest of the local file or folder, or of the build's command and inputs, by which a change is noticed."`
}

type rootImageBuild struct {
	Command    []string          `diy:"command,required,replace" doc:"Program and its arguments, run on the host by the user who runs diyform."`
	Output     string            `diy:"output,required,replace" doc:"What the command makes: a folder or an archive of a root file system, or an image layout; relative to working_dir."`
	Inputs     []string          `diy:"inputs,replace" doc:"Files and folders that the output depends on, also as patterns such as configs/*; relative to working_dir. The command runs again only when one of them changes, or an argument of this block."`
	Env        map[string]string `diy:"env,replace" doc:"Environment variables, besides those that diyform has."`
	WorkingDir string            `diy:"working_dir,replace" doc:"Folder that the command runs in; relative to the working folder, which it is when left out."`
}

// rootImageIdentity is empty: an image is known by its id or path.
type rootImageIdentity struct{}

type (
	recordedImage = providers.Recorded[rootImageAttrs, rootImageIdentity]
	imageOp       = providers.Op[rootImageAttrs, rootImageIdentity]
)

type rootImage struct{}

func defineRootImage() providers.Def[*snapshot, *session] {
	return providers.Define("root_image",
		"A root file system that containers start from. It is never changed: what a container writes goes to a layer of its own, and is gone with it. "+
			"Images of archive, oci and build are unpacked into a store that all stacks of a user share; what nobody uses any more stays there until `diyform image prune`. "+
			"Without root, the kernel allows no writable layer over a folder that has mounts below it: of host and directory, those folders are read-only in the container.",
		rootImage{})
}

// The forms of a root_image's id, besides image.Prefix.
const (
	hostImage       = "host"
	directoryPrefix = "directory:"
)

// imageSpec reads the id of an image that is not in the store.
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
	switch {
	case !host.IsKnown() || !directory.IsKnown():
		return
	case host.True():
		deriveUnpacked(d, hostImage, "/")
	case !directory.IsNull():
		path := absolute(d.Env, directory.AsString())
		deriveUnpacked(d, directoryPrefix+path, path)
	default:
		d.Set("path", cty.NullVal(cty.String))
		deriveSource(d)
	}
}

// deriveUnpacked is for what lies unpacked where the user put it.
func deriveUnpacked(d *providers.Derivation, id, path string) {
	d.Set("id", cty.StringVal(id))
	d.Set("path", cty.StringVal(path))
	d.Set("digest", cty.NullVal(cty.String))
	d.Set("size", cty.NullVal(cty.Number))
	d.Set("source_digest", cty.NullVal(cty.String))
}

// deriveSource looks whether the local source is what the image was made of.
func deriveSource(d *providers.Derivation) {
	var v rootImageAttrs
	unknown := schema.Of[rootImageAttrs]().Decode(d.Planned, &v)
	for _, name := range []string{"archive", "oci", "platform", "build", "build.command", "build.output", "build.inputs", "build.env", "build.working_dir"} {
		if unknown.Has(name) {
			return
		}
	}
	digest, err := v.sourceDigest(d.Context, d.Env)
	switch {
	case err != nil: // an image that is there does not need its source; for a new one, Check says so
	case digest == "":
		d.Set("source_digest", cty.NullVal(cty.String))
	default:
		d.Set("source_digest", cty.StringVal(digest))
	}
}

func (rootImage) Validate(v *rootImageAttrs, unknown schema.Unknown) error {
	sources := 0
	for name, set := range map[string]bool{
		"host": v.Host, "directory": v.Directory != "", "archive": v.Archive != "", "oci": v.OCI != "", "build": v.Build != nil,
	} {
		if unknown.Has(name) {
			return nil
		}
		if set {
			sources++
		}
	}
	if sources != 1 {
		return &diag.Problem{
			Summary: "A root image is one thing",
			Detail:  "Set one of host = true, directory, archive, oci and build {}, and no other: it says where the root file system comes from.",
		}
	}
	if v.Build != nil && !unknown.Has("build.command") && (len(v.Build.Command) == 0 || v.Build.Command[0] == "") {
		return &diag.Problem{Summary: "There is no command", Attribute: "build.command",
			Detail: "The command must have at least the program to run."}
	}
	return nil
}

// Check finds the source, as far as it is here.
func (rootImage) Check(s *snapshot, p *providers.Proposed[rootImageAttrs]) error {
	v := &p.Attrs
	switch {
	case p.Unknown.Has("path"):
		return nil
	case v.Path != "":
		return checkFolder(v)
	}
	for _, name := range []string{"archive", "oci", "build", "build.inputs", "build.working_dir"} {
		if p.Unknown.Has(name) {
			return nil
		}
	}
	if v.OCI != "" && !p.Unknown.Has("platform") {
		if err := v.source(s.session.env).Check(); err != nil {
			return explainImage(v, err)
		}
	}
	_, err := v.sourceDigest(p.Context, s.session.env)
	return explainImage(v, err)
}

// buildrootMarker is a file that buildroot puts into output/target.
const buildrootMarker = "THIS_IS_NOT_YOUR_ROOT_FILESYSTEM"

func checkFolder(v *rootImageAttrs) error {
	info, err := os.Stat(v.Path)
	if err == nil && !info.IsDir() {
		err = errors.New("it is not a folder")
	}
	if err != nil {
		return &diag.Problem{
			Summary:   "The root file system is not there",
			Detail:    fmt.Sprintf("%s: %s", v.Path, diag.Sentence(reason(err))),
			Attribute: "directory",
			Err:       err,
		}
	}
	if _, err := os.Stat(filepath.Join(v.Path, buildrootMarker)); err != nil || v.Host {
		return nil
	}
	return &diag.Problem{
		Summary: "This is not the root file system", Attribute: "directory", Warning: true,
		Detail: fmt.Sprintf("%s is buildroot's working copy: owners and set-user-ID bits are not right in it, and devices are missing. "+
			"Let buildroot make a tar archive (BR2_TARGET_ROOTFS_TAR=y), and take that: archive = %q.",
			v.Path, filepath.Join(filepath.Dir(v.Path), "images", "rootfs.tar")),
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

func (rootImage) Read(s *snapshot, r *recordedImage) (*recordedImage, error) {
	if r.Attrs.Path != "" {
		if info, err := os.Stat(r.Attrs.Path); err != nil || !info.IsDir() {
			return nil, nil
		}
		return r, nil
	}
	_, err := s.session.images().Load(r.Attrs.ID)
	if errors.Is(err, image.ErrNotFound) {
		return nil, nil
	}
	if err == nil {
		err = s.session.useImage(r.Address, r.Attrs.ID) // the stack may have been moved, or copied
	}
	return r, err
}

// Apply gets the images of the batch, all at once: each may wait for another machine.
func (rootImage) Apply(ctx context.Context, k *session, action providers.Action, ops []*imageOp) {
	var wg sync.WaitGroup
	var mu sync.Mutex // Done and the like are not safe for concurrent use
	for _, op := range ops {
		wg.Go(func() {
			attrs, err := op.Planned, error(nil)
			switch {
			case action == providers.Delete:
				err = k.dropImage(op)
			case attrs.Path == "":
				err = k.getImage(ctx, op, &attrs)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				op.Fail(explainImage(&attrs, err))
			case action == providers.Delete:
				op.Gone()
			default:
				op.Done(attrs, rootImageIdentity{})
			}
		})
	}
	wg.Wait()
}

// getImage brings an image into the store, and records that it is used.
func (k *session) getImage(ctx context.Context, op *imageOp, v *rootImageAttrs) error {
	// What only waits for other machines and programs can be given up at any time.
	ctx, cancel := op.Waiting(ctx)
	defer cancel()
	if op.Prior != nil && op.Prior.Attrs.ID != "" {
		*v = op.Prior.Attrs // an update changes nothing that makes the image
		err := k.useImage(op.Address, v.ID)
		if was := op.Prior.Marked(); err == nil && was != op.Address {
			err = k.images().Drop(k.env.Dir, k.env.Lineage, was.String())
		}
		return err
	}
	img, digest, err := v.get(ctx, k, op.Progress)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	v.ID, v.Digest, v.Size, v.SourceDigest = img.ID, img.Digest, img.Size, digest
	return k.useImage(op.Address, img.ID)
}

// dropImage takes the resource's use of its image away.
func (k *session) dropImage(op *imageOp) error {
	err := k.images().Drop(k.env.Dir, k.env.Lineage, op.Address.String())
	if was := op.Prior.Marked(); err == nil && was != op.Address {
		err = k.images().Drop(k.env.Dir, k.env.Lineage, was.String())
	}
	return err
}

func (k *session) useImage(a addr.Instance, id string) error {
	return k.images().Use(image.Use{Stack: k.env.Dir, Lineage: k.env.Lineage, Address: a.String(), Image: id})
}
