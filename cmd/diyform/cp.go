package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/providers/container/transfer"
)

func newCp(v *view) *cobra.Command {
	var o transfer.Options
	cmd := &cobra.Command{
		Use:   "cp [flags] ADDRESS:PATH FILE | FILE ADDRESS:PATH",
		Short: "Copy files into or out of a container",
		Long: "Copies a file, or a folder with all in it, into or out of a running container:\n\n" +
			"  diyform cp site.conf container.web:/etc/nginx/conf.d\n" +
			"  diyform cp container.web:/var/log/nginx logs\n" +
			"  tar -c site | diyform cp - container.web:/srv\n\n" +
			"Into a folder that exists it is copied under its name, \"folder/.\" is what is in the folder,\n" +
			"and - is a tar archive, compressed or not. Symbolic links in the container lead nowhere but\n" +
			"into the container. What is copied belongs to the container's root, or to you.",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return v.copyFiles(cmd.Context(), args[0], args[1], o)
		},
	}
	cmd.Flags().BoolVarP(&o.Archive, "archive", "a", false, "keep owners, set-id bits and extended attributes")
	cmd.Flags().BoolVarP(&o.Follow, "follow-link", "L", false, "copy what a symbolic link `SRC` points to, not the link")
	return cmd
}

// containerPath takes ADDRESS:PATH apart. A local name with a colon is written with a slash
// before it: ./a:b. The key of an address may hold anything, in quotes.
func containerPath(arg string) (address, path string, ok bool) {
	if strings.HasPrefix(arg, "/") || strings.HasPrefix(arg, ".") {
		return "", "", false
	}
	quoted := false
	for i := 0; i < len(arg); i++ {
		switch c := arg[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ':' && !quoted:
			return arg[:i], arg[i+1:], true
		case c == '/' && !quoted:
			return "", "", false
		}
	}
	return "", "", false
}

func (v *view) copyFiles(ctx context.Context, from, to string, o transfer.Options) error {
	address, path, out := containerPath(from)
	local := to
	if toAddress, toPath, into := containerPath(to); into == out {
		return v.failWith(&diag.Problem{
			Summary: "One side has to be in a container",
			Detail: fmt.Sprintf("Of %q and %q one is to be written as ADDRESS:PATH, and one not. A file here whose name "+
				"has a colon is written as ./NAME.", from, to),
		}, "")
	} else if into {
		address, path, local = toAddress, toPath, from
	}
	if path == "" {
		return v.failWith(&diag.Problem{
			Summary: "There is no path", Detail: fmt.Sprintf("Behind %s: the path in the container is missing.", address),
		}, "")
	}
	if local == "-" && out && term.IsTerminal(int(v.out.Fd())) {
		return v.failWith(&diag.Problem{
			Summary: "A terminal takes no archive", Detail: "Redirect standard output to a file or to tar.",
		}, "")
	}
	c, err := v.container(ctx, address)
	if err != nil {
		return err
	}
	target, err := c.status.Find()
	if err != nil {
		return c.copyFailed(ctx, err)
	}
	defer target.Close()
	stats, err := v.transfer(ctx, target, path, local, out, o)
	if err != nil {
		return c.copyFailed(ctx, err)
	}
	v.warnLeftOut(stats)
	return nil
}

func (v *view) transfer(ctx context.Context, target *pidfd.Process, path, local string, out bool, o transfer.Options) (transfer.Stats, error) {
	if out {
		var stream io.Writer
		if local == "-" {
			stream = v.out
		}
		return transfer.OutOf(ctx, target, path, local, stream, o)
	}
	var stream io.Reader
	if local == "-" {
		stream = v.in
	}
	return transfer.Into(ctx, target, path, local, stream, o)
}

func (c *recordedContainer) copyFailed(ctx context.Context, err error) error {
	if errors.Is(err, pidfd.ErrGone) {
		return c.failWith(&diag.Problem{
			Summary: "The container does not run", Err: err,
			Detail: fmt.Sprintf("Only a running container has files to copy. %s `diyform start %s` starts it again.",
				c.ending(ctx), c.address()),
		}, "")
	}
	if errors.Is(err, os.ErrPermission) {
		return c.failWith(&diag.Problem{
			Summary: "The files cannot be copied", Err: err,
			Detail: diag.Sentence(err.Error()) + " Copying needs the rights of the user who owns the container, or root's, and " +
				"these on the files here.",
		}, "")
	}
	return c.failWith(err, "The files cannot be copied")
}

// warnLeftOut tells what a copy lacks.
func (v *view) warnLeftOut(s transfer.Stats) {
	var what []string
	if s.Devices > 0 {
		what = append(what, fmt.Sprintf("%d device files, which cp never makes", s.Devices))
	}
	if s.Xattrs > 0 {
		what = append(what, fmt.Sprintf("%d extended attributes, which the file system or the kernel refused", s.Xattrs))
	}
	if len(what) == 0 {
		return
	}
	v.diagnostics(nil, diag.FromError(&diag.Problem{
		Warning: true, Summary: "Not all was copied", Detail: "Left out: " + strings.Join(what, "; ") + ".",
	}, "", nil))
}
