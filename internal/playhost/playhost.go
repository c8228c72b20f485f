// Package playhost runs a command on a disposable machine of its own: a host with an
// uplink to a small internet, made of namespaces. The tests and `make demo` run diyform
// there, as root or as an ordinary user, and the machine that they run on is not touched.
//
// In the playhost the command is root. It has its own processes, mounts, host name and
// network; /run, /var/lib and the XDG folders are empty and its own. The rest of the file
// system is the real machine's. Of the control groups it has a part for itself, in each
// hierarchy that the user may write to. When the command ends, all that it has started is
// killed, and with it goes every namespace, mount, link and control group.
//
//	the playhost                              namespace /run/netns/internet
//	eth0  198.51.100.2/24  ----------------  198.51.100.1/24   lo 203.0.113.1/32
//	      2001:db8:51::2/64                  2001:db8:51::1/64    2001:db8:cafe::1/128
//
// The internet has no route back but to its own link: what arrives there and is answered
// came from the playhost's address.
//
// It is a bench for tests, not a sandbox: the command sees the real machine's files.
//
// How such a machine is made of namespaces is in internal/world. Start with Run.
package playhost

import (
	"io"
	"os/exec"

	"github.com/diyform/diyform/internal/linux/machine"
	"github.com/diyform/diyform/internal/world"
)

// The addresses that tests and demonstrations talk to.
const (
	HostAddress4     = "198.51.100.2"
	HostAddress6     = "2001:db8:51::2"
	GatewayAddress4  = "198.51.100.1"
	GatewayAddress6  = "2001:db8:51::1"
	InternetAddress4 = "203.0.113.1"
	InternetAddress6 = "2001:db8:cafe::1"
)

// InternetNamespace is the name, as `ip netns` knows it, of the namespace behind the uplink.
const InternetNamespace = "internet"

// kind is a host as most are: what is below /run and /var/lib is its own.
var kind = &world.Kind{
	Name:     "playhost",
	Hostname: "host",
	Folders: []world.Folder{
		{Path: "/run", Filesystem: machine.Filesystem{Type: "tmpfs", Data: "mode=0755"}},
		{Path: "/var/lib", Filesystem: machine.Filesystem{Type: "tmpfs", Data: "mode=0755", Devices: true}},
	},
	Terminal: true,
	Furnish:  furnish,
	Network:  func() (io.Closer, error) { return nil, buildNetwork() },
	Environ:  xdgEnvironment,
}

// SetupFailed is the exit code of a playhost that never came to run its command.
const SetupFailed = world.SetupFailed

// ErrPrivilege says that this user may make no namespaces on this machine.
var ErrPrivilege = world.ErrPrivilege

// Run runs the command in a new playhost: see world.Kind. The caller's program must call
// InitMain at its start when IsInit says so.
func Run(cmd *exec.Cmd) error { return kind.Run(cmd) }

// IsInit reports whether this process was started by Run to become a playhost's init.
func IsInit() bool { return kind.IsInit() }

// InitMain is the main function of a playhost's init. It gives the exit code.
func InitMain() int { return kind.InitMain() }
