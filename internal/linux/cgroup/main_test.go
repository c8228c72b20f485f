package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/playhost/playtest"
)

// roleVariable makes the test binary do what a test wants a process of the group to do. It
// begins when it is told to on its standard input: it is in the group by then.
const roleVariable = "DIYFORM_CGROUP_TEST_ROLE"

var roles = map[string]func() error{
	"eat memory": func() error {
		var kept [][]byte
		for range 256 {
			block := make([]byte, 1<<20)
			for i := 0; i < len(block); i += 4096 {
				block[i] = 1
			}
			kept = append(kept, block)
		}
		fmt.Println(len(kept))
		return nil
	},
	"fork": func() error {
		var children []*exec.Cmd
		defer func() {
			for _, c := range children {
				c.Process.Kill()
				c.Wait()
			}
		}()
		for range 200 {
			c := exec.Command("sleep", "60")
			if err := c.Start(); err != nil {
				fmt.Println("stopped after", len(children), err)
				return nil
			}
			children = append(children, c)
		}
		fmt.Println("never stopped")
		return nil
	},
	"burn": func() error {
		for end := time.Now().Add(time.Second); time.Now().Before(end); {
		}
		return nil
	},
	"wait": func() error { time.Sleep(time.Hour); return nil },
}

// supportsVariable makes the test binary tell what it is told that wants a limit of memory.
const supportsVariable = "DIYFORM_CGROUP_TEST_SUPPORTS"

func TestMain(m *testing.M) {
	if os.Getenv(supportsVariable) != "" {
		fmt.Println(Supports(Limits{Memory: 1 << 20}))
		os.Exit(0)
	}
	role, ok := roles[os.Getenv(roleVariable)]
	if !ok {
		os.Exit(playtest.Main(m))
	}
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		os.Exit(3)
	}
	if err := role(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// member is a process of a group.
type member struct {
	*exec.Cmd
	out strings.Builder
}

// place starts a process that plays a role in a group.
func place(t *testing.T, g *Group, role string) *member {
	t.Helper()
	m := &member{Cmd: exec.Command("/proc/self/exe")}
	m.Env = append(os.Environ(), roleVariable+"="+role)
	m.Stdout, m.Stderr = &m.out, &m.out
	stdin, err := m.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Process.Kill(); m.Wait() })
	if err := g.Place(m.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if _, err := stdin.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	return m
}

// stackName is of this test process alone.
func stackName() string { return "test-" + strconv.Itoa(os.Getpid()) }

func asExit(err error) *exec.ExitError {
	exit, _ := err.(*exec.ExitError)
	return exit
}
