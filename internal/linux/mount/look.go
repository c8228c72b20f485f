package mount

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// notUpper are the file systems that overlayfs refuses to write to, for they have names that
// change behind its back, or no room for what it notes: ovl_dentry_remote() in the kernel,
// filesystems/overlayfs.rst.
var notUpper = []int64{
	unix.OVERLAYFS_SUPER_MAGIC, unix.NFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC,
	unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC,
	unix.MSDOS_SUPER_MAGIC, unix.EXFAT_SUPER_MAGIC, unix.ECRYPTFS_SUPER_MAGIC,
}

// CanBeUpper reports whether an overlay can keep its changes in a folder.
func CanBeUpper(path string) (bool, error) {
	kind, err := kindOf(path)
	return err == nil && !slices.Contains(notUpper, kind), err
}

// IsCgroup2 reports whether a folder is in a cgroup2 file system: cgroups(7).
func IsCgroup2(path string) bool {
	kind, err := kindOf(path)
	return err == nil && kind == unix.CGROUP2_SUPER_MAGIC
}

func kindOf(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, fmt.Errorf("look at file system of %s: %w", path, err)
	}
	return int64(st.Type), nil //nolint:unconvert // int32 on some architectures
}
