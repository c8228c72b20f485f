package supervisor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/linux/flock"
	"github.com/diyform/diyform/internal/linux/localsocket"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/launch"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// slowLog gives a container whose creation waits until its log is opened at the other end.
func slowLog(t *testing.T) (sp launch.Spec, goOn func()) {
	t.Helper()
	sp = spec(forever)
	sp.Data = filepath.Join(t.TempDir(), "box")
	log := filepath.Join(sp.Data, "log")
	if err := errors.Join(os.Mkdir(sp.Data, 0o700), syscall.Mkfifo(log, 0o600)); err != nil {
		t.Fatal(err)
	}
	return sp, func() {
		f, err := os.OpenFile(log, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
	}
}

// awaitFolder waits until a container is being made.
func awaitFolder(t *testing.T, s stack) {
	t.Helper()
	ctx := testContext(t)
	for ctx.Err() == nil {
		if _, err := os.Stat(filepath.Join(s.dir, "containers", "box", "stdout")); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the container is not being made")
}

// TestFoundWhenMade checks that a container which is being made shows only when that is done:
// to stop one that has no process yet has no end.
func TestFoundWhenMade(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		ctx := testContext(t)
		sp, goOn := slowLog(t)
		created, listed, stopped := make(chan error, 1), make(chan []supervisor.Status, 1), make(chan error, 1)
		go func() {
			_, err := s.Create(ctx, sp)
			created <- err
		}()
		awaitFolder(t, s)
		go func() {
			list, err := s.List(ctx)
			if err != nil {
				t.Error(err)
			}
			listed <- list
		}()
		select {
		case list := <-listed:
			t.Errorf("list does not wait for the container: %+v", list)
			listed <- list
		case <-time.After(100 * time.Millisecond):
		}
		go func() {
			_, err := s.Stop(ctx, "box", time.Second)
			stopped <- err
		}()
		goOn()
		if err := <-created; err != nil {
			t.Error(err)
		}
		if list := <-listed; len(list) != 1 {
			t.Errorf("list is %+v", list)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// TestFailedCreation checks that who waits for a container which cannot be made hears of it.
func TestFailedCreation(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		ctx := testContext(t)
		sp, goOn := slowLog(t)
		sp.Root.Host, sp.Root.Directory = false, "/no/such/folder"
		created, stopped := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := s.Create(ctx, sp)
			created <- err
		}()
		awaitFolder(t, s)
		go func() {
			_, err := s.Stop(ctx, "box", time.Second)
			stopped <- err
		}()
		time.Sleep(50 * time.Millisecond) // the stop is in the supervisor
		goOn()
		if err := <-created; err == nil {
			t.Error("the container could be made")
		}
		if err := <-stopped; err == nil || ctx.Err() != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

// send makes a request and does not wait for the reply.
func send(t *testing.T, s stack, sp launch.Spec) *net.UnixConn {
	t.Helper()
	conn, err := localsocket.Dial(testContext(t), s.dir, "supervisor.sock")
	if err != nil {
		t.Fatal(err)
	}
	body := map[string]any{"version": 2, "operation": "create", "body": map[string]any{"spec": withData(s.dir, sp), "settings": defaults}}
	if err := json.NewEncoder(conn).Encode(body); err != nil {
		t.Fatal(err)
	}
	return conn
}

// halt stops a process, and returns when none of its threads runs any more: the signal only
// asks them to.
func halt(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		running := slices.ContainsFunc(threads, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && !strings.Contains(string(text), ") T ")
		})
		if !running {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the supervisor does not stop")
		}
	}
}

// TestRequestOfNobody checks that what a killed client left in its socket is not carried out
// after the next client's list.
func TestRequestOfNobody(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		keeper := spec(forever)
		keeper.ID = "keeper"
		s.run(keeper)
		pid := supervisorOf(t, s)
		sp := spec(forever)
		for range 5 {
			halt(t, pid)
			send(t, s, sp).Close()
			if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			list, err := s.List(testContext(t))
			if err != nil || len(list) != 1 {
				t.Fatalf("list is %+v, %v", list, err)
			}
			if _, err := os.Stat(filepath.Join(s.dir, "containers", "box")); err == nil {
				t.Fatal("the container was made")
			}
		}
	})
}

// TestCreatorKilled checks that nothing is left of a container that nobody has started.
func TestCreatorKilled(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), createVariable+"="+s.dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if _, err := os.Stat(filepath.Join(s.dir, "containers", "box")); err != nil {
			t.Fatal(err)
		}
		list, err := s.List(testContext(t))
		if err != nil || len(list) != 0 {
			t.Errorf("list is %+v, %v", list, err)
		}
		s.expectNothingLeft(testContext(t))
	})
}

const createVariable = "DIYFORM_TEST_CREATE"

// createOnly makes a container and does not start it.
func createOnly(dir string) error {
	_, err := supervisor.Connect(dir).Create(context.Background(), withData(dir, spec(forever)), defaults)
	return err
}

// TestPatience checks that a client does not wait for ever for who holds the stack.
func TestPatience(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "supervisor.lock")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := flock.TryExclusive(f); err != nil {
		t.Fatal(err)
	}
	c := supervisor.Connect(dir)
	c.SetPatience(100 * time.Millisecond)
	if _, err := c.List(testContext(t)); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error is %v", err)
	}
}
