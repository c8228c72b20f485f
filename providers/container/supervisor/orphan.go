package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/diyform/diyform/internal/linux/localsocket"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/providers/container/launch"
)

// Orphan is a container that runs although no supervisor can be asked about it: somebody
// removed the stack's runtime folder. Who remembers its process can still end it.
type Orphan struct {
	client  *Client
	process *pidfd.Process
}

// Orphan finds the container whose first process has that id and start time. pidfd.ErrGone
// says that it has ended.
func (c *Client) Orphan(pid int, startTime uint64) (*Orphan, error) {
	if pid <= 0 {
		return nil, pidfd.ErrGone
	}
	p, err := find(Status{PID: pid, StartTime: startTime})
	if err != nil {
		return nil, err
	}
	return &Orphan{client: c, process: p}, nil
}

// Close lets go of the container.
func (o *Orphan) Close() error { return o.process.Close() }

// End ends the container as Stop does, and takes the name of its own network namespace away.
// Its supervisor ends first: it would never hear of another request, nor end by itself.
func (o *Orphan) End(ctx context.Context, s syscall.Signal, timeout time.Duration, network launch.Network) error {
	if err := o.endSupervisor(ctx); err != nil {
		return err
	}
	id, err := o.network()
	if err != nil {
		return err
	}
	if err := o.stop(ctx, s, timeout); err != nil {
		return fmt.Errorf("end container that nobody supervises: %w", err)
	}
	return unpublish(network, id)
}

// network gives the network namespace, which cannot be learned afterwards.
func (o *Orphan) network() (netns.ID, error) {
	ns, err := networkOf(o.process.PID)
	// A process that is ending has let go of its namespaces before it is dead: exit_task_namespaces.
	if err != nil && (!o.process.Alive() || errors.Is(err, fs.ErrNotExist)) {
		return netns.ID{}, nil
	}
	if err != nil {
		return netns.ID{}, err
	}
	return ns.ID(), ns.Close()
}

func (o *Orphan) stop(ctx context.Context, s syscall.Signal, timeout time.Duration) error {
	if catches, err := process.Catches(o.process.PID, s); err == nil && catches {
		if err := o.process.Signal(s); err != nil && !errors.Is(err, pidfd.ErrGone) {
			return err
		}
		patience, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		if o.process.Wait(patience) == nil {
			return nil
		}
	}
	if err := o.process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, pidfd.ErrGone) {
		return err
	}
	return o.process.Wait(ctx)
}

// endSupervisor ends the supervisor that started the container, unless that serves the stack
// or has ended already, and something else got its child.
func (o *Orphan) endSupervisor(ctx context.Context) error {
	parent, err := process.Parent(o.process.PID)
	if err != nil {
		return nil // it has just ended
	}
	p, err := pidfd.Open(parent)
	if errors.Is(err, pidfd.ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.Close()
	// Looked at after it was opened, so it is that one.
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", parent))
	if err != nil || !bytes.Equal(command, []byte(processName+"\x00"+o.client.dir+"\x00")) || o.client.servedBy(ctx, parent) {
		return nil
	}
	if err := p.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, pidfd.ErrGone) {
		return fmt.Errorf("end supervisor without runtime folder: %w", err)
	}
	return p.Wait(ctx)
}

// servedBy reports whether a process serves the stack now.
func (c *Client) servedBy(ctx context.Context, pid int) bool {
	conn, err := localsocket.Dial(ctx, c.dir, socketName)
	if err != nil {
		return false
	}
	defer conn.Close()
	_, server, err := localsocket.Peer(conn)
	return err == nil && server == pid
}
