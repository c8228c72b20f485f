// Package transfer copies files into and out of running containers.
//
// A container may be hostile: it may exchange a folder for a symbolic link while files are
// copied (CVE-2018-15664), or offer a library for the copying program to load
// (CVE-2019-14271). So the side in the container is done by this same program, static, in a
// process of its own that has entered the container's user namespace and nothing else: it
// has the container's ids and no power over anything but the container's files, sees the
// container's root as an open folder that it does not leave (package unpack), and the
// container does not see it (CVE-2019-5736). One that does, because it has our pid namespace,
// gets a worker that is in all of its namespaces. Between that worker and this process goes a
// tar archive, which each side takes for hostile.
//
// It copies nothing out of containers that do not run. Start with Into and OutOf; worker.go is
// what the other process does, sides.go what both do.
package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/memfd"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/providers/container/enter"
	"github.com/diyform/diyform/providers/container/image/unpack"
)

// Options say how to copy.
type Options struct {
	// Archive keeps owners, where this user may set them, set-id bits and extended attributes.
	Archive bool
	// Follow copies what a symbolic link points to that the source is, not the link.
	Follow bool
}

// Stats tell what could not be copied.
type Stats = unpack.Stats

// Into copies a local file or folder to a path in the container, as cp does: into the path
// if that is a folder, else in its place. Files belong to the container's root. With stream,
// which is a tar archive, local is not used, and the path has to be a folder.
// pidfd.ErrGone says that the container does not run.
func Into(ctx context.Context, container *pidfd.Process, path, local string, stream io.Reader, o Options) (Stats, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return Stats{}, err
	}
	w, err := start(ctx, container, request{Into: true, Path: path, Options: o}, read)
	read.Close()
	if err != nil {
		write.Close()
		return Stats{}, err
	}
	if stream != nil {
		err = sendStream(ctx, write, stream)
	} else {
		err = sendLocal(ctx, write, local, o)
	}
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		w.kill() // or it would take the end of the pipe for that of the archive
	}
	write.Close()
	stats, workerErr := w.wait()
	if workerErr != nil && (err == nil || errors.Is(err, syscall.EPIPE)) {
		err = workerErr
	}
	return stats, interrupted(ctx, err)
}

// OutOf copies a file or folder of the container to a local path. With stream, local is not
// used, and what is written is a tar archive.
func OutOf(ctx context.Context, container *pidfd.Process, path, local string, stream io.Writer, o Options) (Stats, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return Stats{}, err
	}
	defer read.Close()
	w, err := start(ctx, container, request{Path: path, Named: stream != nil, Options: o}, write)
	write.Close()
	if err != nil {
		return Stats{}, err
	}
	var stats Stats
	if stream != nil {
		err = receiveStream(stream, read)
	} else {
		stats, err = receiveLocal(ctx, read, local, o)
	}
	read.Close() // the worker ends, if it has not
	if _, workerErr := w.wait(); workerErr != nil && !workerErr.broken {
		err = workerErr
	}
	return stats, interrupted(ctx, err)
}

// interrupted gives the reason for errors that come of an early end.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func sendLocal(ctx context.Context, to io.Writer, local string, o Options) error {
	absolute, root, err := rooted(local)
	if err != nil {
		return err
	}
	defer root.Close()
	return send(ctx, to, root, request{Path: absolute, Options: o})
}

func receiveLocal(ctx context.Context, from io.Reader, local string, o Options) (Stats, error) {
	absolute, root, err := rooted(local)
	if err != nil {
		return Stats{}, err
	}
	defer root.Close()
	out := unpack.Options{
		Over: true, NoDevices: true, NoXattrs: !o.Archive,
		SingleOwner: !o.Archive || os.Geteuid() != 0,
	}
	out.NoSetID = out.SingleOwner
	return receive(ctx, from, root, absolute, out, true)
}

// rooted gives the absolute path, which keeps a slash or dot at its end, and the root that
// it is below.
func rooted(local string) (string, *os.File, error) {
	absolute := local
	if !filepath.IsAbs(local) {
		dir, err := os.Getwd()
		if err != nil {
			return "", nil, err
		}
		absolute = dir + "/" + local
	}
	root, err := openPlace("/")
	return absolute, root, err
}

// openPlace opens a folder that need not be readable.
func openPlace(path string) (*os.File, error) {
	return os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY, 0)
}

// worker is the process that works on the container's side.
type worker struct {
	process *pidfd.Process
	said    chan []byte
	stop    func() bool
}

// start starts the worker; pipe is where its archive comes from or goes to.
func start(ctx context.Context, container *pidfd.Process, r request, pipe *os.File) (*worker, error) {
	root, err := openRoot(container)
	if err != nil {
		return nil, fmt.Errorf("open the container's root: %w", err)
	}
	defer root.Close()
	said, says, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer says.Close()
	p, err := startProcess(ctx, container, r, [3]*os.File{r.stdin(pipe, root), r.stdout(pipe, root), says})
	if err != nil {
		said.Close()
		return nil, goneOr(container, err)
	}
	w := &worker{process: p, said: make(chan []byte, 1)}
	w.stop = context.AfterFunc(ctx, w.kill)
	go func() {
		defer said.Close()
		text, _ := io.ReadAll(said) // cut off, it is no JSON
		w.said <- text
	}()
	return w, nil
}

