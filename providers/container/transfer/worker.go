package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/providers/container/image/unpack"
)

// processName is the first argument by which a worker knows itself.
const processName = "diyform-copy"

// request is what the worker is to do. Its archive is at standard input or output, the
// container's root at the other of the two, and its report goes to standard error.
type request struct {
	Into  bool   `json:"into"`
	Path  string `json:"path"` // in the container
	Named bool   `json:"named,omitempty"`
	Options
}

func (r request) stdin(pipe, root *os.File) *os.File {
	if r.Into {
		return pipe
	}
	return root
}

func (r request) stdout(pipe, root *os.File) *os.File {
	if r.Into {
		return root
	}
	return pipe
}

// report is what the worker has to say at its end.
type report struct {
	Error  string `json:"error,omitempty"`
	Broken bool   `json:"broken,omitempty"`
	Stats  Stats  `json:"stats"`
}

// Invoked reports whether this process is a worker: then main calls Main and nothing else.
func Invoked() bool { return len(os.Args) == 2 && os.Args[0] == processName }

// Main is a worker's main function. It gives the exit code.
func Main() int {
	signal.Ignore(syscall.SIGPIPE) // an error like others: Go lets it end who writes to 1 or 2
	var r report
	stats, err := work(context.Background(), os.Args[1])
	r.Stats = stats
	if err != nil {
		r.Error, r.Broken = err.Error(), errors.Is(err, syscall.EPIPE)
	}
	if json.NewEncoder(os.Stderr).Encode(r) != nil || err != nil {
		return 1
	}
	return 0
}

func work(ctx context.Context, argument string) (Stats, error) {
	var r request
	if err := json.Unmarshal([]byte(argument), &r); err != nil {
		return Stats{}, err
	}
	if !r.Into {
		return Stats{}, send(ctx, os.Stdout, os.Stdin, r)
	}
	o := unpack.Options{Over: true, NoDevices: true, NoXattrs: !r.Archive, NoSetID: !r.Archive}
	single, err := isSingle()
	if err != nil {
		return Stats{}, err
	}
	switch {
	case single:
		o.SingleOwner = true
	case !r.Archive:
		o.Owner = &unpack.Owner{}
	}
	return receive(ctx, os.Stdin, os.Stdout, r.Path, o, false)
}

// isSingle tells whether nobody but root exists in the container.
func isSingle() (bool, error) {
	ids, err := process.UIDMap("self")
	if err != nil {
		return false, fmt.Errorf("look at the container's ids: %w", err)
	}
	return len(ids) == 1 && ids[0].Count == 1, nil
}
