package inode

import (
	"golang.org/x/sys/unix"
)

// Chown gives the open file to another owner and group. Linux then takes set-user-ID and
// set-group-ID bits and file capabilities away.
func (n Node) Chown(uid, gid int) error {
	return unix.Fchownat(n.fd, "", uid, gid, unix.AT_EMPTY_PATH)
}

// SetMode changes the mode bits, 07777, of an open file that is no symbolic link.
func (n Node) SetMode(mode uint32) error { return unix.Chmod(n.self(), mode) }

// SetTimes changes when the file was last read and changed.
func (n Node) SetTimes(read, changed unix.Timespec) error {
	return unix.UtimesNanoAt(n.fd, "", []unix.Timespec{read, changed}, unix.AT_EMPTY_PATH)
}

// SetXattr sets an extended attribute of an open file that is no symbolic link: xattr(7).
func (n Node) SetXattr(name string, value []byte) error {
	return unix.Setxattr(n.self(), name, value, 0)
}

// Xattrs gives the extended attributes of an open file that is no symbolic link, of those
// whose name is wanted. A file system without any has none.
func (n Node) Xattrs(wanted func(name string) bool) (map[string][]byte, error) {
	list := make([]byte, 64<<10) // XATTR_LIST_MAX
	size, err := unix.Listxattr(n.self(), list)
	if err == unix.EOPNOTSUPP || size == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	values := map[string][]byte{}
	for _, name := range names(list[:size]) {
		if !wanted(name) {
			continue
		}
		value := make([]byte, 64<<10) // XATTR_SIZE_MAX
		size, err := unix.Getxattr(n.self(), name, value)
		if err == unix.ENODATA {
			continue // gone since
		}
		if err != nil {
			return nil, err
		}
		values[name] = value[:size:size]
	}
	return values, nil
}

// names splits the kernel's list, in which each name ends with a NUL.
func names(list []byte) []string {
	var all []string
	for len(list) > 0 {
		name := unix.ByteSliceToString(list)
		all = append(all, name)
		list = list[min(len(list), len(name)+1):]
	}
	return all
}

// ChownLink gives a file in the folder, which may be a symbolic link, to another owner.
func (d Folder) ChownLink(name string, uid, gid int) error {
	return unix.Fchownat(d.fd, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
}

// SetLinkTimes is SetTimes of a file in the folder, which may be a symbolic link.
func (d Folder) SetLinkTimes(name string, read, changed unix.Timespec) error {
	return unix.UtimesNanoAt(d.fd, name, []unix.Timespec{read, changed}, unix.AT_SYMLINK_NOFOLLOW)
}
