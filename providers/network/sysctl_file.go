package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/providers"
)

const sysctlRoot = "/proc/sys"

// inSysctls runs f where /proc/sys/net is the namespace's: the kernel shows there the
// settings of the thread that looks.
func (k *session) inSysctls(ctx context.Context, namespace string, f func() error) error {
	ns, err := k.namespace(namespace)
	if err != nil {
		return err
	}
	return ns.Do(ctx, f)
}

// readSysctl gives a setting's value, with one space between its parts.
func readSysctl(name string) (string, error) {
	b, err := os.ReadFile(path.Join(sysctlRoot, name))
	if err != nil {
		return "", err
	}
	return plainValue(string(b)), nil
}

func writeSysctl(name, value string) error {
	f, err := os.OpenFile(path.Join(sysctlRoot, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	// One write: the kernel takes each as a whole value (proc(5)).
	failpoint.Hit("sysctl.before")
	_, err = f.WriteString(value + "\n")
	failpoint.Hit("sysctl.after")
	return errors.Join(err, f.Close())
}

// sysctlReading is what a snapshot holds of a setting.
type sysctlReading struct {
	value      string
	err        error // it could not be read; fs.ErrNotExist: there is none
	unwritable error // it could not be set
	near       []string
	held       map[string]bool // addresses of this stack that the register has
}

// loadSysctls reads the settings among the places, each namespace's together. Settings of
// namespaces that do not exist are left out.
func (s *snapshot) loadSysctls(ctx context.Context, places []providers.Place) error {
	missing, gone := map[string][]string{}, false
	for _, p := range places {
		v := s.namespaces[p.Namespace]
		gone = gone || p.Kind == sysctlKind && v != nil && noNamespace(v.err)
		if p.Kind != sysctlKind || v == nil || v.err != nil {
			continue
		}
		if _, read := v.sysctls[p.Name]; !read {
			missing[p.Namespace] = append(missing[p.Namespace], p.Name)
		}
	}
	if len(missing) == 0 && !gone {
		return nil
	}
	register, err := s.session.openRegister(ctx, false)
	if err != nil {
		return err
	}
	err = s.readSysctls(ctx, register, missing)
	if register != nil {
		if gone {
			err = errors.Join(err, register.sweep())
		}
		err = errors.Join(err, register.close())
	}
	return err
}

// readSysctls reads the settings of each namespace, and who holds them.
func (s *snapshot) readSysctls(ctx context.Context, register *sysctlRegister, missing map[string][]string) error {
	for namespace, paths := range missing {
		v := s.namespaces[namespace]
		if v.sysctls == nil {
			v.sysctls = map[string]sysctlReading{}
		}
		err := s.session.inSysctls(ctx, namespace, func() error {
			for _, path := range paths {
				reading := lookAtSysctl(path)
				var err error
				if reading.held, err = s.session.heldSysctl(register, namespace, path); err != nil {
					return err
				}
				v.sysctls[path] = reading
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read kernel settings: %w", err)
		}
	}
	return nil
}

// heldSysctl gives the addresses of this stack that hold a setting.
func (k *session) heldSysctl(r *sysctlRegister, namespace, path string) (map[string]bool, error) {
	if r == nil {
		return nil, nil
	}
	name, err := k.sysctlEntryName(namespace, path)
	if err != nil {
		return nil, err
	}
	e, err := r.entry(name)
	held := map[string]bool{}
	for _, h := range e.Holders {
		if a, ours := strings.CutPrefix(h.Holder, k.env.Lineage+":"); ours {
			held[a] = true
		}
	}
	return held, err
}

// lookAtSysctl reads a setting and finds out whether it could be set.
func lookAtSysctl(name string) (r sysctlReading) {
	r.value, r.err = readSysctl(name)
	if errors.Is(r.err, fs.ErrNotExist) {
		r.near = siblings(name)
	}
	if r.err != nil {
		return r
	}
	var f *os.File
	if f, r.unwritable = os.OpenFile(path.Join(sysctlRoot, name), os.O_WRONLY, 0); r.unwritable == nil {
		r.unwritable = f.Close()
	}
	return r
}

// siblings lists the names beside a setting that does not exist.
func siblings(name string) []string {
	entries, err := os.ReadDir(path.Join(sysctlRoot, path.Dir(name)))
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = path.Join(path.Dir(name), e.Name())
	}
	return names
}

// explainSysctl says what to do about an error with a setting.
func explainSysctl(v *sysctlAttrs, err error, near []string) error {
	p := &diag.Problem{Summary: "The kernel setting cannot be set", Attribute: "key", Err: err}
	where := "on this machine"
	if v.Namespace != "" {
		where = fmt.Sprintf("in network namespace %q", v.Namespace)
	}
	switch {
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ERANGE):
		p.Attribute = "value"
		p.Detail = fmt.Sprintf("The kernel does not take %q as a value of %s.", v.Value, v.Key)
	case errors.Is(err, fs.ErrNotExist):
		p.Detail = fmt.Sprintf("There is no setting %s %s.%s", v.Key, where, missingSysctlHint(v, near))
	case errors.Is(err, unix.EROFS):
		p.Detail = fmt.Sprintf("%s is mounted read-only here, as in most containers: %s can only be set from outside.", sysctlRoot, v.Key)
	case errors.Is(err, fs.ErrPermission):
		p.Detail = fmt.Sprintf("The kernel does not let this user read and set %s %s. Settings of the machine are root's; those of a network "+
			"namespace are root's of the user namespace that owns it. Some can only be read, or only be written, by anybody.", v.Key, where)
	default:
		return fmt.Errorf("set %s: %w", v.Key, err)
	}
	return p
}

func missingSysctlHint(v *sysctlAttrs, near []string) string {
	name := sysctlPath(v.Key)
	if hint := diag.Suggest(name, near); hint != "" {
		return strings.ReplaceAll(hint, "/", ".")
	}
	if v.Namespace != "" {
		return " Some settings that begin with \"net.\" are only the host's."
	}
	return " It may come with a kernel module that is not loaded (modprobe)."
}

// misread is about a value that the kernel took as another one.
func misread(v *sysctlAttrs, is string) error {
	return &diag.Problem{
		Summary: "The kernel made another value of it",
		Detail: fmt.Sprintf("%s was set to %q, and then was %q. The old value has been put back: every plan would find a difference. "+
			"Set it to what the kernel makes of it.", v.Key, v.Value, is),
		Attribute: "value",
	}
}
