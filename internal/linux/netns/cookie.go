package netns

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Lasting names the namespace in a way that no other namespace has until the next boot: by
// its cookie (SO_NETNS_COOKIE, Linux 5.14). The inode of one that was deleted is soon that of
// another. Kernels without the cookie give device and inode.
func (n *Namespace) Lasting() (string, error) {
	fd, err := n.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	switch {
	case errors.Is(err, unix.ENOPROTOOPT):
		return fmt.Sprintf("inode-%d-%d", n.id.Dev, n.id.Ino), nil
	case err != nil:
		return "", fmt.Errorf("read cookie of %s: %w", n, err)
	}
	return fmt.Sprintf("net-%d", cookie), nil
}