// openRoot opens what the container's first process has as its root.
func openRoot(container *pidfd.Process) (*os.File, error) {
	root, err := openPlace(fmt.Sprintf("/proc/%d/root", container.PID))
	if err != nil {
		return nil, goneOr(container, err)
	}
	if err := container.Signal(0); err != nil { // or that was another process's
		root.Close()
		return nil, err
	}
	return root, nil
}

// exitTime is how long the kernel may take to end a process that has given up its root and
// its namespaces: any step fails by then.
const exitTime = 100 * time.Millisecond

// goneOr gives pidfd.ErrGone in place of an error that is due to the container's end.
func goneOr(container *pidfd.Process, err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), exitTime)
	defer cancel()
	if container.Wait(ctx) == nil {
		return fmt.Errorf("copy: %w", pidfd.ErrGone)
	}
	return err
}

// startProcess forks, enters the container's user namespace, and starts this program again.
func startProcess(ctx context.Context, container *pidfd.Process, r request, stdio [3]*os.File) (*pidfd.Process, error) {
	program, err := fork.New()
	if err != nil {
		return nil, err
	}
	defer program.Close()
	if err := compose(program, container, r, stdio); err != nil {
		return nil, err
	}
	child, err := program.Start(0)
	if err != nil {
		return nil, fmt.Errorf("start copying: %w", err)
	}
	defer child.Close()
	p, err := pidfd.New(child.PID, child.PidFD)
	if err != nil {
		return nil, err
	}
	if err := child.Executed(ctx); err != nil {
		p.Signal(syscall.SIGKILL)
		p.Wait(context.Background())
		p.Reap()
		p.Close()
		return nil, fmt.Errorf("start copying: %w", explain(err))
	}
	return p, nil
}

func compose(p *fork.Program, container *pidfd.Process, r request, stdio [3]*os.File) error {
	ns, err := enter.Different(container.PID)
	if err != nil {
		return err
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/setgroups", container.PID))
	if err != nil {
		return fmt.Errorf("look at the container's groups: %w", err)
	}
	argument, err := json.Marshal(r)
	if err != nil {
		return err
	}
	copied := fork.FD(-1)
	if seen := ns&fork.PID == 0; seen {
		file, err := program()
		if err != nil {
			return err
		}
		copied = p.Keep(file)
	} else {
		ns &= fork.User
	}
	target := p.Keep(container.File())
	var fds [3]fork.FD
	for i, f := range stdio {
		fds[i] = p.Keep(f)
	}
	p.ResetSignals()
	p.Undumpable()
	if ns != 0 {
		p.Enter(target, ns)
	}
	if ns&fork.User != 0 {
		p.SetIDs(0, 0, strings.TrimSpace(string(groups)) == "allow")
	}
	p.Umask(0o022)
	p.Chdir("/")
	for i, fd := range fds {
		p.Replace(fork.FD(i), fd)
	}
	argv, env := []string{processName, string(argument)}, []string{"PATH=/nonexistent"}
	if copied >= 0 {
		p.ExecFile(copied, argv, env)
		return nil
	}
	// The magic link needs no search permission on the folders that the program is in.
	p.Exec([]string{"/proc/self/exe"}, argv, env)
	return nil
}

// program is a copy of this program, for workers that the container sees: one that shares our
// pid namespace and may trace its processes could take a worker over, or look through its
// /proc/PID/root and exe. So such a worker enters all of the container's namespaces, and
// leaves nothing of the host's to find: CVE-2019-5736.
var program = sync.OnceValues(func() (*os.File, error) {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("copy our program: %w", err)
	}
	defer exe.Close()
	return memfd.Program(processName, exe)
})

func explain(err error) error {
	var step *fork.StepError
	if errors.As(err, &step) && step.Errno == syscall.EACCES && strings.HasPrefix(step.Step, "run ") {
		return fmt.Errorf("%w: the diyform binary must be readable and executable for all users (chmod a+rx)", err)
	}
	return err
}

func (w *worker) kill() { w.process.Signal(syscall.SIGKILL) }

// wait waits for the worker's end and takes its report.
func (w *worker) wait() (Stats, *workerError) {
	defer w.process.Close()
	text := <-w.said
	err := w.process.Wait(context.Background())
	w.stop()
	exit, reapErr := w.process.Reap()
	if err = errors.Join(err, reapErr); err != nil {
		return Stats{}, &workerError{text: err.Error()}
	}
	var r report
	if json.NewDecoder(bytes.NewReader(text)).Decode(&r) != nil {
		return Stats{}, &workerError{text: fmt.Sprintf("copying ended with exit code %d: %s", exit.Code, bytes.TrimSpace(text))}
	}
	if r.Error != "" {
		return r.Stats, &workerError{r.Error, r.Broken}
	}
	return r.Stats, nil
}

// workerError is what the worker said.
type workerError struct {
	text   string
	broken bool // we did not read what it wrote
}

func (e *workerError) Error() string { return e.text }
