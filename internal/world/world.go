// Package world runs a command in a disposable world of namespaces: its own processes, mounts,
// host name and network, in which it is root. When the command ends, all that it has started
// is killed, and with it goes every namespace, mount, link and control group. The same happens
// when whoever made the world ends, however that comes.
//
// It makes the world and knows nothing of what is in it: a Kind says what the network is like
// and which folders are empty. `diyform test` has one Kind, the disposable machine of our own
// tests (internal/playhost) another.
//
// Start with Kind.Run; what happens in the new namespaces is in init.go.
package world

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/term"

	"github.com/diyform/diyform/internal/linux/machine"
)

// Kind is what worlds of one kind have in common.
type Kind struct {
	// Name is what the world's first process and its control groups are called.
	Name     string
	Hostname string

	// Folders are mounted in this order. What was there is not seen any more.
	Folders []Folder

	// ReadOnly takes the right to write to anything else of the real machine: its files, and
	// the settings of the kernel that are not the world's own.
	ReadOnly bool

	// Terminal gives the command the terminal that its caller has, as a shell wants it.
	Terminal bool

	// Furnish may do more in the new mounts, Network in the new network namespace, which has
	// only lo, down; what that returns is held open as long as the world is there. Both may be
	// nil.
	Furnish func() error
	Network func() (io.Closer, error)

	// Environ is added to the command's environment; it may be nil.
	Environ func() []string
}

// A Folder is a filesystem of the world's own.
type Folder struct {
	Path       string // it exists, or is inside of one before
	Filesystem machine.Filesystem
}

// lifeline is the descriptor on which init learns that whoever wanted the world is gone, by the
// end of file. Before that, each byte lets it go on once: when a range of ids has been mapped,
// and when it is in its control groups.
const lifeline = 3

// setup is what init is told by its maker.
type setup struct {
	Groups []subtree
	Keep   []string // folders of the real machine that are seen although a Folder covers them
	Extra  int      // how many descriptors after those of the groups are the command's
}

// Run runs the command in a new world and returns when it, and whatever it left running, has
// ended. The error is the one of cmd.Run, so *exec.ExitError has the command's exit code; a
// command that died of signal N has exit code 128+N, as in a shell. Exit code SetupFailed means
// that the world could not be set up, with the reason on standard error. The command's context,
// and the death of the caller, end the world. The folders keep are seen in the world even where
// it has a folder of its own over them.
//
// The caller's program must call InitMain at its start when IsInit says so.
func (k *Kind) Run(cmd *exec.Cmd, keep ...string) (err error) {
	if cmd.Err != nil {
		return cmd.Err
	}
	maps, err := planIDMap()
	if err != nil {
		return fmt.Errorf("choose id map: %w", err)
	}
	groups, err := k.makeSubtrees()
	if err != nil {
		return fmt.Errorf("make control groups: %w", err)
	}
	defer func() { err = errors.Join(err, removeSubtrees(groups)) }()
	return k.runIn(setup{Groups: groups, Keep: keep, Extra: len(cmd.ExtraFiles)}, maps, cmd)
}

func (k *Kind) runIn(s setup, maps idMap, cmd *exec.Cmd) error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer write.Close()
	defer read.Close()
	told, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode setup: %w", err)
	}
	exits, err := openExits(s.Groups)
	defer closeAll(exits)
	if err != nil {
		return err
	}
	cmd.Args = slices.Concat([]string{maps.initName(k), string(told), cmd.Path}, cmd.Args[1:])
	cmd.Path = "/proc/self/exe"
	cmd.ExtraFiles = slices.Concat([]*os.File{read}, exits, cmd.ExtraFiles)
	cmd.SysProcAttr = maps.attributes()
	cmd.SysProcAttr.Setpgid = !k.Terminal // what the terminal's keys send is for the caller
	if err := cmd.Start(); err != nil {
		return startError(err)
	}
	read.Close()
	err = settle(cmd.Process.Pid, s.Groups, maps, write)
	if err != nil {
		write.Close() // init sees the end of file and leaves
	}
	err = errors.Join(err, cmd.Wait())
	if k.Terminal {
		err = errors.Join(err, retakeTerminal(cmd))
	}
	return err
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
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
		return fmt.Errorf("release init: %w", err)
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
		return fmt.Errorf("make namespaces: %w", err)
	}
	return fmt.Errorf("make namespaces: %w (%w): run it as root, or see the sysctls "+
		"user.max_user_namespaces, kernel.unprivileged_userns_clone and "+
		"kernel.apparmor_restrict_unprivileged_userns", ErrPrivilege, err)
}
