package unpack

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/inode"
)

// The order is the kernel's: a change of owner or content takes file capabilities and
// set-id bits away, and a default ACL or a new file in a folder change what comes later.

// node is what has metadata: an open file, or a place.
type node interface {
	Chown(uid, gid int) error
	SetMode(mode uint32) error
	SetTimes(read, changed unix.Timespec) error
	SetXattr(name string, value []byte) error
}

// settle sets the metadata of what was made for the entry under way.
func (x *extractor) settle(n node) error {
	if err := x.own(n.Chown); err != nil {
		return err
	}
	if err := n.SetMode(x.fileMode()); err != nil {
		return fmt.Errorf("set mode: %w", err)
	}
	if err := x.setXattrs(n); err != nil {
		return err
	}
	t := x.times()
	if err := n.SetTimes(t.read, t.changed); err != nil {
		return fmt.Errorf("set times: %w", err)
	}
	return nil
}

func (x *extractor) settleLink(p place) error {
	err := x.own(func(uid, gid int) error { return p.folder.ChownLink(p.name, uid, gid) })
	if err != nil {
		return err
	}
	t := x.times()
	if err := p.folder.SetLinkTimes(p.name, t.read, t.changed); err != nil {
		return fmt.Errorf("set times: %w", err)
	}
	return nil
}

// settleFolder leaves for later what entries in the folder would change, or inherit.
func (x *extractor) settleFolder(folder inode.Folder, at string) error {
	delete(x.implicit, cmp.Or(at, topFolder))
	if err := x.own(folder.Chown); err != nil {
		return err
	}
	l := late{times: x.times(), mode: x.mode(0)}
	if err := folder.SetMode(x.mode(0o700)); err != nil {
		return fmt.Errorf("set mode: %w", err)
	}
	if err := x.setXattrs(folder); err != nil {
		return err
	}
	if text, ok := x.header.PAXRecords[xattrRecord+defaultACL]; ok && !x.NoXattrs {
		l.acl = []byte(text)
	}
	return x.later(at, l)
}

// fixedOwner gives who owns what no entry is about.
func (x *extractor) fixedOwner() (uid, gid int, ok bool) {
	switch {
	case x.SingleOwner:
		return 0, 0, false
	case x.Owner != nil:
		return x.Owner.UID, x.Owner.GID, true
	}
	return 0, 0, true
}

func (x *extractor) own(chown func(uid, gid int) error) error {
	uid, gid, ok := x.fixedOwner()
	if !ok {
		return nil
	}
	if x.Owner == nil {
		uid, gid = x.header.Uid, x.header.Gid
	}
	// The id 4294967295 means "as it is": chown(2).
	if uid < 0 || gid < 0 || uid >= math.MaxUint32 || gid >= math.MaxUint32 {
		return fmt.Errorf("%w: user %d, group %d", ErrUnmapped, uid, gid)
	}
	err := chown(uid, gid)
	if err == unix.EINVAL {
		return fmt.Errorf("%w: user %d, group %d: the ids that this user may use (/etc/subuid, /etc/subgid) are too few", ErrUnmapped, uid, gid)
	}
	if err != nil {
		return fmt.Errorf("set owner: %w", err)
	}
	return nil
}

// fileMode gives the mode bits of anything but a folder.
func (x *extractor) fileMode() uint32 {
	if x.Over {
		return x.mode(0)
	}
	return x.mode(0o400)
}

// mode gives the entry's mode bits, and those needed where one user owns everything, who has
// no privileges that would overcome them.
func (x *extractor) mode(needed uint32) uint32 {
	mode := uint32(x.header.Mode) & 0o7777
	if x.NoSetID {
		mode &^= unix.S_ISUID | unix.S_ISGID
	}
	if x.SingleOwner {
		mode |= needed
	}
	return mode
}

// times are when a file was last read and changed.
type times struct{ read, changed unix.Timespec }

// times gives the entry's. Archives seldom say when a file was read.
func (x *extractor) times() times {
	changed := timespec(x.header.ModTime)
	if x.header.AccessTime.IsZero() {
		return times{changed, changed}
	}
	return times{timespec(x.header.AccessTime), changed}
}

func timespec(t time.Time) unix.Timespec {
	return unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
}

func (x *extractor) due() bool { return time.Since(x.reported) > progressInterval }

const (
	xattrRecord = "SCHILY.xattr." // of a PAX header, as GNU tar and star write it
	defaultACL  = "system.posix_acl_default"
)

// taken says which extended attributes an archive may set. The rest is of the machine that
// it comes from (security.selinux, security.ima), or would tell overlayfs to redirect files
// or to hide them (trusted.overlay.*, user.overlay.*).
func taken(name string) bool {
	switch {
	case strings.HasPrefix(name, "user.overlay."):
		return false
	case strings.HasPrefix(name, "user."):
		return true
	}
	return name == "security.capability" || name == "system.posix_acl_access"
}

func (x *extractor) setXattrs(n node) error {
	if x.NoXattrs {
		return nil
	}
	for record, value := range x.header.PAXRecords {
		name, ok := strings.CutPrefix(record, xattrRecord)
		if !ok || !taken(name) {
			continue
		}
		if err := x.refusable(n.SetXattr(name, []byte(value))); err != nil {
			return fmt.Errorf("set attribute %s: %w", name, err)
		}
	}
	return nil
}

// refusable counts an attribute that this file system has none of, or that this user may
// not set (security.capability), or of whose ids some are not mapped (ACLs).
func (x *extractor) refusable(err error) error {
	switch err {
	case unix.EOPNOTSUPP, unix.EPERM, unix.EINVAL:
		x.stats.Xattrs++
		return nil
	}
	return err
}

// late is what a folder gets when all that is in it is there.
type late struct {
	times
	mode uint32
	acl  []byte
}

// maxLate is how much of that is kept: for millions of folders.
const maxLate = 512 << 20

// later notes it, for a folder by its path.
func (x *extractor) later(at string, l late) error {
	if _, known := x.late[at]; !known {
		x.lateSize += len(at) + 128
	}
	x.lateSize += len(l.acl)
	if x.lateSize > maxLate {
		return fmt.Errorf("%w: it has too many folders", ErrTooLarge)
	}
	x.late[at] = l
	return nil
}

// finish gives all folders that are still there what is left.
func (x *extractor) finish() error {
	for _, at := range slices.Sorted(maps.Keys(x.late)) {
		if err := x.finishFolder(at, x.late[at]); err != nil {
			return &EntryError{Entry: at, Err: err}
		}
	}
	return nil
}

func (x *extractor) finishFolder(at string, l late) error {
	below := at
	if at == "" {
		below = "."
	}
	folder, err := x.tree.root.Below(below)
	if err == unix.ENOENT || err == unix.ENOTDIR || err == unix.ELOOP {
		return nil // a later entry took its place
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	if l.acl != nil {
		if err := x.refusable(folder.SetXattr(defaultACL, l.acl)); err != nil {
			return fmt.Errorf("set attribute %s: %w", defaultACL, err)
		}
	}
	if x.Over && x.SingleOwner { // of an image, the user has to be able to remove it
		if err := folder.SetMode(l.mode); err != nil {
			return fmt.Errorf("set mode: %w", err)
		}
	}
	if err := folder.SetTimes(l.read, l.changed); err != nil {
		return fmt.Errorf("set times: %w", err)
	}
	return nil
}
