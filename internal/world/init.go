package world

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/term"

	"github.com/diyform/diyform/internal/linux/machine"
)

// SetupFailed is the exit code of a world that never came to run its command, the one that
// env(1), chroot(1) and podman-run(1) use for failures of their own.
const SetupFailed = 125

// IsInit reports whether this process was started by Run to become a world's init.
func (k *Kind) IsInit() bool {
	return os.Args[0] == k.initName() || os.Args[0] == k.unmappedInitName()
}

// InitMain is the main function of a world's init: it builds the world, runs the command and
// returns its exit code. When the process exits, the kernel kills the rest.
func (k *Kind) InitMain() int {
	code, err := k.runInit()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", k.Name, err)
		return SetupFailed
	}
	return code
}

func (k *Kind) runInit() (int, error) {
	line := os.NewFile(lifeline, "lifeline")
	if os.Args[0] == k.unmappedInitName() {
		return 0, k.becomeMapped(line)
	}
	var s setup
	if err := json.Unmarshal([]byte(os.Args[1]), &s); err != nil {
		return 0, fmt.Errorf("decode setup: %w", err)
	}
	exits, extra := s.inherit()
	if err := awaitRelease(line); err != nil {
		return 0, fmt.Errorf("wait for control groups: %w", err)
	}
	// The command is started by the thread that has the cgroup namespace, and gets it.
	runtime.LockOSThread()
	held, err := k.build(s)
	if err != nil {
		return 0, err
	}
	if held != nil {
		defer held.Close()
	}
	cmd, err := k.startCommand(os.Args[2], os.Args[3:], extra)
	if err != nil {
		return 0, err
	}
	closeAll(extra)
	return await(cmd, line, exits)
}

// inherit takes over what Run has passed on: the ways out of the control groups, and what is
// the command's.
func (s *setup) inherit() (exits []exit, extra []*os.File) {
	fd := lifeline
	next := func(name string) *os.File {
		syscall.CloseOnExec(fd)
		fd++
		return os.NewFile(uintptr(fd-1), name)
	}
	next("lifeline")
	for _, g := range s.Groups {
		exits = append(exits, exit{above: next("group above"), procs: next("cgroup.procs"), name: filepath.Base(g.Dir)})
	}
	for range s.Extra {
		extra = append(extra, next("extra"))
	}
	return exits, extra
}

func awaitRelease(line *os.File) error {
	_, err := io.ReadFull(line, make([]byte, 1))
	return err
}

// becomeMapped waits for the map, then executes this program again, now as a root that the
// user namespace knows.
func (k *Kind) becomeMapped(line *os.File) error {
	if err := awaitRelease(line); err != nil {
		return fmt.Errorf("wait for id map: %w", err)
	}
	err := syscall.Exec("/proc/self/exe", slices.Concat([]string{k.initName()}, os.Args[1:]), os.Environ())
	return fmt.Errorf("execute init again: %w", err)
}

func (k *Kind) build(s setup) (io.Closer, error) {
	if len(s.Groups) > 0 {
		if err := machine.LeaveControlGroups(); err != nil {
			return nil, err
		}
	}
	if err := k.buildMounts(s); err != nil {
		return nil, fmt.Errorf("build mounts: %w", err)
	}
	if err := enterCommandGroups(s.Groups); err != nil {
		return nil, err
	}
	if err := machine.SetHostname(k.Hostname); err != nil {
		return nil, err
	}
	if k.Network == nil {
		return nil, nil
	}
	held, err := k.Network()
	if err != nil {
		return nil, fmt.Errorf("build network: %w", err)
	}
	return held, nil
}

func (k *Kind) startCommand(path string, args []string, extra []*os.File) (*exec.Cmd, error) {
	cmd := exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = extra
	cmd.Env = os.Environ()
	if k.Environ != nil {
		cmd.Env = append(cmd.Env, k.Environ()...)
	}
	if k.Terminal && term.IsTerminal(int(os.Stdin.Fd())) {
		// Shells give the terminal back to the group that had it, so that must be one
		// that exists in the new process namespace.
		cmd.SysProcAttr = &syscall.SysProcAttr{Foreground: true}
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start command: %w", err)
	}
	return cmd, nil
}

// errAbandoned says that nobody is left to whom the command's end could be told.
var errAbandoned = errors.New("whoever made this world is gone")

// await returns when the command has ended, with its exit code, or when nobody is left at
// the other end of the lifeline to tell it to.
func await(cmd *exec.Cmd, line *os.File, exits []exit) (int, error) {
	type result struct {
		code int
		err  error
	}
	ended := make(chan result, 2)
	go func() {
		status, err := machine.ReapUntil(cmd.Process.Pid)
		if err != nil {
			ended <- result{err: err}
			return
		}
		code, err := exitCode(status)
		ended <- result{code, err}
	}()
	go func() {
		_, err := io.Copy(io.Discard, line)
		ended <- result{err: errors.Join(errAbandoned, err)}
	}()
	r := <-ended
	if errors.Is(r.err, errAbandoned) {
		r.err = errors.Join(r.err, leave(exits))
	}
	return r.code, r.err
}

func exitCode(status machine.WaitStatus) (int, error) {
	switch {
	case status.Exited():
		return status.ExitStatus(), nil
	case status.Signaled():
		return 128 + int(status.Signal()), nil
	}
	return 0, errors.New("the command neither exited nor was killed: this is a bug")
}
