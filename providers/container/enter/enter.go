// Package enter runs further commands in running containers.
//
// The command is a child of the process that asks for it, not of the supervisor, so its
// files, its signals and its exit code need no detour. It is in all the container's
// namespaces, and may do as little as the container's first process may (launch.Drop). The
// package enters no namespaces of anything else.
//
// Start with Run.
package enter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/initproc"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/providers/container/launch"
)

// What callers branch on, as shells do by the exit codes 127 and 126.
var (
	ErrNotFound      = errors.New("there is no such command")
	ErrNotExecutable = errors.New("it is no command")
)

// Options say what to run.
type Options struct {
	Command []string
	// Env adds to the container's environment: NAME=VALUE.
	Env []string
	// WorkingDir is absolute; left out, it is the container's.
	WorkingDir string
	// Terminal gives the command a terminal of the container's. Stdin must be a terminal
	// then: what is typed there goes to the other as it is, and its size is the other's.
	Terminal bool
	// The command's standard files. With Terminal, Stderr is not used. Files and pipes
	// become the command's as they are; what is read from and written to terminals is copied.
	Stdin, Stdout, Stderr *os.File
	// Signals are passed on to the command.
	Signals <-chan os.Signal
	// User is whom the command runs as, as in launch.Spec; left out, it is the container's.
	User string
	// Place puts the command into the container's control group; nil leaves it in ours.
	Place func(pid int) error
}

// Run runs a command in the container whose first process is target, and waits for it. The exit code is the command's, or
// 128 and the number of the signal that ended it. When ctx ends, so does the command, by
// SIGKILL. pidfd.ErrGone says that the container does not run, ErrNotFound that it has no
// such command, ErrNotExecutable that what it has is none.
func Run(ctx context.Context, target *pidfd.Process, spec launch.Spec, o Options) (exitCode int, err error) {
	if len(o.Command) == 0 || o.Command[0] == "" {
		return 0, errors.New("run in container: there is no command")
	}
	if !target.Alive() {
		return 0, fmt.Errorf("run in container: %w", pidfd.ErrGone)
	}
	e := &entry{Options: o, spec: spec, target: target}
	run := e.runRelayed
	if o.Terminal {
		run = e.runInTerminal
	}
	exitCode, err = run(ctx)
	var noCommand *commandError
	if err != nil && !errors.As(err, &noCommand) && isEnding(target) {
		err = fmt.Errorf("run in container: %w", pidfd.ErrGone)
	}
	return exitCode, err
}

// exitTime is how long the kernel may take to end a process that has given up its namespaces.
const exitTime = 100 * time.Millisecond

// isEnding tells why a container could not be entered, where it is because it is about to
// end: then any step may fail, some time before the kernel says that the process has ended.
func isEnding(target *pidfd.Process) bool {
	ctx, cancel := context.WithTimeout(context.Background(), exitTime)
	defer cancel()
	return target.Wait(ctx) == nil
}

// entry is one command under way.
type entry struct {
	Options
	spec   launch.Spec
	target *pidfd.Process // the container's first process
}

// files are the command's standard input, output and error.
type files [3]*os.File

// start runs the command and gives its process, which is a child of this one.
func (e *entry) start(ctx context.Context, stdio files) (*pidfd.Process, error) {
	program, err := fork.New()
	if err != nil {
		return nil, err
	}
	defer program.Close()
	if err := e.compose(program, stdio); err != nil {
		return nil, fmt.Errorf("run in container: %w", err)
	}
	child, err := program.Start(0)
	if err != nil {
		return nil, fmt.Errorf("run in container: %w", err)
	}
	defer child.Close()
	if err := reapFirst(child); err != nil {
		return nil, err
	}
	pid, err := child.Spawned(ctx)
	if err != nil {
		return nil, e.explain(err)
	}
	command, err := pidfd.Open(pid) // which nobody but us can reap
	if err != nil {
		return nil, fmt.Errorf("run in container: %w", err)
	}
	if err := e.admit(ctx, child, pid); err != nil {
		command.Signal(syscall.SIGKILL)
		command.Wait(context.Background())
		command.Reap()
		command.Close()
		return nil, e.explain(err)
	}
	return command, nil
}

// admit puts the command's process where the container's are, lets it go on, and waits until
// it runs the command.
func (e *entry) admit(ctx context.Context, child *fork.Child, pid int) error {
	if e.Place != nil {
		if err := e.Place(pid); err != nil {
			return err
		}
	}
	if err := e.spec.Limit(pid); err != nil {
		return err
	}
	if err := child.Send(); err != nil {
		return err
	}
	return child.Executed(ctx)
}

// reapFirst waits for the child that only entered the namespaces. It ends at once: either
// it has failed, or its own child goes on.
func reapFirst(child *fork.Child) error {
	first, err := pidfd.New(child.PID, child.PidFD)
	if err != nil {
		return err
	}
	defer first.Close()
	if err := first.Wait(context.Background()); err != nil {
		return err
	}
	_, err = first.Reap()
	return err
}

