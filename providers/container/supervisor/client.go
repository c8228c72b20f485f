package supervisor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/diyform/diyform/internal/linux/localsocket"
	"github.com/diyform/diyform/providers/container/launch"
)

// Client asks the supervisor of a stack, and starts one where it is needed. It holds no
// connection; every call makes one. Safe for concurrent use.
type Client struct {
	dir      string
	patience time.Duration
}

// patience is how long a supervisor may say that it is ending, or hold the stack and not
// answer. It takes some seconds where it waits for its last clients.
const patience = 30 * time.Second

// Connect gives the client of the stack whose runtime folder is dir. Nothing need exist yet.
func Connect(dir string) *Client { return &Client{dir: dir, patience: patience} }

// Folder gives the runtime folder of a container, where its FIFOs are.
func (c *Client) Folder(id string) string { return string(folderOf(c.dir, id)) }

// Create makes a container that waits for its start, or finds the one that there is, which
// may have been started; its settings stay as they are then. ErrDifferent says that the id
// means another container. cgroup.ErrUnavailable says that the limits cannot be enforced.
func (c *Client) Create(ctx context.Context, spec launch.Spec, settings Settings) (Status, error) {
	return ask[Status](ctx, c, "create", createBody{spec, settings})
}

// Start runs the command of a container that Create made, or that was stopped or has exited:
// then what it wrote before is there. One that runs is left alone. Where there are interfaces
// to wait for, it returns at once, in phase Waiting. ErrNotCreated says that the container
// was lost.
func (c *Client) Start(ctx context.Context, id string) (Status, error) {
	return ask[Status](ctx, c, "start", idBody{id})
}

// Configure changes the settings of a container, also while it runs. When it fails, they are
// as before.
func (c *Client) Configure(ctx context.Context, id string, settings Settings) (Status, error) {
	return ask[Status](ctx, c, "configure", settingsBody{id, settings})
}

// Stop sends the spec's stop signal, and SIGKILL when the time is up; at once, if the
// command has no handler for the signal, in which case the kernel would drop it. The restart
// policy does not apply. Without a timeout it is that of the settings.
func (c *Client) Stop(ctx context.Context, id string, timeout *time.Duration) (Status, error) {
	return ask[Status](ctx, c, "stop", stopBody{ID: id, Timeout: timeout})
}

// Restart stops a container as Stop does and starts it again.
func (c *Client) Restart(ctx context.Context, id string) (Status, error) {
	return ask[Status](ctx, c, "restart", idBody{id})
}

// Signal sends a signal to the container's first process; an init passes it on to the
// command. ErrNotRunning says that it is not running.
func (c *Client) Signal(ctx context.Context, id string, signal syscall.Signal) error {
	_, err := ask[nothing](ctx, c, "signal", signalBody{id, int(signal)})
	return err
}

// Remove ends a container by SIGKILL, if it runs, and removes all that is left of it. One
// that is gone already is no error.
func (c *Client) Remove(ctx context.Context, id string) error {
	_, err := ask[nothing](ctx, c, "remove", idBody{id})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Inspect tells about a container. ErrNotFound says that there is none.
func (c *Client) Inspect(ctx context.Context, id string) (Status, error) {
	return ask[Status](ctx, c, "inspect", idBody{id})
}

// Wait waits until a container has ended and will not be restarted by its policy. It does not
// mind if the supervisor is replaced meanwhile.
func (c *Client) Wait(ctx context.Context, id string) (Status, error) {
	return ask[Status](ctx, c, "wait", idBody{id})
}

// WaitHealthy waits until a container runs and, where it has a health check, is healthy or
// unhealthy; or until it has ended for good. It tells on the way of every other status.
func (c *Client) WaitHealthy(ctx context.Context, id string, observe func(Status)) (Status, error) {
	status, err := c.Inspect(ctx, id)
	for err == nil && !status.decided() {
		observe(status)
		status, err = ask[Status](ctx, c, "observe", observeBody{id, status.sight()})
	}
	return status, err
}

// decided reports whether WaitHealthy has its answer.
func (s Status) decided() bool {
	return !s.Phase.Alive() || s.Phase == Running && s.Health.Status != HealthUnknown
}

// List tells about all containers of the stack, ordered by id.
func (c *Client) List(ctx context.Context) ([]Status, error) {
	list, err := ask[[]Status](ctx, c, "list", nothing{})
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return list, err
}

// Shutdown ends the supervisor and leaves the containers alone; the next call starts
// another. A stack without supervisor is no error.
func (c *Client) Shutdown(ctx context.Context) error {
	conn, err := localsocket.Dial(ctx, c.dir, socketName)
	if nobodyThere(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = converse(ctx, conn, "shutdown", nothing{})
	if errors.Is(err, errLeaving) {
		return nil
	}
	return err
}

// ask makes a request. A stack that has neither supervisor nor containers has nothing to
// answer but to Create: that is ErrNotFound.
func ask[Reply any](ctx context.Context, c *Client, operation string, body any) (Reply, error) {
	var out Reply
	// A supervisor may end between our finding it and asking it, and one that was just
	// started may lose the race for the stack to another client's.
	limit := time.Now().Add(c.patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		text, err := c.try(ctx, operation, body)
		if err == nil {
			return out, decodeStrict(text, &out)
		}
		if !errors.Is(err, errLeaving) {
			return out, err
		}
		if time.Now().After(limit) {
			return out, fmt.Errorf("%s container: %w for %v and does not end: who holds %s must be killed",
				operation, err, c.patience, filepath.Join(c.dir, lockName))
		}
		select {
		case <-ctx.Done():
			return out, fmt.Errorf("ask the supervisor: %w", context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// try makes a request once. errLeaving says that it was not served.
func (c *Client) try(ctx context.Context, operation string, body any) ([]byte, error) {
	conn, err := localsocket.Dial(ctx, c.dir, socketName)
	if nobodyThere(err) {
		if operation != "create" && !c.hasRemains() {
			return nil, fmt.Errorf("%s container: %w", operation, ErrNotFound)
		}
		if err := c.spawn(ctx); err != nil {
			return nil, err
		}
		conn, err = localsocket.Dial(ctx, c.dir, socketName)
		if nobodyThere(err) {
			err = errLeaving
		}
	}
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return converse(ctx, conn, operation, body)
}

func nobodyThere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// hasRemains reports whether a supervisor was here, or was about to be, that did not take
// leave: it would have removed the folder.
func (c *Client) hasRemains() bool {
	_, err := os.Stat(c.dir)
	return err == nil
}

// connection is what a conversation needs of a socket.
type connection interface {
	io.ReadWriter
	SetDeadline(time.Time) error
}

// converse sends a request and gives the reply's body.
func converse(ctx context.Context, conn connection, operation string, body any) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	text, err := json.Marshal(request{Version: protocolVersion, Operation: operation, Body: encoded})
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	_, err = conn.Write(append(text, '\n'))
	var line []byte
	if err == nil {
		line, err = bufio.NewReader(conn).ReadBytes('\n')
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("ask the supervisor: %w", context.Cause(ctx))
	case err != nil:
		// Every operation can be asked for twice, so it does not matter whether the
		// supervisor died before or after it.
		return nil, fmt.Errorf("ask the supervisor: %w", errLeaving)
	}
	var r reply
	if err := decodeStrict(line, &r); err != nil {
		return nil, fmt.Errorf("decode reply: %w", err)
	}
	return r.Body, r.err()
}
