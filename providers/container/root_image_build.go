package container

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container/image"
)

const (
	// lastLines of a failed build are in its error.
	lastLines = 20
	// endTimeout is how long an interrupted build may clean up.
	endTimeout = 5 * time.Second
)

// run builds, and brings the output into the store.
func (b *rootImageBuild) run(ctx context.Context, env providers.Env, store *image.Store, platform string, progress func(string)) (image.Image, error) {
	if err := b.execute(ctx, env, progress); err != nil {
		return image.Image{}, err
	}
	output := b.Output
	if !filepath.IsAbs(output) {
		output = filepath.Join(b.dir(env), output)
	}
	if _, err := os.Stat(output); err != nil {
		return image.Image{}, &diag.Problem{
			Summary: "The build made no root file system", Attribute: "build.output",
			Detail: fmt.Sprintf("The command was successful, but %s: %s", output, diag.Sentence(reason(err))),
			Err:    err,
		}
	}
	progress("taking " + output + " into the store")
	if _, err := os.Stat(filepath.Join(output, "oci-layout")); err == nil {
		return store.Pull(ctx, image.Source{Name: output, Platform: platform}, progress)
	}
	return store.Import(ctx, output, platform, progress)
}

// execute runs the command in a process group of its own, which an interrupt ends as a whole:
// make has children.
func (b *rootImageBuild) execute(ctx context.Context, env providers.Env, progress func(string)) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("run build: %w", err)
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, b.Command[0], b.Command[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.dir(env), w, w
	if strings.Contains(b.Command[0], "/") && !filepath.IsAbs(b.Command[0]) {
		cmd.Path = filepath.Join(cmd.Dir, b.Command[0])
		cmd.Err = nil
	}
	cmd.Env = os.Environ()
	for _, name := range slices.Sorted(maps.Keys(b.Env)) {
		cmd.Env = append(cmd.Env, name+"="+b.Env[name])
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = endTimeout
	err = cmd.Start()
	w.Close()
	if err != nil {
		return &diag.Problem{Summary: "The build cannot be started", Attribute: "build.command",
			Detail: fmt.Sprintf("%s: %s", b.Command[0], diag.Sentence(reason(err))), Err: err}
	}
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		// What ignored the signal, or what the command left behind: the output's end is waited for.
		kill := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(kill, syscall.ESRCH) {
			kill = nil
		}
		ended <- errors.Join(err, kill)
	}()
	last := relayLines(r, progress)
	if err := <-ended; err != nil && ctx.Err() == nil {
		return &diag.Problem{Summary: "The build failed", Attribute: "build.command",
			Detail: strings.TrimRight(fmt.Sprintf("%s: %s\n%s",
				strings.Join(b.Command, " "), diag.Sentence(err.Error()), strings.Join(last, "\n")), "\n"),
			Err: err}
	}
	return context.Cause(ctx)
}

// relayLines passes output on, line by line, and gives the last ones.
func relayLines(r io.Reader, progress func(string)) (last []string) {
	in := bufio.NewReaderSize(r, 16<<10)
	for {
		line, err := in.ReadSlice('\n') // a longer line comes in parts
		if text := strings.TrimRight(string(line), "\r\n"); text != "" {
			progress(text)
			last = append(last, text)
			last = last[max(0, len(last)-lastLines):]
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return last
		}
	}
}
