package output_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/diyform/diyform/providers/container/output"
)

// smallLimits make a log be rotated often, and keep all of it.
var smallLimits = output.Limits{MaxSize: 2000, MaxFiles: 1000}

func logOf(folder string) string { return filepath.Join(folder, "log") }

func newFolder(t testing.TB) string {
	t.Helper()
	folder := t.TempDir()
	if err := output.MakePipes(folder, true); err != nil {
		t.Fatal(err)
	}
	return folder
}

func openPipes(t testing.TB, folder string) output.Pipes {
	t.Helper()
	p, err := output.OpenPipes(folder, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func newCollector(t testing.TB) *output.Collector {
	t.Helper()
	c, err := output.NewCollector()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func add(t testing.TB, c *output.Collector, folder string, l output.Limits) *output.Sink {
	t.Helper()
	s, err := c.Add(folder, logOf(folder), l)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// text gives what a stream has written, according to the log.
func text(t testing.TB, folder string, q output.Query) string {
	t.Helper()
	var b strings.Builder
	for _, e := range entries(t, folder, q) {
		b.Write(e.Text)
		if !e.Partial {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func entries(t testing.TB, folder string, q output.Query) []output.Entry {
	t.Helper()
	r, err := output.Open(logOf(folder), q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var list []output.Entry
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		e.Text = bytes.Clone(e.Text)
		list = append(list, e)
	}
	if e, ok := r.Torn(); ok {
		list = append(list, e)
	}
	return list
}

func numbers(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintln(&b, "line", i)
	}
	return b.String()
}

var (
	onlyStdout = output.Query{Tail: output.All, Streams: []output.Stream{output.Stdout}}
	onlyStderr = output.Query{Tail: output.All, Streams: []output.Stream{output.Stderr}}
	everything = output.Query{Tail: output.All}
)

func TestCollect(t *testing.T) {
	folder := newFolder(t)
	p := openPipes(t, folder)
	begun := time.Now()
	s := add(t, newCollector(t), folder, output.Limits{})
	long := strings.Repeat("x", 40000) + "\n"
	fmt.Fprint(p.Stdout, "out\n\nno newline")
	fmt.Fprint(p.Stderr, "error\n"+long)
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(p.Stdout, " yet\n")
	if err := s.Finish(); err != nil {
		t.Fatal(err)
	}
	if got := text(t, folder, onlyStdout); got != "out\n\nno newline yet\n" {
		t.Errorf("stdout is %q", got)
	}
	if got := text(t, folder, onlyStderr); got != "error\n"+long {
		t.Errorf("stderr has %d bytes", len(got))
	}
	for _, e := range entries(t, folder, everything) {
		if e.Time.Before(begun) || e.Time.After(time.Now()) || len(e.Text) > 16<<10 {
			t.Errorf("entry of %v with %d bytes", e.Time, len(e.Text))
		}
	}
}

func TestRotation(t *testing.T) {
	folder := newFolder(t)
	p := openPipes(t, folder)
	s := add(t, newCollector(t), folder, output.Limits{MaxSize: 2000, MaxFiles: 3})
	for i := range 200 {
		fmt.Fprint(p.Stdout, numbers(i*10, i*10+10))
	}
	if err := s.Finish(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(logOf(folder) + "*")
	if err != nil || len(files) != 3 {
		t.Fatalf("files are %v", files)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > 2000 || info.Size() == 0 {
			t.Errorf("%s has %d bytes", f, info.Size())
		}
	}
	got := text(t, folder, everything)
	if !strings.HasSuffix(numbers(0, 2000), got) || len(got) < 500 {
		t.Errorf("the log is not the end of what was written: %d bytes", len(got))
	}
	if err := output.Remove(logOf(folder)); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(logOf(folder) + "*"); len(files) != 0 {
		t.Errorf("there are still %v", files)
	}
}

func TestSetLimits(t *testing.T) {
	folder := newFolder(t)
	p := openPipes(t, folder)
	s := add(t, newCollector(t), folder, smallLimits)
	fmt.Fprint(p.Stdout, numbers(0, 300))
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	for _, most := range []int{4, 1} {
		if err := s.SetLimits(output.Limits{MaxSize: 2000, MaxFiles: most}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(p.Stdout, numbers(0, 100))
		if err := s.Drain(); err != nil {
			t.Fatal(err)
		}
		if files, _ := filepath.Glob(logOf(folder) + "*"); len(files) != most {
			t.Errorf("with at most %d files there are %v", most, files)
		}
	}
	if err := s.Finish(); err != nil {
		t.Fatal(err)
	}
}

// TestKilled checks that of what a container writes each byte is in the log once, and in
// order, wherever its collector is killed.
func TestKilled(t *testing.T) {
	folder := newFolder(t)
	p := openPipes(t, folder)
	var written int
	for kill := 1; kill <= 40; kill++ {
		w := startCollector(t, folder, kill)
		for range 6 {
			fmt.Fprint(p.Stdout, numbers(written, written+20))
			fmt.Fprint(p.Stderr, numbers(written, written+20))
			written += 20
		}
		w.wait(t)
	}
	s := add(t, newCollector(t), folder, smallLimits)
	if err := s.Finish(); err != nil {
		t.Fatal(err)
	}
	for _, q := range []output.Query{onlyStdout, onlyStderr} {
		if got, want := text(t, folder, q), numbers(0, written); got != want {
			t.Errorf("%s has %d lines of %d", q.Streams[0], strings.Count(got, "\n"), written)
		}
	}
}

type killed struct {
	cmd   *exec.Cmd
	stdin io.Closer
	err   *bytes.Buffer
}

// startCollector starts one that kills itself at the given failpoint.
func startCollector(t *testing.T, folder string, kill int) *killed {
	t.Helper()
	w := &killed{cmd: exec.Command("/proc/self/exe"), err: new(bytes.Buffer)}
	w.cmd.Env = append(os.Environ(), collectVariable+"="+folder, fmt.Sprintf("%s=%d", failpointVariable, kill))
	w.cmd.Stderr = w.err
	stdin, err := w.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.stdin = stdin
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return w
}

// wait lets the collector finish what it has not been killed in.
func (w *killed) wait(t *testing.T) {
	t.Helper()
	w.stdin.Close()
	err := w.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signal() == syscall.SIGKILL {
			return
		}
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, w.err)
	}
	t.Error("the collector was not killed")
}

// TestDiskFull checks that a log that cannot be written does not hold up the container, and
// says that something is missing.
func TestDiskFull(t *testing.T) {
	folder := newFolder(t)
	p := openPipes(t, folder)
	if err := os.Symlink("/dev/full", logOf(folder)); err != nil {
		t.Fatal(err)
	}
	s := add(t, newCollector(t), folder, output.Limits{})
	for range 10 {
		fmt.Fprint(p.Stdout, strings.Repeat("x", 50000)+"\n")
	}
	if err := s.Finish(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error is %v", err)
	}
}

func TestTail(t *testing.T) {
	folder := newFolder(t)
	p := openPipes(t, folder)
	s := add(t, newCollector(t), folder, output.Limits{MaxSize: 8000, MaxFiles: 100})
	fmt.Fprint(p.Stdout, numbers(0, 1000))
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(p.Stderr, "error\n")
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(p.Stdout, strings.Repeat("x", 40000)+"\n")
	if err := s.Finish(); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 40000) + "\n"
	for tail, want := range map[int]string{
		0: "", 1: long, 2: "error\n" + long, 3: "line 999\nerror\n" + long,
		502: numbers(500, 1000) + "error\n" + long, 100000: numbers(0, 1000) + "error\n" + long,
	} {
		if got := text(t, folder, output.Query{Tail: tail}); got != want {
			t.Errorf("the last %d lines have %d bytes, not %d", tail, len(got), len(want))
		}
	}
	if got := text(t, folder, output.Query{Tail: 2, Streams: onlyStdout.Streams}); got != "line 999\n"+long {
		t.Errorf("the last 2 lines of stdout have %d bytes", len(got))
	}
}

func TestSinceUntil(t *testing.T) {
	folder := newFolder(t)
	log := "2026-01-01T00:00:01.000000000Z stdout F one\n2026-01-01T00:00:02.5Z stdout F two\n" +
		"2026-01-01T00:00:03.000000000Z stderr P three\n2026-01-01T00:00:03.000000001Z stderr F \nwhat is this\n2026-01-01T00:00:0"
	if err := os.WriteFile(logOf(folder), []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(ms int64) time.Time {
		return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
	}
	for want, q := range map[string]output.Query{
		"one\ntwo\nthree\nwhat is this\n2026-01-01T00:00:0\n": {Tail: output.All},
		"two\nthree\nwhat is this\n2026-01-01T00:00:0\n":      {Tail: output.All, Since: at(2500)},
		"one\ntwo\n": {Tail: output.All, Until: at(2500)},
		"two\n":      {Tail: output.All, Since: at(2000), Until: at(2600)},
	} {
		if got := text(t, folder, q); got != want {
			t.Errorf("%+v gives %q, not %q", q, got, want)
		}
	}
}

// TestFollow checks that a reader gets each line once while the log is rotated under it.
func TestFollow(t *testing.T) {
	folder := newFolder(t)
	p := openPipes(t, folder)
	s := add(t, newCollector(t), folder, smallLimits)
	r, err := output.Open(logOf(folder), everything)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const lines = 3000
	want := numbers(0, lines)
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; i < lines; i += 30 {
			fmt.Fprint(p.Stdout, numbers(i, i+30))
			if err := s.Drain(); err != nil {
				t.Error(err)
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got strings.Builder
	for got.Len() < len(want) {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			err = r.Wait(ctx)
			if err == nil {
				continue
			}
		}
		if err != nil {
			t.Fatalf("after %d bytes: %v", got.Len(), err)
		}
		got.Write(e.Text)
		if !e.Partial {
			got.WriteByte('\n')
		}
	}
	writing.Wait()
	if err := s.Finish(); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		g, w := strings.Split(got.String(), "\n"), strings.Split(want, "\n")
		for i := range min(len(g), len(w)) {
			if g[i] != w[i] {
				t.Errorf("line %d is %q, not %q, and then comes %q", i, g[i], w[i], g[min(i+1, len(g)-1)])
				break
			}
		}
	}
	if files, _ := filepath.Glob(logOf(folder) + "*"); len(files) < 50 {
		t.Errorf("there are only %d files", len(files))
	}
}

func TestStdin(t *testing.T) {
	folder := newFolder(t)
	p := openPipes(t, folder)
	in, err := output.OpenStdin(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	fmt.Fprint(in, "word\n")
	buf := make([]byte, 10)
	if n, err := p.Stdin.Read(buf); err != nil || string(buf[:n]) != "word\n" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
}
