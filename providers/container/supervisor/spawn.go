package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/diyform/diyform/internal/linux/process"
)

// startTime is how long a supervisor may take to be ready.
const startTime = 10 * time.Second

// spawn starts a supervisor and waits until it serves, or has found another one that does.
func (c *Client) spawn(ctx context.Context) error {
	log, err := c.openLog()
	if err != nil {
		return fmt.Errorf("start supervisor: %w", err)
	}
	defer log.Close()
	ready, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start supervisor: %w", err)
	}
	defer ready.Close()
	cmd, err := command(c.dir, log, theirs)
	if err == nil {
		err = cmd.Start()
	}
	theirs.Close()
	if err != nil {
		return fmt.Errorf("start supervisor: %w", err)
	}
	// It outlives us. While we live it is our child, and must not stay a zombie.
	go cmd.Wait()
	return c.await(ctx, ready)
}

// openLog makes the stack's folder and the supervisor's log in it. The folder may be removed
// in between, by a supervisor that takes leave.
func (c *Client) openLog() (*os.File, error) {
	for {
		if err := os.MkdirAll(c.dir, 0o700); err != nil {
			return nil, err
		}
		log, err := os.OpenFile(filepath.Join(c.dir, logName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if !errors.Is(err, fs.ErrNotExist) {
			return log, err
		}
	}
}

// command is a supervisor for the stack, in a session of its own.
func command(dir string, log, ready *os.File) (*exec.Cmd, error) {
	// What this process got from its parent without close-on-exec, a pipe that somebody
	// reads to its end, must not stay open as long as the containers run.
	if err := process.CloseOnExec(); err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{
		Path:        "/proc/self/exe",
		Args:        []string{processName, dir},
		Env:         environ(),
		Dir:         "/",
		Stdout:      log,
		Stderr:      log,
		ExtraFiles:  []*os.File{ready},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	return cmd, nil
}

// inherited are the environment variables that a supervisor gets. The last three are for
// tests.
var inherited = []string{"PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", failpointVariable, "GOCOVERDIR", "GORACE"}

// environ gives the supervisor little memory: it holds next to nothing and mostly waits.
func environ() []string {
	env := []string{"GOMAXPROCS=1", "GOGC=25"}
	for _, name := range inherited {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// await waits for what the supervisor says when it has come up.
func (c *Client) await(ctx context.Context, ready *os.File) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { ready.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	said, err := io.ReadAll(ready)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("start supervisor: %w", context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("start supervisor: %w", err)
	case string(said) == saysReady, string(said) == saysHeld:
		return nil
	case len(said) == 0:
		return fmt.Errorf("start supervisor: it ended at once; see %s", filepath.Join(c.dir, logName))
	}
	return fmt.Errorf("start supervisor: %s", said)
}
