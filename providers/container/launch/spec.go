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
	// WorkingDir is absolute; left out, it is "/".
	WorkingDir string  `json:"working_dir,omitempty"`
	Hostname   string  `json:"hostname,omitempty"`
	Network    Network `json:"network,omitzero"`
	// BootTime is when the container's clocks began: BootTimeZero or BootTimeHost.
	BootTime BootTime `json:"boot_time"`
	IDMap    IDMap    `json:"id_map"`
	// Log is the file that the output is appended to; left out, it is in the container's
	// runtime folder and goes with it.
	Log string `json:"log,omitempty"`
	// StopSignal is the number of the signal that asks the command to end.
	StopSignal int `json:"stop_signal"`
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
	errs := []error{s.Root.Validate(), s.Network.validate(), s.validateProcess()}
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
	if s.Log != "" && !filepath.IsAbs(s.Log) {
		errs = append(errs, fmt.Errorf("log file %q is not absolute", s.Log))
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

// Environ gives the environment in the form that exec takes, with a PATH and a HOME.
func (s Spec) Environ() []string {
	vars := map[string]string{"PATH": DefaultPath, "HOME": "/root"}
	for name, value := range s.Env {
		vars[name] = value
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		list = append(list, name+"="+vars[name])
	}
	return list
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
