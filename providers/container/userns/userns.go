// Package userns does work of an ordinary user on files that belong to the user's
// subordinate ids: to make them, to read them, to remove them. Only who has root's
// capabilities in a user namespace that maps these ids can.
//
// So the work is done by this same program, started once more as a worker in such a
// namespace, the same that containers of the user get. What a worker can do is a table of
// functions that main gives. Root needs none of this, and calls those functions directly.
//
// It is not for starting containers: package launch does that, with the maps that are made
// here. Start with Run and Main; map.go has the maps.
package userns

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// A Func is a piece of work. It reads os.Stdin and writes os.Stdout if the caller of Run gives
// or wants anything. Its context ends when who asked for the work does not want it any more,
// or has died.
type Func func(ctx context.Context, args []string) error

// The first arguments by which a worker knows itself: before its ids are mapped, and after.
const (
	waitingName = "diyform-waits-for-ids"
	workerName  = "diyform-works-in-user-namespace"
)

// control is the worker's end of a pipe that its parent closes, dying or not.
const control = 3

// Work says what Run runs.
type Work struct {
	Name   string // in the table that Main was given
	Args   []string
	Stdin  io.Reader // nil is empty
	Stdout io.Writer // nil is nobody
	Map    Map       // Best() for what containers of the user see
}

// Error is how a worker failed.
type Error struct {
	Text  string        `json:"text"`
	Errno syscall.Errno `json:"errno,omitempty"` // the kernel's error in it, or 0
}

func (e *Error) Error() string { return e.Text }

// Unwrap gives the kernel's error, so that errors.Is(err, syscall.ENOSPC) says what it should.
func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// Needed reports whether files of the ids that containers have cannot be worked on here.
func Needed() bool { return os.Geteuid() != 0 }

// Run runs a worker and waits for it. When ctx ends, the worker is told to stop, and killed if
// it does not read its pipe. What the work returned as an error is an *Error.
func Run(ctx context.Context, w Work) error {
	theirs, mine, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", w.Name, err)
	}
	defer theirs.Close()
	defer mine.Close()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = append([]string{waitingName, w.Name}, w.Args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = w.Stdin, w.Stdout, &said
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER,
		Setpgid:    true, // an interrupt from the terminal reaches us, and we tell the worker
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s in a user namespace: %w", w.Name, err)
	}
	theirs.Close()
	if err := begin(ctx, w.Map, cmd.Process.Pid, mine); err != nil {
		mine.Close() // it ends by that
		return errors.Join(fmt.Errorf("start %s in a user namespace: %w", w.Name, err), ignore(cmd.Wait()))
	}
	err = cmd.Wait()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	reported := &Error{}
	if json.Unmarshal(said.Bytes(), reported) == nil && reported.Text != "" {
		return reported
	}
	return fmt.Errorf("%s in a user namespace: %w: %s", w.Name, err, bytes.TrimSpace(said.Bytes()))
}

// ignore drops how a worker ended whose ids could not be mapped: it says nothing more.
func ignore(error) error { return nil }

// begin maps the worker's ids and lets it go on.
func begin(ctx context.Context, m Map, pid int, pipe *os.File) error {
	if err := m.Write(ctx, pid); err != nil {
		return err
	}
	_, err := pipe.Write([]byte{1})
	return err
}

// Invoked reports whether this process is a worker: then main calls Main and nothing else.
func Invoked() bool { return os.Args[0] == waitingName || os.Args[0] == workerName }

// Main is all of a worker. It gives the exit code.
func Main(table map[string]Func) int {
	err := serve(table)
	if err == nil {
		return 0
	}
	report := Error{Text: err.Error()}
	errors.As(err, &report.Errno)
	// If even this cannot be told, the exit code still can.
	_ = json.NewEncoder(os.Stderr).Encode(report)
	return 1
}

func serve(table map[string]Func) error {
	pipe := os.NewFile(control, "control")
	if os.Args[0] == waitingName {
		return becomeRoot(pipe)
	}
	work := table[os.Args[1]]
	if os.Args[1] == removeWork {
		work = removeWorker
	}
	if work == nil {
		return fmt.Errorf("there is no work called %q, which is a bug", os.Args[1])
	}
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	go func() {
		_, err := pipe.Read(make([]byte, 1)) // nothing is sent: it ends
		stop(fmt.Errorf("nobody waits for it any more: %w", err))
	}()
	return work(ctx, os.Args[2:])
}

// becomeRoot waits for the ids and starts the program over: it is an exec by the user id 0
// that gives a process the capabilities of its user namespace, capabilities(7).
func becomeRoot(pipe *os.File) error {
	if n, err := pipe.Read(make([]byte, 1)); n != 1 {
		return fmt.Errorf("wait for ids: %w", err)
	}
	// Go opened everything with close-on-exec, but this was given to it by its parent.
	args := append([]string{workerName}, os.Args[1:]...)
	return fmt.Errorf("start over: %w", syscall.Exec("/proc/self/exe", args, os.Environ()))
}
