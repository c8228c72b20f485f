package userns_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/internal/playhost"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/userns"
)

func TestMain(m *testing.M) {
	if userns.Invoked() {
		os.Exit(userns.Main(map[string]userns.Func{
			"own": own, "echo": echo, "fail": fail, "wait": wait,
		}))
	}
	os.Exit(playtest.Main(m))
}

// own makes a file that belongs to somebody else, as only root of a namespace can.
func own(_ context.Context, args []string) error {
	if err := os.WriteFile(args[0], nil, 0o600); err != nil {
		return err
	}
	return os.Chown(args[0], 1, 1)
}

func echo(_ context.Context, args []string) error {
	fmt.Printf("%d%q", os.Geteuid(), args)
	_, err := io.Copy(os.Stdout, os.Stdin)
	return err
}

func fail(context.Context, []string) error {
	return &os.PathError{Op: "write", Path: "/somewhere", Err: syscall.ENOSPC}
}

func wait(ctx context.Context, _ []string) error {
	fmt.Print("waiting")
	<-ctx.Done()
	return ctx.Err()
}

func TestWork(t *testing.T) {
	var out bytes.Buffer
	err := userns.Run(t.Context(), userns.Work{
		Name: "echo", Args: []string{"a", "b c"}, Stdin: strings.NewReader("input"), Stdout: &out, Map: userns.Single(),
	})
	if err != nil || out.String() != `0["a" "b c"]input` {
		t.Errorf("the worker wrote %q, %v", out.String(), err)
	}
}

func TestErrorKeepsKernelError(t *testing.T) {
	err := userns.Run(t.Context(), userns.Work{Name: "fail", Map: userns.Single()})
	if !errors.Is(err, syscall.ENOSPC) || err.Error() != "write /somewhere: no space left on device" {
		t.Errorf("error is %v", err)
	}
}

func TestUnknownWork(t *testing.T) {
	if err := userns.Run(t.Context(), userns.Work{Name: "nothing", Map: userns.Single()}); err == nil {
		t.Error("work that does not exist was done")
	}
}

// Ranges are lent to ordinary users: root of a playhost plays its one.
func TestRangeOwnsFiles(t *testing.T) {
	playtest.Require(t)
	if _, err := user.LookupId(strconv.Itoa(playhost.UserID)); err == nil && os.Geteuid() == 0 {
		home := filepath.Join(t.TempDir(), "home")
		for dir := filepath.Dir(home); dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(os.Mkdir(home, 0o700), os.Chown(home, playhost.UserID, playhost.UserID)); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestRangeOwnsFiles$")
		cmd.Dir, cmd.Env = home, append(os.Environ(), "HOME="+home, "TMPDIR="+home)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: playhost.UserID, Gid: playhost.UserID}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("as an ordinary user: %v\n%s", err, out)
		}
		return
	}
	m, err := userns.Range()
	if err != nil {
		playtest.Missing(t, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := userns.Run(t.Context(), userns.Work{Name: "own", Args: []string{file}, Map: m}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Sys().(*syscall.Stat_t).Uid; got != m.UIDs[1].Outside {
		t.Errorf("the file belongs to %d, want %d", got, m.UIDs[1].Outside)
	}
}

func TestInterruptedWorkEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := userns.Run(ctx, userns.Work{Name: "wait", Stdout: w, Map: userns.Single()})
		w.CloseWithError(err)
		done <- err
	}()
	if _, err := io.ReadFull(r, make([]byte, len("waiting"))); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestSubordinate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "subuid")
	if err := os.WriteFile(file, []byte("# comment\nme:100000:65536\n1000:300000:1000\nother:500:x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := userns.Subordinate(file, []string{"1000", "me"})
	want := []process.Range{{Outside: 100000, Count: 65536}, {Outside: 300000, Count: 1000}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("ranges are %v, %v", got, err)
	}
	if got, err := userns.Subordinate(file+".missing", nil); err != nil || got != nil {
		t.Errorf("without a file: %v, %v", got, err)
	}
}
