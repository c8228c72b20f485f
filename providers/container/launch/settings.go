package launch

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/process"
)

func (s Spec) limits(name string) bool {
	return slices.ContainsFunc(s.ResourceLimits, func(l ResourceLimit) bool { return l.Name == name })
}

// RaiseLimits gives a process, which is about to be one of the container's, those hard limits
// that are higher than its own: so that it is known in time whether that is allowed.
func (s Spec) RaiseLimits(pid int) error {
	for _, l := range s.ResourceLimits {
		if err := process.RaiseLimit(pid, l.Name, l.Hard); err != nil {
			return err
		}
	}
	return nil
}

// Limit sets a process's limits. They may be too low for what comes before the command.
func (s Spec) Limit(pid int) error {
	for _, l := range s.ResourceLimits {
		if err := process.SetLimit(pid, l.Name, process.Limit{Soft: l.Soft, Hard: l.Hard}); err != nil {
			return err
		}
	}
	return nil
}

func (s Spec) validateSettings() error {
	var errs []error
	seen := map[string]bool{}
	for _, l := range s.ResourceLimits {
		switch names := process.LimitNames(); {
		case !slices.Contains(names, l.Name):
			errs = append(errs, fmt.Errorf("there is no resource limit %q%s", l.Name, suggest(l.Name, names)))
		case seen[l.Name]:
			errs = append(errs, fmt.Errorf("resource limit %s is set twice", l.Name))
		case l.Soft > l.Hard:
			errs = append(errs, fmt.Errorf("the soft limit of %s, %d, is above the hard one, %d", l.Name, l.Soft, l.Hard))
		}
		seen[l.Name] = true
	}
	if adj := s.OOMScoreAdj; adj != nil && (*adj < -1000 || *adj > 1000) {
		errs = append(errs, fmt.Errorf("OOM score adjustment %d is not between -1000 and 1000", *adj))
	}
	for key := range s.Sysctls {
		if err := s.validateSysctl(key); err != nil {
			errs = append(errs, err)
		}
	}
	if len(s.Domain) > 64 {
		errs = append(errs, fmt.Errorf("domain name %q is longer than 64 bytes", s.Domain))
	}
	return errors.Join(errs...)
}

// sysctlKinds are the settings that a kind of namespaces has for itself: sysctl(2) and
// namespaces(7). Those that end in a dot are all that begin so.
var sysctlKinds = []struct{ prefix, kind string }{
	{"net.", kindNetwork},
	{"kernel.shm", kindIPC}, {"kernel.msg", kindIPC}, {"kernel.sem", kindIPC},
	{"kernel.auto_msgmni", kindIPC}, {"fs.mqueue.", kindIPC},
	{"user.max_", kindUser},
}

func (s Spec) validateSysctl(key string) error {
	if key != strings.Trim(key, "./") || strings.Contains(key, "..") || strings.ContainsAny(key, "\x00 ") {
		return fmt.Errorf("%q cannot be the key of a sysctl", key)
	}
	switch key {
	case "kernel.hostname":
		return errors.New(`set the host name by "hostname", not by the sysctl kernel.hostname`)
	case "kernel.domainname":
		return errors.New(`set the domain name by "domain", not by the sysctl kernel.domainname`)
	}
	for _, k := range sysctlKinds {
		if !strings.HasPrefix(key, k.prefix) {
			continue
		}
		if !s.own(k.kind) {
			return fmt.Errorf("sysctl %s is the %s namespace's, which this container shares: set it where that is made", key, k.kind)
		}
		return nil
	}
	return fmt.Errorf("sysctl %s is the whole machine's: a container can set those of its own namespaces only "+
		"(net.*, kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.*, user.max_*)", key)
}

// composeSysctls appends the setting of sysctls, while the host's /proc is in sight, which
// shows who reads it the settings of his own namespaces. The container's is not trusted.
func (s Spec) composeSysctls(p *fork.Program) {
	for _, key := range slices.Sorted(maps.Keys(s.Sysctls)) {
		what := "set sysctl " + key
		fd := p.Open(sysctlPath(key), os.O_WRONLY|os.O_TRUNC)
		p.Write(what, fd, s.Sysctls[key]+"\n")
		p.CloseFD(fd)
	}
}

// sysctlPath gives a key's file. As in sysctl(8), a key may have slashes instead of dots, and
// then dots are those of interfaces' names.
func sysctlPath(key string) string {
	if strings.Contains(key, "/") {
		return "/proc/sys/" + key
	}
	return "/proc/sys/" + strings.ReplaceAll(key, ".", "/")
}
