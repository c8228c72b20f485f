package state

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds waits for what should come at once.
const patience = 10 * time.Second

// holdLock is another process that holds the lock of a folder until stdin is closed.
func holdLock(dir string) error {
	l, err := Open(dir).Lock(context.Background(), LockInfo{User: "tester", Command: "diyform apply"}, 0, nil)
	if err != nil {
		return err
	}
	os.Stdout.WriteString("held\n")
	io.Copy(io.Discard, os.Stdin)
	return l.Unlock()
}

// holder starts a process that holds the lock, and gives what ends it in order.
func holder(t *testing.T, dir string) (*exec.Cmd, io.Closer) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"=hold-lock", dirVariable+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "held\n" {
		t.Fatalf("the holder said %q, %v", line, err)
	}
	return cmd, stdin
}

func TestLockRefusesAtOnce(t *testing.T) {
	dir := t.TempDir()
	cmd, _ := holder(t, dir)
	s := Open(dir)
	_, err := s.Lock(t.Context(), LockInfo{}, 0, func(LockInfo) { t.Error("it waits") })
	locked := (*LockedError)(nil)
	if !errors.As(err, &locked) {
		t.Fatalf("got %v", err)
	}
	h := locked.Holder
	if h.PID != cmd.Process.Pid || h.User != "tester" || h.Command != "diyform apply" || time.Since(h.Since) > patience {
		t.Errorf("holder: %+v", h)
	}
	for _, part := range []string{`"diyform apply", process `, " of tester, since ", filepath.Join(dir, lockFile)} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in the error: %s", part, err)
		}
	}
	if err := s.Save(stateOf()); !errors.Is(err, ErrNotLocked) {
		t.Errorf("saved without the lock: %v", err)
	}
}

func TestLockWaits(t *testing.T) {
	tests := map[string]func(*exec.Cmd, io.Closer) error{
		"until the holder is done":      func(_ *exec.Cmd, stdin io.Closer) error { return stdin.Close() },
		"until the holder is killed -9": func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Kill() },
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cmd, stdin := holder(t, dir)
			var told []int
			l, err := Open(dir).Lock(t.Context(), LockInfo{}, patience, func(h LockInfo) {
				told = append(told, h.PID)
				if err := end(cmd, stdin); err != nil {
					t.Error(err)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			// Between its last name and its lock the holder may be nameless.
			if len(told) == 0 || told[0] != cmd.Process.Pid {
				t.Errorf("told of %v, want %d", told, cmd.Process.Pid)
			}
			if h := l.holder(); h.PID != os.Getpid() || h.User == "" {
				t.Errorf("the lock is signed by %+v", h)
			}
			if err := l.Unlock(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLockGivesUp(t *testing.T) {
	dir := t.TempDir()
	holder(t, dir)
	locked := (*LockedError)(nil)
	if _, err := Open(dir).Lock(t.Context(), LockInfo{}, time.Millisecond, nil); !errors.As(err, &locked) {
		t.Errorf("after the timeout: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Open(dir).Lock(ctx, LockInfo{}, patience, func(LockInfo) { cancel() })
	if !errors.Is(err, context.Canceled) || !errors.As(err, &locked) {
		t.Errorf("after the interrupt: %v", err)
	}
}

func TestLockInOneProcess(t *testing.T) {
	dir := t.TempDir()
	s := Open(dir)
	l, err := s.Lock(t.Context(), LockInfo{}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lock(t.Context(), LockInfo{}, 0, nil); err == nil {
		t.Error("one store took the lock twice")
	}
	locked := (*LockedError)(nil)
	if _, err := Open(dir).Lock(t.Context(), LockInfo{}, 0, nil); !errors.As(err, &locked) {
		t.Errorf("two stores: %v", err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := s.Lock(t.Context(), LockInfo{}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Unlock(); err != nil {
		t.Fatal(err)
	}
}

func TestLockInfoString(t *testing.T) {
	since := time.Date(2026, 11, 23, 10, 4, 5, 0, time.Local)
	for want, info := range map[string]LockInfo{
		"another process": {},
		`"diyform apply", process 71 of root, since 2026-11-23 10:04:05`: {71, "root", "diyform apply", since},
		"process 71": {PID: 71},
	} {
		equal(t, "words", info.String(), want)
	}
}
