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
// Start with Run; what happens in the new namespaces is in init.go.
package playhost

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/term"

	"github.com/diyform/diyform/internal/linux/machine"
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

// lifeline is the descriptor on which init learns that whoever wanted the playhost is gone,
// by the end of file. Before that, each byte lets it go on once: when a range of ids has been
// mapped, and when it is in its control groups.
const lifeline = 3

// Run runs the command in a new playhost and returns when it, and whatever it left
// running, has ended. The error is the one of cmd.Run, so *exec.ExitError has the
// command's exit code; a command that died of signal N has exit code 128+N, as in a shell.
// Exit code SetupFailed means that the playhost could not be set up, with the reason on standard
// error. The command's context, and the death of the caller, end the playhost.
//
// The caller's program must call InitMain at its start when IsInit says so.
func Run(cmd *exec.Cmd) (err error) {
	if cmd.Err != nil {
		return cmd.Err
	}
	if len(cmd.ExtraFiles) > 0 {
		return errors.New("start playhost: extra files are not passed on")
	}
	maps, err := planIDMap()
	if err != nil {
		return fmt.Errorf("choose id map: %w", err)
	}
	groups, err := makeSubtrees()
	if err != nil {
		return fmt.Errorf("make control groups of playhost: %w", err)
	}
	defer func() { err = errors.Join(err, removeSubtrees(groups)) }()
	return runIn(groups, maps, cmd)
}

func runIn(groups []subtree, maps idMap, cmd *exec.Cmd) error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer write.Close()
	defer read.Close()
	shown, err := json.Marshal(groups)
	if err != nil {
		return fmt.Errorf("encode control groups: %w", err)
	}
	cmd.Args = slices.Concat([]string{maps.initName(), string(shown), cmd.Path}, cmd.Args[1:])
	cmd.Path = "/proc/self/exe"
	cmd.ExtraFiles = []*os.File{read}
	cmd.SysProcAttr = maps.attributes()
	if err := cmd.Start(); err != nil {
		return startError(err)
	}
	read.Close()
	err = settle(cmd.Process.Pid, groups, maps, write)
	if err != nil {
		write.Close() // init sees the end of file and leaves
	}
	return errors.Join(err, cmd.Wait(), retakeTerminal(cmd))
}

// settle does for init what only its parent can, and lets it go on after each step.
func settle(pid int, groups []subtree, maps idMap, lifeline *os.File) error {
	if maps.ranged() {
		if err := maps.write(pid); err != nil {
			return err
		}
		if err := release(lifeline); err != nil {
			return err
		}
	}
	if err := place(pid, groups); err != nil {
		return err
	}
	return release(lifeline)
}

func release(lifeline *os.File) error {
	if _, err := lifeline.Write([]byte{1}); err != nil {
		return fmt.Errorf("release playhost: %w", err)
	}
	return nil
}

// retakeTerminal gives the caller's process group the terminal that the command had.
func retakeTerminal(cmd *exec.Cmd) error {
	terminal, ok := cmd.Stdin.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return nil
	}
	signal.Ignore(syscall.SIGTTOU)
	defer signal.Reset(syscall.SIGTTOU)
	return machine.TakeTerminal(terminal.Fd())
}

// ErrPrivilege says that this user may make no namespaces on this machine.
var ErrPrivilege = errors.New("the machine lets this user make no namespaces")

func startError(err error) error {
	if !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("start playhost: %w", err)
	}
	return fmt.Errorf("start playhost: %w (%w): run it as root, or see the sysctls "+
		"user.max_user_namespaces, kernel.unprivileged_userns_clone and "+
		"kernel.apparmor_restrict_unprivileged_userns", ErrPrivilege, err)
}
