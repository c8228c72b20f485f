package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/flock"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/providers"
)

// sysctlEntry is what the register knows of one setting: what it was before any stack set
// it, and which stacks want what of it now. The last one who set it comes last, and the
// kernel has its value.
type sysctlEntry struct {
	Namespace string         `json:"namespace,omitempty"` // its name
	Original  string         `json:"original"`
	Holders   []sysctlHolder `json:"holders"`
}

type sysctlHolder struct {
	Holder string `json:"holder"` // lineage and address
	Value  string `json:"value"`
}

// without gives the entry as it is when holder has let go.
func (e sysctlEntry) without(holder string) sysctlEntry {
	e.Holders = slices.DeleteFunc(slices.Clone(e.Holders), func(h sysctlHolder) bool { return h.Holder == holder })
	return e
}

// with gives the entry as it is when holder was the last to set the value.
func (e sysctlEntry) with(holder, value string) sysctlEntry {
	e = e.without(holder)
	e.Holders = append(e.Holders, sysctlHolder{holder, value})
	return e
}

// due is the value that the kernel should have.
func (e sysctlEntry) due() string {
	if n := len(e.Holders); n > 0 {
		return e.Holders[n-1].Value
	}
	return e.Original
}

// sysctlRegister is the register of the settings that the stacks of this machine hold. It is
// open under its lock, and is gone when it is closed empty. It lives in the runtime folder: a
// reboot takes it and the values together, so it need not be synced.
type sysctlRegister struct {
	dir  string
	lock *os.File
}

const (
	sysctlRegisterName = "sysctls"
	sysctlUnnamed      = ".new" // an entry before it has its name

	// sysctlLockWait is far longer than anybody holds the lock: for some writes below
	// /proc/sys. sysctlLockPoll is short against a plan.
	sysctlLockWait = 30 * time.Second
	sysctlLockPoll = 2 * time.Millisecond
)

// openRegister locks the register of all stacks; the caller closes it. Without create, nil
// says that there is none.
func (k *session) openRegister(ctx context.Context, create bool) (*sysctlRegister, error) {
	if k.env.RuntimeDir == "" {
		return nil, errors.New("open register of kernel settings: no runtime folder, which is a bug")
	}
	r := &sysctlRegister{dir: filepath.Join(filepath.Dir(k.env.RuntimeDir), sysctlRegisterName)}
	ctx, cancel := context.WithTimeout(ctx, sysctlLockWait)
	defer cancel()
	for {
		if create {
			if err := os.MkdirAll(r.dir, 0o700); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("make register of kernel settings: %w", err)
			}
		}
		locked, err := r.tryLock()
		switch {
		case errors.Is(err, fs.ErrNotExist) && !create:
			return nil, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("lock register of kernel settings: %w", err)
		case locked:
			return r, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the register of kernel settings %s: %w", r.dir, context.Cause(ctx))
		case <-time.After(sysctlLockPoll):
		}
	}
}

// tryLock locks the folder. Who closes an empty register removes it, so that the folder that
// was locked may be another one than has the name now: that lock is worth nothing.
func (r *sysctlRegister) tryLock() (locked bool, err error) {
	f, err := os.Open(r.dir)
	if err != nil {
		return false, err
	}
	err = flock.TryExclusive(f)
	if err == nil {
		var mine, named os.FileInfo
		mine, err = f.Stat()
		if err == nil {
			named, err = os.Lstat(r.dir)
		}
		if err == nil && os.SameFile(mine, named) {
			r.lock = f
			return true, nil
		}
	}
	err = errors.Join(err, f.Close())
	if errors.Is(err, flock.ErrHeld) || errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return false, err
}

// close unlocks the register and removes what holds nothing any more.
func (r *sysctlRegister) close() error {
	err := os.Remove(filepath.Join(r.dir, sysctlUnnamed)) // of a process that was killed
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	failpoint.Hit("sysctl.register.close")
	// rmdir(2) takes only empty folders: these stay as long as they hold something.
	_ = os.Remove(r.dir)
	_ = os.Remove(filepath.Dir(r.dir))
	return errors.Join(err, r.lock.Close())
}

// entry reads what is registered of a setting: the zero entry where nothing is.
func (r *sysctlRegister) entry(name string) (e sysctlEntry, err error) {
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return e, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	if err != nil {
		return e, fmt.Errorf("read register of kernel settings: %w", err)
	}
	return e, nil
}

// set registers the entry, or nothing where nobody holds the setting.
func (r *sysctlRegister) set(name string, e sysctlEntry) error {
	file := filepath.Join(r.dir, name)
	failpoint.Hit("sysctl.register.before")
	defer failpoint.Hit("sysctl.register.after")
	if len(e.Holders) == 0 {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clear register of kernel settings: %w", err)
		}
		return nil
	}
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write register of kernel settings: %w", err)
	}
	unnamed := filepath.Join(r.dir, sysctlUnnamed)
	if err = os.WriteFile(unnamed, append(b, '\n'), 0o600); err == nil {
		err = os.Rename(unnamed, file)
	}
	if err != nil {
		return fmt.Errorf("write register of kernel settings: %w", err)
	}
	return nil
}

// sweep clears the entries of namespaces that are gone, with all their settings.
func (r *sysctlRegister) sweep() error {
	files, err := os.ReadDir(r.dir)
	if err != nil {
		return fmt.Errorf("read register of kernel settings: %w", err)
	}
	for _, f := range files {
		if f.Name() == sysctlUnnamed {
			continue
		}
		e, err := r.entry(f.Name())
		if err != nil {
			return err
		}
		gone := e.Namespace != ""
		if gone {
			if gone, err = namespaceGone(e.Namespace, f.Name()); err != nil {
				return err
			}
		}
		if gone {
			if err := r.set(f.Name(), sysctlEntry{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// namespaceGone reports whether the namespace of an entry is no longer what has its name.
func namespaceGone(namespace, entry string) (bool, error) {
	ns, err := netns.Open(namespace)
	if noNamespace(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer ns.Close()
	id, err := ns.Lasting()
	return err == nil && !strings.HasPrefix(entry, id+","), err
}

// sysctlEntryName names the entry of a setting: by the namespace that it is of, which may
// have several names, and its path.
func (k *session) sysctlEntryName(namespace, path string) (string, error) {
	id := "machine"
	if strings.HasPrefix(path, "net/") {
		ns, err := k.namespace(namespace)
		if err != nil {
			return "", err
		}
		if id, err = ns.Lasting(); err != nil {
			return "", err
		}
	}
	return id + "," + providers.ShortName(url.PathEscape(path), 200), nil
}

func (k *session) sysctlHolder(a addr.Instance) string { return k.env.Lineage + ":" + a.String() }
