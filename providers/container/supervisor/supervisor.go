// Package supervisor keeps the containers of a stack: it launches them, records them, writes
// their output to their logs, waits for them and removes them.
//
// It is one process a stack, this same binary started again by the first command that needs
// it, and it ends with the last container. It holds nothing that would be lost with it: a
// supervisor that was killed is replaced by the next command's, which finds the containers
// by their records and goes on. It does not decide which containers there shall be (the
// provider does), nor how they are made (package launch).
//
// Start with protocol.go, which has what a supervisor can be asked; Client asks it.
// container.go is the life of one container, adopt.go how one outlives its supervisor.
//
// # Files
//
// All is below the stack's runtime folder:
//
//	supervisor.lock, .sock, .log     of the supervisor
//	containers/ID/record.json        what is known of a container, see Record
//	containers/ID/output             the FIFO that its output goes into
//	containers/ID/log                its output, unless the spec has another file
//
// The order of every change is: record what is about to be done, do it, record that it is
// done. So whatever exists after a crash can be found from a record, and be removed.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/flock"
	"github.com/diyform/diyform/internal/linux/localsocket"
)

const (
	processName = "diyform-supervisor"

	lockName   = "supervisor.lock"
	socketName = "supervisor.sock"
	logName    = "supervisor.log"

	failpointVariable = "DIYFORM_SUPERVISOR_FAILPOINT"

	// idle is how long a supervisor without containers waits for its first.
	idle = 10 * time.Second
)

// What a supervisor says on its start, in the pipe that it got as descriptor 3.
const (
	saysReady = "ready"
	saysHeld  = "held" // another one has the stack
)

// Invoked reports whether this process was started as a supervisor. Then main does nothing
// but call Main.
func Invoked() bool { return len(os.Args) == 2 && os.Args[0] == processName }

// Main is a supervisor's main function. It gives the exit code.
func Main() int {
	ready := os.NewFile(3, "ready")
	if err := supervise(os.Args[1], ready); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", time.Now().Format(time.RFC3339), err)
		fmt.Fprint(ready, err)
		return 1
	}
	return 0
}

func supervise(dir string, ready *os.File) error {
	if err := failpoint.Arm(failpointVariable); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE)
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	lock, err := lockStack(dir)
	if errors.Is(err, flock.ErrHeld) {
		fmt.Fprint(ready, saysHeld)
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	listener, err := listen(dir)
	if err != nil {
		return err
	}
	defer listener.Close()
	s, err := newServer(dir)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(ready, saysReady); err != nil {
		s.leaveIfIdle() // who wanted it was killed
	}
	ready.Close()
	s.serve(ctx, listener)
	return s.leave()
}

// lockStack makes this process the stack's supervisor, or gives flock.ErrHeld. So it does
// where the folder is gone, which the client made: another one has just taken leave. To make
// the folder again is the client's, if that is still there.
func lockStack(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, flock.ErrHeld
		}
		if err != nil {
			return nil, fmt.Errorf("lock stack: %w", err)
		}
		if err := flock.TryExclusive(f); err != nil {
			f.Close()
			return nil, err
		}
		// The last supervisor removes the file; who had it open already locked nothing.
		if sameFile(f, path) {
			return f, nil
		}
		f.Close()
	}
}

func sameFile(f *os.File, path string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(mine, there)
}

// listen makes the stack's socket, in place of one that a killed supervisor left.
func listen(dir string) (*net.UnixListener, error) {
	if err := os.Remove(filepath.Join(dir, socketName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	return localsocket.Listen(dir, socketName)
}