// compose writes down what the command's process does, from clone to exec.
func (e *entry) compose(p *fork.Program, stdio files) error {
	ns, err := Different(e.target.PID)
	if err != nil {
		return err
	}
	ids, err := e.become(p)
	if err != nil {
		return err
	}
	file, err := initproc.File()
	if err != nil {
		return err
	}
	program := p.Keep(file)
	target := p.Keep(e.target.File())
	var fds [3]fork.FD
	for i, f := range stdio {
		fds[i] = p.Keep(f)
	}
	p.ResetSignals()
	// Once inside, and until exec, this process has our memory: nobody in there may look
	// (CVE-2016-9962), and our program's file must not be found there (CVE-2019-5736).
	p.Undumpable()
	p.Enter(target, ns)
	p.Spawn()
	// By now the parent has put it into the container's control group.
	p.Receive("wait for its control group", 0)
	p.SetIDs(0, 0, ids.SetGroups)
	p.Undumpable()
	p.Umask(0o022)
	p.NewSession()
	if e.Terminal {
		p.ControllingTerminal(fds[0])
	}
	for i, fd := range fds {
		p.Replace(fork.FD(i), fd)
	}
	if err := launch.Drop(p, e.spec, e.workingDir(), ids.SetGroups); err != nil {
		return err
	}
	launch.Exec(p, program, e.Command, e.environ())
	return nil
}

// become looks up whom the command runs as.
func (e *entry) become(p *fork.Program) (launch.IDs, error) {
	ids, err := launch.IDsOf(e.target.PID)
	if err != nil {
		return launch.IDs{}, err
	}
	root, err := process.Root(e.target.PID)
	if err != nil {
		return launch.IDs{}, err
	}
	defer root.Close()
	name := e.User
	if name == "" {
		name = e.spec.User
	}
	account, err := launch.Account(root, name, ids)
	if err != nil {
		return launch.IDs{}, err
	}
	// Otherwise it may all have been another process's.
	if err := e.target.Signal(0); err != nil {
		return launch.IDs{}, err
	}
	p.SetAccount(account)
	return ids, nil
}

func (e *entry) workingDir() string {
	for _, dir := range []string{e.WorkingDir, e.spec.WorkingDir} {
		if dir != "" {
			return dir
		}
	}
	return "/"
}

func (e *entry) environ() []string {
	environ := e.spec.Environ()
	if term, ok := os.LookupEnv("TERM"); ok && e.Terminal {
		environ = append(environ, "TERM="+term)
	}
	return append(environ, e.Env...)
}

// Different gives the kinds of namespaces that a process has others of than this one. To
// enter one's own user namespace is an error.
func Different(pid int) (fork.Namespaces, error) {
	kinds := map[string]fork.Namespaces{
		"cgroup": fork.Cgroup, "ipc": fork.IPC, "mnt": fork.Mount, "net": fork.Network,
		"pid": fork.PID, "time": fork.Time, "user": fork.User, "uts": fork.UTS,
	}
	var ns fork.Namespaces
	for kind, flag := range kinds {
		theirs, err := process.Namespace(pid, kind)
		if err != nil {
			return 0, err
		}
		ours, err := process.Namespace(os.Getpid(), kind)
		if err != nil {
			return 0, err
		}
		if theirs != ours {
			ns |= flag
		}
	}
	return ns, nil
}

// await waits for the command and passes signals on to it.
func (e *entry) await(ctx context.Context, command *pidfd.Process) (int, error) {
	ended := make(chan error, 1)
	go func() { ended <- command.Wait(context.Background()) }()
	cancelled := ctx.Done()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return 0, err
			}
			exit, err := command.Reap()
			if err == nil && ctx.Err() != nil {
				err = fmt.Errorf("run in container: %w", context.Cause(ctx))
			}
			return exit.Code, err
		case s := <-e.Signals:
			if number, ok := s.(syscall.Signal); ok {
				command.Signal(number) // it may have ended just now
			}
		case <-cancelled:
			cancelled = nil
			command.Signal(syscall.SIGKILL)
		}
	}
}

func (e *entry) explain(err error) error {
	spec := e.spec
	spec.Command = e.Command
	explained := fmt.Errorf("run in container: %w", launch.Explain(spec, err))
	var step *fork.StepError
	if !errors.As(err, &step) || !strings.HasPrefix(step.Step, "run ") {
		return explained
	}
	if step.Errno == syscall.ENOENT || step.Errno == syscall.ENOTDIR {
		return &commandError{explained, ErrNotFound}
	}
	return &commandError{explained, ErrNotExecutable}
}

// commandError is an error of execve(2) with what it means to callers.
type commandError struct {
	error
	is error
}

func (e *commandError) Unwrap() error { return e.error }

func (e *commandError) Is(target error) bool { return target == e.is }
