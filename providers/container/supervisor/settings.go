package supervisor

import (
	"time"

	"github.com/diyform/diyform/internal/linux/cgroup"
)

// Settings are what can change while a container runs.
type Settings struct {
	Limits  cgroup.Limits `json:"limits,omitzero"`
	Restart Restart       `json:"restart,omitzero"`
	Health  *HealthCheck  `json:"health,omitempty"`
	// Interfaces of the container's network namespace that must be up before the command
	// starts.
	Interfaces []string `json:"interfaces,omitempty"`
	// Hosts are entries of /etc/hosts, by name, besides those of the stack's containers.
	Hosts map[string]string `json:"hosts,omitempty"`
	DNS   *DNS              `json:"dns,omitempty"` // nil: the host's
	// Names by which other containers of the stack find this one, besides its host name.
	Names       []string      `json:"names,omitempty"`
	Log         Log           `json:"log,omitzero"`
	StopTimeout time.Duration `json:"stop_timeout"`
}

// Restart says when a command that has ended is started again.
type Restart struct {
	Policy RestartPolicy `json:"policy,omitempty"`
	Max    int           `json:"max,omitempty"` // consecutive restarts; 0: without end
	// Delay is the pause before the first restart. It doubles with each that follows, up to
	// a minute, and is as at first again when the command has run for ten seconds.
	Delay time.Duration `json:"delay,omitempty"`
}

// RestartPolicy is when to start a command again.
type RestartPolicy string

const (
	RestartNever     RestartPolicy = ""
	RestartOnFailure RestartPolicy = "on-failure" // after an exit code other than 0
	RestartAlways    RestartPolicy = "always"
)

// HealthCheck says how to find out whether a container does its work: by Command, TCP or
// HTTP.
type HealthCheck struct {
	Command []string `json:"command,omitempty"` // run inside; healthy is exit code 0
	TCP     string   `json:"tcp,omitempty"`     // address to connect to from inside: 127.0.0.1:80
	HTTP    string   `json:"http,omitempty"`    // URL to get from inside; healthy is a status below 400

	Interval time.Duration `json:"interval"`
	Timeout  time.Duration `json:"timeout"` // of one check
	Retries  int           `json:"retries"` // failures in a row that make it unhealthy
	// StartPeriod is the time after the start in which failures do not count.
	StartPeriod time.Duration `json:"start_period,omitempty"`
}

// HealthStatus is what the checks have shown.
type HealthStatus string

const (
	HealthNone    HealthStatus = ""         // there is no check
	HealthUnknown HealthStatus = "starting" // no check has decided yet
	Healthy       HealthStatus = "healthy"
	Unhealthy     HealthStatus = "unhealthy"
)

// Health is a container's health.
type Health struct {
	Status   HealthStatus `json:"status,omitempty"`
	Failures int          `json:"failures,omitempty"` // in a row
	Output   string       `json:"output,omitempty"`   // of the last check, at most 4 KB
	Checked  time.Time    `json:"checked,omitzero"`
}

// DNS is what /etc/resolv.conf has: resolv.conf(5).
type DNS struct {
	Servers []string `json:"servers,omitempty"`
	Search  []string `json:"search,omitempty"`
	Options []string `json:"options,omitempty"`
}

// Log says how much of a container's output is kept.
type Log struct {
	MaxSize  int64 `json:"max_size,omitempty"`  // bytes of one file; 0: DefaultLogSize
	MaxFiles int   `json:"max_files,omitempty"` // with the one that is written; 0: DefaultLogFiles
}

// What is kept of a log where nothing else is said.
const (
	DefaultLogSize  = 10 << 20
	DefaultLogFiles = 3
)
