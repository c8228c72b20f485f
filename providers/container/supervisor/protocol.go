package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/diyform/diyform/internal/linux/cgroup"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/providers/container/launch"
)

// The protocol is JSON, one document a line, over a Unix socket to which only the
// supervisor's own user and root may speak. A connection carries one request after the
// other, each with one reply. What was begun is finished also if the client goes away; only
// waiting ends with it, and what was not begun by then is not. A container that nobody has
// started shows only as long as its creator lives: the next list removes it.
//
//	operation  request      reply     meaning
//	create     createBody   Status    make a container, which does not run its command yet;
//	                                  with the same spec once more: find it
//	start      idBody       Status    run its command, also once more
//	configure  settingsBody Status    change its settings, while it runs
//	stop       stopBody     Status    ask it to end, and end it at the latest when the time is up
//	restart    idBody       Status    stop and start it
//	signal     signalBody   nothing   send its first process a signal
//	remove     idBody       nothing   end it, and remove all that is left of it
//	inspect    idBody       Status    tell about it
//	wait       idBody       Status    tell about it when it has ended for good
//	observe    observeBody  Status    tell about it when it is not as the client knows it
//	list       nothing      []Status  tell about all, ordered by id
//	shutdown   nothing      nothing   leave the containers alone and end
var operations = map[string]operation{
	"create":    handle((*conversation).create),
	"start":     handle((*conversation).start),
	"configure": handle((*conversation).configure),
	"stop":      handle((*conversation).stop),
	"restart":   handle((*conversation).restart),
	"signal":    handle((*conversation).signal),
	"remove":    handle((*conversation).remove),
	"inspect":   handle((*conversation).inspect),
	"wait":      handle((*conversation).wait),
	"observe":   handle((*conversation).observe),
	"list":      handle((*conversation).list),
	"shutdown":  handle((*conversation).shutdown),
}

// protocolVersion changes when an old supervisor cannot serve a new client.
const protocolVersion = 2

type request struct {
	Version   int             `json:"version"`
	Operation string          `json:"operation"`
	Body      json.RawMessage `json:"body"`
}

type reply struct {
	Code  errorCode       `json:"code,omitempty"` // of the error, "" where there is none
	Error string          `json:"error,omitempty"`
	Body  json.RawMessage `json:"body,omitempty"`
}

type (
	nothing    struct{}
	createBody struct {
		Spec     launch.Spec `json:"spec"`
		Settings Settings    `json:"settings"`
	}
	idBody struct {
		ID string `json:"id"`
	}
	settingsBody struct {
		ID       string   `json:"id"`
		Settings Settings `json:"settings"`
	}
	stopBody struct {
		ID      string         `json:"id"`
		Timeout *time.Duration `json:"timeout,omitempty"` // nil: that of the settings
	}
	signalBody struct {
		ID     string `json:"id"`
		Signal int    `json:"signal"`
	}
	observeBody struct {
		ID    string `json:"id"`
		Known sight  `json:"known"`
	}
)

// sight is what a client that observes a container wants to hear of.
type sight struct {
	Phase    Phase        `json:"phase"`
	Health   HealthStatus `json:"health,omitempty"`
	Failures int          `json:"failures,omitempty"`
	Restarts int          `json:"restarts,omitempty"`
}

func (s Status) sight() sight { return sight{s.Phase, s.Health.Status, s.Health.Failures, s.Restarts} }

// Phase is how far a container has come.
type Phase string

const (
	// Creating containers are being set up.
	Creating Phase = "creating"
	// Created containers have all their namespaces, and wait for their start.
	Created Phase = "created"
	// Waiting containers wait for their interfaces.
	Waiting Phase = "waiting"
	// Starting containers were told to run their command.
	Starting Phase = "starting"
	// Running containers run it.
	Running Phase = "running"
	// Restarting containers ran it, it has ended, and is to be started again after a pause.
	Restarting Phase = "restarting"
	// Stopped containers ran it, and somebody asked for its end.
	Stopped Phase = "stopped"
	// Exited containers ran it, and it has ended by itself.
	Exited Phase = "exited"
	// Lost containers never ran it, or not surely: something failed on the way, or the
	// supervisor was killed then. To create one again is to make it anew.
	Lost Phase = "lost"
)

