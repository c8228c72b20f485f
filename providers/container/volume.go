package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container/rootfs"
	"github.com/diyform/diyform/providers/schema"
)

type volumeAttrs struct {
	Name  string `diy:"name,optional,computed,replace" doc:"Name of the volume: letters, digits, dots, hyphens and underscores. Left out, it is made from the resource's."`
	Owner string `diy:"owner,optional,computed" doc:"User and group ids that the folder belongs to, as containers see them, as 1000:1000. Left out, it is root. An ordinary user's volume belongs to root inside, who may give it away there."`
	Mode  string `diy:"mode" default:"0755" doc:"Permissions of the folder, in octal."`
	ID    string `diy:"id,computed" doc:"What a container's volume block refers to."`
	Path  string `diy:"path,computed,replace" doc:"Absolute path of the folder on the host."`
}

// volumeIdentity is empty: the folder is known by its path, which has the lineage.
type volumeIdentity struct{}

type (
	recordedVolume = providers.Recorded[volumeAttrs, volumeIdentity]
	volumeOp       = providers.Op[volumeAttrs, volumeIdentity]
)

type volume struct{}

func defineVolume() providers.Def[*snapshot, *session] {
	return providers.Define("volume",
		"A folder for files that outlive containers: it stays when a container that has it is replaced, and when the machine is started anew, and is removed, with all that is in it, when the volume is destroyed. "+
			"Made by root, its files have on disk the ids that they have in the containers.",
		volume{})
}

// volumesFolder holds the volumes of one stack.
func volumesFolder(env providers.Env) string {
	return filepath.Join(env.DataDir, "volumes", env.Lineage)
}

func volumePath(env providers.Env, id string) string { return filepath.Join(volumesFolder(env), id) }

// rootOwner is who a volume belongs to where nobody else is named.
const rootOwner = "0:0"

func (volume) Derive(d *providers.Derivation) {
	d.Default("name", cty.StringVal(volumeName(providers.ObjectName(d.Address))))
	if d.Config.GetAttr("owner").IsNull() {
		d.Set("owner", cty.StringVal(rootOwner))
	} else if owner := d.Get("owner"); owner.IsKnown() {
		if uid, gid, err := parseOwner(owner.AsString()); err == nil {
			d.Set("owner", cty.StringVal(fmt.Sprintf("%d:%d", uid, gid)))
		}
	}
	name := d.Get("name")
	d.Set("id", name)
	if !name.IsKnown() {
		d.Set("path", cty.UnknownVal(cty.String))
		return
	}
	d.Set("path", cty.StringVal(volumePath(d.Env, name.AsString())))
}

// notInVolume is what a volume's name may not have.
var notInVolume = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

func volumeName(name string) string {
	name = strings.TrimLeft(notInVolume.ReplaceAllString(name, "-"), ".-")
	if name == "" {
		return "volume"
	}
	return providers.ShortName(name, 200)
}

// parseOwner reads ids, "1000" or "1000:1000"; a group that is left out is the user's.
func parseOwner(s string) (uid, gid int, err error) {
	user, group, two := strings.Cut(s, ":")
	if !two {
		group = user
	}
	if uid, err = strconv.Atoi(user); err == nil {
		gid, err = strconv.Atoi(group)
	}
	if err != nil || uid < 0 || gid < 0 {
		return 0, 0, fmt.Errorf("%q is not an owner: write ids, as in 1000 or 1000:1000", s)
	}
	return uid, gid, nil
}

func (volume) Validate(v *volumeAttrs, unknown schema.Unknown) error {
	var errs []error
	if v.Name != "" && v.Name != volumeName(v.Name) {
		errs = append(errs, problem("name", "Not a name for a volume",
			"%q cannot be the name of a volume: it is a folder's, of letters, digits, dots, hyphens and underscores, with none of the first two in front.", v.Name))
	}
	if _, err := parseMode(v.Mode); err != nil {
		errs = append(errs, problem("mode", "Invalid permissions", "%s", diag.Sentence(err.Error())))
	}
	if !unknown.Has("owner") && v.Owner != "" {
		if _, _, err := parseOwner(v.Owner); err != nil {
			errs = append(errs, problem("owner", "Invalid owner", "%s", diag.Sentence(err.Error())))
		} else if v.Owner != rootOwner && os.Geteuid() != 0 {
			errs = append(errs, problem("owner", "Only root can give files away",
				"Without root, a volume belongs to the container's root, which is this user. Give it away inside: chown in the command, as root there."))
		}
	}
	return errors.Join(errs...)
}

func (volume) Places(v *volumeAttrs, unknown schema.Unknown) providers.Places {
	if unknown.Has("id") {
		return providers.Places{}
	}
	return providers.Places{Holds: []providers.Place{volumePlace(v.ID)}}
}

// Lasts says that a reboot leaves volumes.
func (volume) Lasts() {}

func (volume) Read(_ *snapshot, r *recordedVolume) (*recordedVolume, error) {
	info, err := os.Lstat(r.Attrs.Path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read volume: %w", err)
	}
	out := *r
	out.Unfinished = false
	out.Attrs.observe(info)
	return &out, nil
}

// observe sets what the folder shows, in the recorded way of writing where that is the same.
func (v *volumeAttrs) observe(info fs.FileInfo) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	mode := stat.Mode & 0o7777
	if recorded, err := parseMode(v.Mode); err != nil || recorded != mode {
		v.Mode = fmt.Sprintf("%04o", mode)
	}
	if os.Geteuid() == 0 {
		v.Owner = fmt.Sprintf("%d:%d", stat.Uid, stat.Gid)
	}
}

func (v volume) Apply(ctx context.Context, k *session, action providers.Action, ops []*volumeOp) {
	for _, op := range ops {
		if action == providers.Delete {
			v.remove(ctx, k, op)
			continue
		}
		if err := v.make(&op.Planned); err != nil {
			op.Fail(err)
			continue
		}
		op.Done(op.Planned, volumeIdentity{})
	}
}

// make makes the folder, or takes the one that is there, with what is in it.
func (volume) make(v *volumeAttrs) error {
	mode, err := parseMode(v.Mode)
	if err != nil {
		return err
	}
	// Nobody else may reach it: a set-user-ID program that a container's root leaves there is,
	// with its ids mapped, one of this machine's root.
	for range 100 { // another command may have just removed its last volume, and the folders above it
		if err = os.MkdirAll(v.Path, 0o700); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("make volume: %w", err)
	}
	if os.Geteuid() == 0 {
		uid, gid, err := parseOwner(v.Owner)
		if err != nil {
			return err
		}
		if err := os.Lchown(v.Path, uid, gid); err != nil {
			return fmt.Errorf("give volume to its owner: %w", err)
		}
	}
	if err := os.Chmod(v.Path, fileMode(mode)); err != nil {
		return fmt.Errorf("set mode of volume: %w", err)
	}
	return nil
}

// fileMode gives the kernel's mode bits in the form of package os.
func fileMode(mode uint32) fs.FileMode {
	out := fs.FileMode(mode) & fs.ModePerm
	for bit, flag := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if mode&bit != 0 {
			out |= flag
		}
	}
	return out
}

func (volume) remove(ctx context.Context, k *session, op *volumeOp) {
	if err := rootfs.Remove(ctx, op.Prior.Attrs.Path); err != nil {
		op.Fail(fmt.Errorf("remove volume: %w", err))
		return
	}
	op.Gone()
}
