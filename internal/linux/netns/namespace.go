package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/rtnl"
)

// ErrNotNamespace says that what has the name is no network namespace.
var ErrNotNamespace = errors.New("not a network namespace")

// ID tells a namespace from every other that exists at the same time.
type ID struct {
	Dev uint64 `json:"dev"`
	Ino uint64 `json:"ino"`
}

// Namespace is an open network namespace: it exists at least as long as it is open. Its
// sockets are opened once, when first asked for, and shared. Safe for concurrent use.
type Namespace struct {
	name string // "" for the host's
	id   ID
	file *os.File
	host bool // sockets can be opened without entering

	mu    sync.Mutex
	route *rtnl.Conn
}

// Host opens the network namespace that diyform runs in.
func Host() (*Namespace, error) {
	f, err := os.Open(ownPath)
	if err != nil {
		return nil, fmt.Errorf("open own network namespace: %w", err)
	}
	n, err := newNamespace("", f)
	if err != nil {
		return nil, err
	}
	n.host = true
	return n, nil
}

// Open opens the namespace of a name. fs.ErrNotExist says that there is none,
// ErrNotNamespace that something else has the name.
func Open(name string) (*Namespace, error) {
	path, err := Path(name)
	if err != nil {
		return nil, err
	}
	return openPath(name, path)
}

// OpenPath opens the namespace that path names: /proc/PID/ns/net.
func OpenPath(path string) (*Namespace, error) { return openPath(path, path) }

// Of makes a namespace of an open file, which it takes over, and closes on error.
func Of(f *os.File) (*Namespace, error) { return newNamespace(f.Name(), f) }

func openPath(name, path string) (*Namespace, error) {
	// Not blocking: the name may be somebody's FIFO.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open network namespace %q: %w", name, err)
	}
	return newNamespace(name, f)
}

// newNamespace takes over f, and closes it on error.
func newNamespace(name string, f *os.File) (*Namespace, error) {
	id, err := identify(int(f.Fd()))
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open network namespace %q: %w", name, err)
	}
	return &Namespace{name: name, id: id, file: f}, nil
}

// identify gives the identity of an open namespace, or ErrNotNamespace.
func identify(fd int) (ID, error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return ID{}, fmt.Errorf("look at file system: %w", err)
	}
	if fs.Type != unix.NSFS_MAGIC {
		return ID{}, ErrNotNamespace
	}
	kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	if err != nil {
		return ID{}, fmt.Errorf("look at kind of namespace: %w", err)
	}
	if kind != unix.CLONE_NEWNET {
		return ID{}, ErrNotNamespace
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return ID{}, fmt.Errorf("look at namespace: %w", err)
	}
	return ID{Dev: uint64(st.Dev), Ino: st.Ino}, nil
}

// Name gives the namespace's name: "" for the host's.
func (n *Namespace) Name() string { return n.name }

// ID gives the namespace's identity.
func (n *Namespace) ID() ID { return n.id }

// hasName reports whether the name still stands for this namespace.
func (n *Namespace) hasName() bool {
	path, err := Path(n.name)
	if err != nil {
		return false
	}
	var st unix.Stat_t
	err = retry(func() error { return unix.Stat(path, &st) })
	return err == nil && ID{Dev: uint64(st.Dev), Ino: st.Ino} == n.id
}

// FD gives the open namespace, for IFLA_NET_NS_FD. It is valid until Close.
func (n *Namespace) FD() int { return int(n.file.Fd()) }

// File gives the open namespace. It is not the caller's to close.
func (n *Namespace) File() *os.File { return n.file }

// Owner opens the user namespace that the namespace belongs to: ioctl_ns(2). EPERM says that
// this is neither the caller's own nor one below.
func (n *Namespace) Owner() (*os.File, error) {
	fd, err := unix.IoctlRetInt(n.FD(), unix.NS_GET_USERNS)
	if err != nil {
		return nil, fmt.Errorf("open user namespace of %s: %w", n, err)
	}
	return os.NewFile(uintptr(fd), "user namespace"), nil
}

// Route gives the namespace's rtnetlink socket. It is not the caller's to close.
func (n *Namespace) Route() (*rtnl.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.route != nil {
		return n.route, nil
	}
	err := n.inside(func() (err error) {
		n.route, err = rtnl.Open()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink socket of %s: %w", n, err)
	}
	return n.route, nil
}

// Events makes a socket that hears of the groups' changes (unix.RTNLGRP_LINK and so on).
// The caller closes it.
func (n *Namespace) Events(groups ...int) (e *rtnl.Events, err error) {
	err = n.inside(func() (err error) {
		e, err = rtnl.Subscribe(groups...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", n, err)
	}
	return e, nil
}

// Socket makes a socket in the namespace (socket(2)), closed on exec. The caller closes
// it.
func (n *Namespace) Socket(domain, typ, proto int) (fd int, err error) {
	err = n.inside(func() (err error) {
		fd, err = unix.Socket(domain, typ|unix.SOCK_CLOEXEC, proto)
		return err
	})
	if err != nil {
		return -1, fmt.Errorf("make socket in %s: %w", n, err)
	}
	return fd, nil
}

// Do runs f on a thread in the namespace, for what the kernel gives by the thread that
// asks: /proc/sys/net above all. f must not start goroutines that rely on it.
func (n *Namespace) Do(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("enter %s: %w", n, err)
	}
	return n.inside(f)
}

// inside runs f in the namespace, for the host's on the caller's own thread: every
// unlocked thread is there.
func (n *Namespace) inside(f func() error) error {
	if n.host {
		return f()
	}
	return onThread(func() error {
		if err := enter(n.FD()); err != nil {
			return err
		}
		return f()
	})
}

// String names the namespace in errors.
func (n *Namespace) String() string {
	if n.host {
		return "the host's network namespace"
	}
	return fmt.Sprintf("network namespace %q", n.name)
}

// Close closes the namespace and its shared sockets.
func (n *Namespace) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var errs []error
	if n.route != nil {
		errs = append(errs, n.route.Close())
		n.route = nil
	}
	return errors.Join(append(errs, n.file.Close())...)
}
