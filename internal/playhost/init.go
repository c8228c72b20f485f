package playhost

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/term"

	"github.com/diyform/diyform/internal/linux/machine"
)

// SetupFailed is the exit code of a playhost that never came to run its command, the one
// that env(1), chroot(1) and podman-run(1) use for failures of their own.
const SetupFailed = 125

// IsInit reports whether this process was started by Run to become a playhost's init.
func IsInit() bool {
	return os.Args[0] == initName || os.Args[0] == unmappedInitName
}

// InitMain is the main function of a playhost's init: it builds the playhost, runs the
// command and returns its exit code. When the process exits, the kernel kills the rest.
func InitMain() int {
	code, err := runInit()
	if err != nil {
		fmt.Fprintf(os.Stderr, "playhost: %v\n", err)
		return SetupFailed
	}
	return code
}

func runInit() (int, error) {
	line := os.NewFile(lifeline, "lifeline")
	if os.Args[0] == unmappedInitName {
		return 0, becomeMapped(line)
	}
	syscall.CloseOnExec(lifeline)
	if err := awaitRelease(line); err != nil {
		return 0, fmt.Errorf("wait for control groups: %w", err)
	}
	var groups []subtree
	if err := json.Unmarshal([]byte(os.Args[1]), &groups); err != nil {
		return 0, fmt.Errorf("decode control groups: %w", err)
	}
	// The command is started by the thread that has the cgroup namespace, and gets it.
	runtime.LockOSThread()
	if err := build(groups); err != nil {
		return 0, err
	}
	cmd, err := startCommand(os.Args[2], os.Args[3:])
	if err != nil {
		return 0, err
	}
	return await(cmd, line)
}

func awaitRelease(line *os.File) error {
	_, err := io.ReadFull(line, make([]byte, 1))
	return err
}

// becomeMapped waits for the map, then executes this program again, now as a root that the
// user namespace knows.
func becomeMapped(line *os.File) error {
	if err := awaitRelease(line); err != nil {
		return fmt.Errorf("wait for id map: %w", err)
	}
	err := syscall.Exec("/proc/self/exe", slices.Concat([]string{initName}, os.Args[1:]), os.Environ())
	return fmt.Errorf("execute init again: %w", err)
}

func build(groups []subtree) error {
	if len(groups) > 0 {
		if err := machine.LeaveControlGroups(); err != nil {
			return err
		}
	}
	if err := buildMounts(groups); err != nil {
		return fmt.Errorf("build mounts: %w", err)
	}
	if err := enterCommandGroups(groups); err != nil {
		return err
	}
	if err := machine.SetHostname("host"); err != nil {
		return err
	}
	if err := buildNetwork(); err != nil {
		return fmt.Errorf("build network: %w", err)
	}
	return nil
}

func startCommand(path string, args []string) (*exec.Cmd, error) {
	cmd := exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), xdgEnvironment()...)
	if term.IsTerminal(int(os.Stdin.Fd())) {
		// Shells give the terminal back to the group that had it, so that must be one
		// that exists in the new process namespace.
		cmd.SysProcAttr = &syscall.SysProcAttr{Foreground: true}
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start command: %w", err)
	}
	return cmd, nil
}

// await returns when the command has ended, with its exit code, or when nobody is left at
// the other end of the lifeline to tell it to.
func await(cmd *exec.Cmd, line *os.File) (int, error) {
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
		ended <- result{err: errors.Join(errors.New("the maker of the playhost is gone"), err)}
	}()
	r := <-ended
	return r.code, r.err
}

func exitCode(status machine.WaitStatus) (int, error) {
	switch {
	case status.Exited():
		return status.ExitStatus(), nil
	case status.Signaled():
		return 128 + int(status.Signal()), nil
	}
	return 0, errors.New("the command neither exited nor was killed: this is a bug of playhost")
}