// Alive reports whether the container has processes, or will have without being told to.
func (p Phase) Alive() bool { return p != Exited && p != Lost && p != Stopped }

// Exit is how a container's command ended.
type Exit struct {
	Code   int `json:"code"`             // 128 + Signal where a signal ended it
	Signal int `json:"signal,omitempty"` // 0 where it ended by itself
}

// Status is what is known of a container.
type Status struct {
	Spec     launch.Spec `json:"spec"`
	Settings Settings    `json:"settings"`
	Phase    Phase       `json:"phase"`
	// Stopping says that somebody has asked for the end, which has not come yet.
	Stopping bool `json:"stopping,omitempty"`
	// PID is that of the first process, in the supervisor's pid namespace.
	PID int `json:"pid,omitempty"`
	// StartTime tells that process from others: process.StartTime.
	StartTime uint64       `json:"start_time,omitempty"`
	Handle    pidfd.Handle `json:"handle,omitzero"`
	// Network is the namespace that the container is in.
	Network netns.ID `json:"network,omitzero"`
	// Mapped reports whether the image's files belong, inside, to whom they belong.
	Mapped    bool      `json:"mapped,omitempty"`
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// Exit is nil while the container is alive, where its command never ran, and where it
	// ended while no supervisor was there to see how.
	Exit *Exit `json:"exit,omitempty"`
	// Problem is why a container is lost, or its log incomplete.
	Problem string `json:"problem,omitempty"`
	Log     string `json:"log"`
	// Restarts counts how often the command was started again by the restart policy.
	Restarts int `json:"restarts,omitempty"`
	// NextStart is when a restarting container starts.
	NextStart time.Time `json:"next_start,omitzero"`
	// OOMKilled reports whether the kernel ended one of its processes for want of memory.
	OOMKilled bool   `json:"oom_killed,omitempty"`
	Health    Health `json:"health,omitzero"`
	// Cgroup is the container's control group, for cgroup.Open; "" where it has none.
	Cgroup string `json:"cgroup,omitempty"`
}

// errorCode names an error that callers branch on.
type errorCode string

// The errors that callers branch on.
var (
	ErrNotFound   = errors.New("there is no such container")
	ErrDifferent  = errors.New("a container of this id exists with another spec")
	ErrNotCreated = errors.New("the container cannot be started")
	ErrNotRunning = errors.New("the container is not running")

	// errLeaving says that the supervisor is about to end: a client starts another.
	errLeaving = errors.New("the supervisor is ending")
	// errVersion says that client and supervisor are of different releases.
	errVersion = errors.New("the stack's supervisor was started by another version of diyform")
)

var errorCodes = map[errorCode]error{
	"not_found":   ErrNotFound,
	"different":   ErrDifferent,
	"not_created": ErrNotCreated,
	"not_running": ErrNotRunning,
	"no_cgroup":   cgroup.ErrUnavailable,
	"leaving":     errLeaving,
	"version":     errVersion,
}

// remoteError is an error that the supervisor replied with.
type remoteError struct {
	text string
	is   error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.is }

func (r reply) err() error {
	if r.Error == "" {
		return nil
	}
	return &remoteError{text: r.Error, is: errorCodes[r.Code]}
}

func failure(err error) reply {
	r := reply{Code: "other", Error: err.Error()}
	for code, sentinel := range errorCodes {
		if errors.Is(err, sentinel) {
			r.Code = code
		}
	}
	return r
}

// operation serves a request's body.
type operation func(ctx context.Context, s *conversation, body json.RawMessage) reply

// handle makes an operation of a method, with strict decoding.
func handle[Request, Reply any](serve func(*conversation, context.Context, Request) (Reply, error)) operation {
	return func(ctx context.Context, s *conversation, body json.RawMessage) reply {
		var in Request
		if err := decodeStrict(body, &in); err != nil {
			return failure(fmt.Errorf("decode request: %w", err))
		}
		out, err := serve(s, ctx, in)
		if err != nil {
			return failure(err)
		}
		encoded, err := json.Marshal(out)
		if err != nil {
			return failure(fmt.Errorf("encode reply: %w", err))
		}
		return reply{Body: encoded}
	}
}

func decodeStrict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind the document")
	}
	return nil
}
