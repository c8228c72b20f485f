// Package launch starts containers: processes in namespaces of their own, with a root of
// their own, that may do little.
//
// It makes one process and lets go of it: who records it, feeds its log and waits for it is
// package supervisor. It does not configure the container's network, and does not decide
// how the root is made up (rootfs does).
//
// A container is launched by a raw fork, not by starting diyform again as an init inside
// it: package fork says how. The whole order of a launch, with the reasons, is in compose.go;
// what the container may do is in harden.go and seccomp.go. Start with Spec and Create.
package launch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/diyform/diyform/providers/container/rootfs"
)

// Spec is what a container shall be.
type Spec struct {
	// ID names the container within its stack: a file name, chosen by the caller. To
	// create a container again under the same ID and with the same spec is to find it.
	ID      string            `json:"id"`
	Root    rootfs.Spec       `json:"root"`
	Command []string          `json:"command"`
	Env     map[string]string `json:"env,omitempty"`
	// WorkingDir is absolute; left out, it is "/". It is made where it is missing.
	WorkingDir string `json:"working_dir,omitempty"`
	// User is whom the command runs as: a name or a number, and after a colon that of a group.
	// Names are those of the image's /etc/passwd and /etc/group. Left out, it is root.
	User     string  `json:"user,omitempty"`
	Hostname string  `json:"hostname,omitempty"`
	Domain   string  `json:"domain,omitempty"` // of the UTS namespace: the NIS domain
	Network  Network `json:"network,omitzero"`
	// Namespaces says which namespaces are not the container's own.
	Namespaces Namespaces `json:"namespaces,omitzero"`
	// BootTime is when the container's clocks began: BootTimeZero or BootTimeHost.
	BootTime BootTime `json:"boot_time"`
	IDMap    IDMap    `json:"id_map"`
	// Init says whether a small first process reaps orphans and passes signals on.
	Init Init `json:"init,omitempty"`
	// Privileges are what the container's processes may do besides the default, and what not.
	Privileges Privileges `json:"privileges,omitzero"`
	// Limits of the first process, which all others inherit: getrlimit(2).
	ResourceLimits []ResourceLimit `json:"resource_limits,omitempty"`
	// Sysctls are set before the command runs, by key: net.ipv4.ip_forward. Only those of the
	// container's own namespaces can be.
	Sysctls map[string]string `json:"sysctls,omitempty"`
	// OOMScoreAdj is proc_pid_oom_score_adj(5); nil leaves it as it is.
	OOMScoreAdj *int `json:"oom_score_adj,omitempty"`
	// Stdin keeps standard input open: attach writes to it. Otherwise it is /dev/null.
	Stdin bool `json:"stdin,omitempty"`
	// Data is the container's folder on disk: its writable layer and its log. It is absolute,
	// made at the start and removed with the container.
	Data string `json:"data"`
	// StopSignal is the number of the signal that asks the command to end.
	StopSignal int `json:"stop_signal"`
}

// Namespaces are the kinds of namespaces that a container shares: "user", "pid", "network",
// "ipc", "uts", "cgroup", "time". Its mount namespace is always its own.
type Namespaces struct {
	// Keep are shared with the host, or with what the supervisor is in.
	Keep []string `json:"keep,omitempty"`
	// Join are shared with another container of the stack, by its ID.
	Join      []string `json:"join,omitempty"`
	Container string   `json:"container,omitempty"`
}

// Init is whether a container has an init process of ours as its first.
type Init string

const (
	// InitAuto is an init for shells and scripts, which neither reap nor pass signals on.
	InitAuto Init = ""
	InitYes  Init = "yes"
	InitNo   Init = "no"
)

// Privileges change what a container's processes may do.
type Privileges struct {
	// Privileged is all capabilities of the container's user namespace, no system call filter
	// and nothing hidden or read-only in /proc and /sys.
	Privileged bool `json:"privileged,omitempty"`
	// Add and Drop are names of capabilities without CAP_, or ALL.
	Add  []string `json:"add,omitempty"`
	Drop []string `json:"drop,omitempty"`
	// Seccomp is a profile in the JSON format of OCI engines (containers/common's
	// seccomp.json), "unconfined", or left out for the default.
	Seccomp string `json:"seccomp,omitempty"`
}

// ResourceLimit is one of getrlimit(2), by its name without RLIMIT_, in lower case: "nofile".
type ResourceLimit struct {
	Name string `json:"name"`
	Soft uint64 `json:"soft"` // math.MaxUint64 is unlimited
	Hard uint64 `json:"hard"`
}

// Network says which network namespace the container is in: by default a new one.
type Network struct {
	// Join is the name of an existing namespace.
	Join string `json:"join,omitempty"`
	// Name is what the container's own namespace is called. It takes root.
	Name string `json:"name,omitempty"`
	// Mark is the owner mark of a namespace with a Name.
	Mark string `json:"mark,omitempty"`
}

