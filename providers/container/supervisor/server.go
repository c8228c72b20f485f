package supervisor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/bootid"
	"github.com/diyform/diyform/internal/linux/localsocket"
	"github.com/diyform/diyform/internal/linux/process"
)

const (
	// farewell is how long clients may take to fetch the last replies.
	farewell = 2 * time.Second
	// hangUp is how long what still goes on then may take to notice that its client is
	// hung up on. A supervisor that stays holds the stack's lock and answers nobody.
	hangUp = time.Second
)

// restful is the time without requests after which a supervisor gives back the memory that
// they took. It may not be asked anything for weeks.
const restful = 2 * time.Second

// server answers requests.
type server struct {
	*stack
	boot string

	// Guarded by the stack's mu.
	busy    int  // creates and removes under way
	leaving bool // no new requests
	quit    chan struct{}

	rest *time.Timer // since the last request
}

func newServer(dir string) (*server, error) {
	boot, err := bootid.Read()
	if err != nil {
		return nil, err
	}
	stack, err := newStack(dir)
	if err != nil {
		return nil, err
	}
	if err := stack.adopt(boot); err != nil {
		return nil, err
	}
	return &server{
		stack: stack, boot: boot, quit: make(chan struct{}),
		rest: time.AfterFunc(restful, giveBack),
	}, nil
}

// giveBack gives the system what memory a supervisor does not need to wait.
func giveBack() {
	debug.FreeOSMemory()
	if err := process.ReleaseProgram(); err != nil {
		complain(err)
	}
}

// serve answers until the last container is removed, or ctx ends.
func (s *server) serve(ctx context.Context, listener *net.UnixListener) {
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	var clients, beside sync.WaitGroup
	defer beside.Wait()
	defer cancel() // before it
	beside.Go(func() { s.names.run(work) })
	go s.accept(work, listener, &clients)
	timer := time.AfterFunc(idle, s.leaveIfIdle)
	defer timer.Stop()
	defer s.rest.Stop()
	select {
	case <-s.quit:
	case <-ctx.Done():
	}
	listener.Close()
	late := time.AfterFunc(farewell, cancel)
	defer late.Stop()
	ended := make(chan struct{})
	go func() {
		clients.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(farewell + hangUp):
		complain(errors.New("end without the last replies: what was asked for does not end"))
	}
}

// complain writes to the supervisor's log.
func complain(err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", time.Now().Format(time.RFC3339), err)
}

func (s *server) accept(ctx context.Context, listener *net.UnixListener, clients *sync.WaitGroup) {
	for {
		conn, err := listener.AcceptUnix()
		if err != nil {
			return // closed
		}
		clients.Go(func() {
			defer conn.Close()
			if err := s.converse(ctx, conn); err != nil && !errors.Is(err, net.ErrClosed) {
				complain(err)
			}
		})
	}
}

// converse serves one client. Its context ends when the client has gone away.
func (s *server) converse(ctx context.Context, conn *net.UnixConn) error {
	uid, pid, err := localsocket.Peer(conn)
	if err != nil {
		return err
	}
	if uid != 0 && int(uid) != os.Geteuid() {
		return fmt.Errorf("refuse client: user %d is not the one whose containers these are", uid)
	}
	from := &conversation{server: s, conn: conn, pid: pid}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	lines := make(chan []byte)
	go func() {
		defer cancel()
		defer close(lines)
		in := bufio.NewReader(conn)
		for {
			line, err := in.ReadBytes('\n')
			if err != nil {
				return
			}
			lines <- line
		}
	}()
	defer func() { // the reader ends with the connection
		conn.Close()
		for range lines {
		}
	}()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return nil
			}
			text, err := json.Marshal(from.answer(ctx, line))
			if err != nil {
				return fmt.Errorf("encode reply: %w", err)
			}
			failpoint.Hit("supervisor.reply.before")
			if _, err := conn.Write(append(text, '\n')); err != nil {
				return fmt.Errorf("send reply: %w", err)
			}
			s.rest.Reset(restful)
			s.leaveIfIdle()
		case <-s.quit:
			return nil
		}
	}
}

func (s *conversation) answer(ctx context.Context, line []byte) reply {
	var r request
	if err := decodeStrict(line, &r); err != nil {
		return failure(fmt.Errorf("decode request: %w", err))
	}
	if r.Version != protocolVersion {
		return failure(errVersion)
	}
	serve, ok := operations[r.Operation]
	if !ok {
		return failure(fmt.Errorf("there is no operation %q", r.Operation))
	}
	return serve(ctx, s, r.Body)
}

// begin and done keep the supervisor from ending in the middle of a change.
func (s *server) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving {
		return errLeaving
	}
	s.busy++
	return nil
}

func (s *server) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
}

// leaveIfIdle ends a supervisor that has nothing to do. It comes after each reply, so that
// the client which removes the last container hears of it.
func (s *server) leaveIfIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.containers) == 0 && s.busy == 0 {
		s.endLocked()
	}
}

func (s *server) endLocked() {
	if !s.leaving {
		s.leaving = true
		close(s.quit)
	}
}

// leave removes the supervisor's own files, and the stack's folder if nothing is in it.
func (s *server) leave() error {
	s.mu.Lock()
	empty := len(s.containers) == 0
	s.mu.Unlock()
	if empty {
		return removeStack(s.dir)
	}
	return ignoreMissing(os.Remove(filepath.Join(s.dir, socketName)))
}
