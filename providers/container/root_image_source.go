package container

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container/image"
)

// source says where an oci image is.
func (v *rootImageAttrs) source(env providers.Env) image.Source {
	return image.Source{Name: v.OCI, Platform: v.Platform, Insecure: v.Insecure, Dir: env.Dir}
}

// sourceDigest tells what the image would be made of: "" where that is in a registry.
func (v *rootImageAttrs) sourceDigest(ctx context.Context, env providers.Env) (string, error) {
	store := image.Below(env.DataDir)
	switch {
	case v.Build != nil:
		return v.Build.digest(ctx, store, env)
	case v.Archive != "":
		return store.Fingerprint(ctx, absolute(env, v.Archive))
	}
	path, _, local := v.source(env).Local()
	if !local {
		return "", nil
	}
	return store.Fingerprint(ctx, path)
}

// digest covers the command, its arguments and all inputs.
func (b *rootImageBuild) digest(ctx context.Context, store *image.Store, env providers.Env) (string, error) {
	about, err := json.Marshal(b)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	sum.Write(about)
	dir := b.dir(env)
	for _, pattern := range b.Inputs {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(dir, pattern)
		}
		files, err := filepath.Glob(pattern)
		if err == nil && len(files) == 0 {
			err = &os.PathError{Op: "find", Path: pattern, Err: os.ErrNotExist}
		}
		if err != nil {
			return "", &inputError{pattern, err}
		}
		slices.Sort(files)
		for _, file := range files {
			digest, err := store.Fingerprint(ctx, file)
			if err != nil {
				return "", &inputError{file, err}
			}
			name, err := filepath.Rel(dir, file)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(sum, "%q %s\n", name, digest)
		}
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

func (b *rootImageBuild) dir(env providers.Env) string { return absolute(env, b.WorkingDir) }

// inputError says that an input of a build cannot be read.
type inputError struct {
	name string
	err  error
}

func (e *inputError) Error() string { return fmt.Sprintf("read input %s: %v", e.name, e.err) }
func (e *inputError) Unwrap() error { return e.err }

// get brings the image into the store, from its source or because it is there already. The
// digest is that of a local source.
func (v *rootImageAttrs) get(ctx context.Context, k *session, progress func(string)) (image.Image, string, error) {
	store := k.images()
	digest, err := v.sourceDigest(ctx, k.env)
	if err != nil {
		return image.Image{}, "", err
	}
	if img, err := store.Recall(v.remembered(digest)); err == nil {
		progress("the store has the image already")
		return img, digest, nil
	} else if !errors.Is(err, image.ErrNotFound) {
		return image.Image{}, "", err
	}
	img, err := v.make(ctx, k, store, progress)
	if err != nil || digest == "" {
		return img, "", err
	}
	return img, digest, store.Remember(v.remembered(digest), img.ID)
}

// remembered is what the store knows a local source by: the same file is one image as a root
// file system's archive, and another as an image's.
func (v *rootImageAttrs) remembered(digest string) string {
	if v.OCI != "" {
		digest = "oci:" + digest
	}
	return digest + v.Platform
}

func (v *rootImageAttrs) make(ctx context.Context, k *session, store *image.Store, progress func(string)) (image.Image, error) {
	switch {
	case v.Build != nil:
		return v.Build.run(ctx, k.env, store, v.Platform, progress)
	case v.Archive != "":
		img, err := store.Import(ctx, absolute(k.env, v.Archive), v.Platform, progress)
		if err == nil && holdsImage(img) {
			err = problem("archive", "This is no root file system",
				"%s is the archive of a container image, as docker save makes it: oci = %[1]q takes it.", v.Archive)
		}
		return img, err
	}
	img, err := store.Pull(ctx, v.source(k.env), progress)
	// After a reboot everything is created again, maybe before the network is there.
	if err != nil && ctx.Err() == nil && isUnreachable(err) {
		if old, oldErr := store.Pulled(v.source(k.env)); oldErr == nil {
			progress(fmt.Sprintf("the registry cannot be reached: taking %s of %s from the store",
				old.Digest, old.Created.Local().Format("2006-01-02")))
			return old, nil
		}
	}
	return img, err
}

// holdsImage reports whether what was unpacked is an image of containers itself, packed.
func holdsImage(img image.Image) bool {
	has := func(name string) bool {
		_, err := os.Lstat(filepath.Join(img.Layers[0], name))
		return err == nil
	}
	return (has("manifest.json") || has("oci-layout")) && !has("etc") && !has("bin") && !has("usr")
}