// BootTime is when a container's monotonic and boot time clocks began.
type BootTime string

const (
	BootTimeZero BootTime = "zero" // with the container
	BootTimeHost BootTime = "host" // with the host
)

// IDMap is which of the host's user and group ids a container has.
type IDMap string

const (
	// IDMapAuto is a range where one can be had, else a single id.
	IDMapAuto IDMap = "auto"
	// IDMapSingle makes whoever launches root, and nobody else exists.
	IDMapSingle IDMap = "single"
	// IDMapRange gives the container 65536 ids that nobody else has.
	IDMapRange IDMap = "range"
)

// DefaultPath is the PATH of a container whose Env has none.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Decode reads a spec. Unknown keys are errors.
func Decode(r io.Reader) (Spec, error) {
	var s Spec
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Spec{}, fmt.Errorf("decode container spec: %w", err)
	}
	return s, s.Validate()
}

// Equal reports whether two specs say the same.
func (s Spec) Equal(o Spec) bool {
	a, errA := json.Marshal(s)
	b, errB := json.Marshal(o)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// Validate tells everything that is wrong with the spec itself.
func (s Spec) Validate() error {
	errs := []error{
		s.Root.Validate(), s.Network.validate(), s.validateProcess(), s.validateNamespaces(), s.validatePrivileges(), s.validateSettings(),
	}
	if s.ID == "" || s.ID == "." || s.ID == ".." || strings.ContainsAny(s.ID, "/\x00") || len(s.ID) > 200 {
		errs = append(errs, fmt.Errorf("container id %q cannot be a file name", s.ID))
	}
	if len(s.Hostname) > 64 {
		errs = append(errs, fmt.Errorf("host name %q is longer than 64 bytes", s.Hostname))
	}
	if s.BootTime != BootTimeZero && s.BootTime != BootTimeHost {
		errs = append(errs, fmt.Errorf(`boot time %q is neither "zero" nor "host"`, s.BootTime))
	}
	if s.IDMap != IDMapAuto && s.IDMap != IDMapSingle && s.IDMap != IDMapRange {
		errs = append(errs, fmt.Errorf(`id map %q is neither "auto" nor "single" nor "range"`, s.IDMap))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("validate container spec: %w", err)
	}
	return nil
}

func (s Spec) validateProcess() error {
	var errs []error
	if len(s.Command) == 0 || s.Command[0] == "" {
		errs = append(errs, errors.New("there is no command"))
	}
	for name := range s.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			errs = append(errs, fmt.Errorf("%q cannot be the name of an environment variable", name))
		}
	}
	if s.WorkingDir != "" && !filepath.IsAbs(s.WorkingDir) {
		errs = append(errs, fmt.Errorf("working directory %q is not absolute", s.WorkingDir))
	}
	if !filepath.IsAbs(s.Data) {
		errs = append(errs, fmt.Errorf("data folder %q is not absolute", s.Data))
	}
	if s.Init != InitAuto && s.Init != InitYes && s.Init != InitNo {
		errs = append(errs, fmt.Errorf(`init %q is neither "yes" nor "no"`, s.Init))
	}
	if s.StopSignal < 1 || s.StopSignal > 64 {
		errs = append(errs, fmt.Errorf("stop signal %d is no signal", s.StopSignal))
	}
	return errors.Join(errs...)
}

func (n Network) validate() error {
	if n.Join != "" && n.Name != "" {
		return errors.New("a container joins a network namespace or names its own, not both")
	}
	return nil
}

// Environ gives the environment in the form that exec takes, with a PATH. The HOME is the
// user's, unless Env has one.
func (s Spec) Environ() []string {
	vars := map[string]string{"PATH": DefaultPath}
	for name, value := range s.Env {
		vars[name] = value
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		list = append(list, name+"="+vars[name])
	}
	return list
}

func (s Spec) workingDir() string {
	if s.WorkingDir == "" {
		return "/"
	}
	return s.WorkingDir
}

// Candidates gives the paths at which a command is to be tried, as a shell would.
func Candidates(command string, environ []string) []string {
	if strings.Contains(command, "/") {
		return []string{command}
	}
	var paths []string
	for _, dir := range filepath.SplitList(pathOf(environ)) {
		if dir != "" {
			paths = append(paths, filepath.Join(dir, command))
		}
	}
	return paths
}

// pathOf gives the last PATH of an environment.
func pathOf(environ []string) string {
	path := ""
	for _, v := range environ {
		if value, ok := strings.CutPrefix(v, "PATH="); ok {
			path = value
		}
	}
	return path
}
