package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/pty"
	"github.com/diyform/diyform/providers/container/output"
	"github.com/diyform/diyform/providers/container/supervisor"
)

type attachFlags struct {
	noStdin  bool
	sigProxy bool
}

func newAttach(v *view) *cobra.Command {
	var flags attachFlags
	cmd := &cobra.Command{
		Use:   "attach [flags] ADDRESS",
		Short: "Show what a container writes from now on, and write to its standard input",
		Long: "Shows what a container writes from now on, until it has ended for good, and exits with its exit code.\n" +
			"What we read is written to its standard input, if it has one (stdin = true), which stays open when ours ends.\n" +
			"Signals are the container's. On a terminal, ctrl-p ctrl-q leaves it running and ends the command.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeContainers(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := v.container(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.attach(cmd.Context(), flags)
		},
	}
	cmd.Flags().BoolVar(&flags.noStdin, "no-stdin", false, "do not read standard input")
	cmd.Flags().BoolVar(&flags.sigProxy, "sig-proxy", true, "pass signals on to the container; -sig-proxy=false: they end the command")
	return cmd
}

func (c *recordedContainer) attach(ctx context.Context, flags attachFlags) error {
	reader, err := output.Open(c.status.Log, output.Query{})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c.failWith(err, "The log cannot be read")
	}
	if err != nil || !c.status.Phase.Alive() {
		return c.notRunning(ctx, nil)
	}
	defer reader.Close()
	if flags.sigProxy {
		ctx = context.WithoutCancel(ctx)
	}
	attached, detach := context.WithCancelCause(ctx)
	defer detach(nil)
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer detach(nil) // before that wait
	if flags.sigProxy {
		helpers.Go(func() { c.passSignals(attached) })
	}
	if !flags.noStdin {
		stop, err := c.passInput(attached, detach, &helpers)
		if err != nil {
			return c.failWith(err, "The container's standard input cannot be written")
		}
		defer stop()
	}
	l := &openedLog{recordedContainer: c, reader: reader}
	p := newLogPrinter(c.view, logsFlags{}, []*openedLog{l})
	if err := l.follow(attached, p); err != nil && attached.Err() == nil {
		return c.failWith(err, "The log cannot be read")
	}
	if attached.Err() != nil {
		return nil // detached, or interrupted
	}
	return c.exitLikeIt(ctx)
}

// exitLikeIt ends the command as the container ended.
func (c *recordedContainer) exitLikeIt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endKnown)
	defer cancel()
	status, err := c.client().Wait(ctx, c.status.Spec.ID)
	switch {
	case errors.Is(err, supervisor.ErrNotFound):
		return c.failWith(c.explainGone(err), "")
	case err != nil:
		return c.failWith(err, "How the container ended cannot be found out")
	case status.Exit == nil:
		return c.failWith(&diag.Problem{Summary: "How the container ended is not known", Detail: status.Ending()}, "")
	case status.Exit.Code != 0:
		return exitStatus(status.Exit.Code)
	}
	return nil
}

// passSignals gives the container what is sent to us.
func (c *recordedContainer) passSignals(ctx context.Context) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			if number, ok := s.(syscall.Signal); ok {
				if err := c.client().Signal(ctx, c.status.Spec.ID, number); err != nil && ctx.Err() == nil {
					_ = c.failWith(err, "The signal cannot be passed on")
				}
			}
		}
	}
}

var errDetached = errors.New("detached")

// passInput copies what we read to the container's standard input, if it has one. From a
// terminal it reads in any case: for the keys that detach.
func (c *recordedContainer) passInput(ctx context.Context, detach context.CancelCauseFunc, helpers *sync.WaitGroup) (stop func(), err error) {
	in := &attachedInput{to: io.Discard, detach: func() { detach(errDetached) }}
	stdin, err := output.OpenStdin(c.client().Folder(c.status.Spec.ID))
	hasStdin := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	in.onTerminal = term.IsTerminal(int(c.in.Fd()))
	restore := func() error { return nil }
	if in.onTerminal {
		restore, err = pty.EndLineAt(c.in, detachKeys[len(detachKeys)-1])
	} else if !hasStdin {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	unblock := func() bool { return true }
	if hasStdin {
		in.to = stdin
		unblock = context.AfterFunc(ctx, func() { stdin.SetWriteDeadline(time.Unix(1, 0)) })
	}
	helpers.Go(func() {
		if err := pty.CopyInput(ctx, in, c.in); err != nil {
			_ = c.failWith(err, "Standard input cannot be read")
		}
	})
	return func() {
		unblock()
		if err := restore(); err != nil {
			fmt.Fprintln(c.err, err)
		}
		if hasStdin {
			stdin.SetWriteDeadline(time.Unix(1, 0))
			stdin.Close()
		}
	}, nil
}

// detachKeys end an attach: ctrl-p ctrl-q, as with docker and podman.
const detachKeys = "\x10\x11"

// attachedInput is a container's standard input, with a look at what is typed.
type attachedInput struct {
	to         io.Writer
	onTerminal bool
	detach     func()
}

// Write fails when the keys have come that detach. A terminal gives what is typed when a line
// ends or the last of these keys is typed, so they come together.
func (i *attachedInput) Write(b []byte) (int, error) {
	if before, _, found := bytes.Cut(b, []byte(detachKeys)); found && i.onTerminal {
		_, err := i.to.Write(before)
		i.detach()
		return 0, errors.Join(errDetached, err)
	}
	return i.to.Write(b)
}
