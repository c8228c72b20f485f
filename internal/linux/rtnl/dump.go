package rtnl

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// dumpAttempts bounds how often an interrupted dump is read again.
const dumpAttempts = 16

var errDumpInterrupted = errors.New("dump interrupted")

// dumpQuery is a request for a list. decode returns false for an entry to leave out.
type dumpQuery[T any] struct {
	typ    uint16 // RTM_GETLINK
	answer uint16 // RTM_NEWLINK
	body   []byte
	object string // "links"
	decode func(body []byte) (T, bool, error)
}

// dump reads a list. One that changed while it was read (NLM_F_DUMP_INTR) may lack
// entries or have them twice: it is thrown away and read again.
func dump[T any](ctx context.Context, c *Conn, q dumpQuery[T]) ([]T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range dumpAttempts {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("list %s: %w", q.object, err)
		}
		out, err := dumpOnce(c, q)
		if err == nil {
			return out, nil
		}
		if !errors.Is(err, errDumpInterrupted) {
			return nil, fmt.Errorf("list %s: %w", q.object, err)
		}
	}
	return nil, fmt.Errorf("list %s: %w", q.object, ErrInterrupted)
}

func dumpOnce[T any](c *Conn, q dumpQuery[T]) ([]T, error) {
	c.seq++
	req := Request{typ: q.typ, body: q.body, seq: c.seq}
	c.out = req.appendTo(c.out[:0], unix.NLM_F_DUMP)
	if err := c.send(c.out); err != nil {
		return nil, err
	}
	var out []T
	var failed error // kept until the end: the rest must be read, or the socket stays busy
	for done := false; !done; {
		err := c.receive(func(m message) error {
			if m.seq != c.seq {
				return nil
			}
			if m.flags&unix.NLM_F_DUMP_INTR != 0 {
				failed = errDumpInterrupted
			}
			if m.typ == unix.NLMSG_DONE || m.typ == unix.NLMSG_ERROR {
				done = true
				failed = errors.Join(failed, dumpEnd(m))
				return nil
			}
			if m.typ != q.answer || failed != nil {
				return nil
			}
			v, keep, err := q.decode(m.body)
			if err != nil {
				failed = err
			} else if keep {
				out = append(out, v)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, failed
}

func dumpEnd(m message) error {
	errno, text, err := parseAck(m)
	if err != nil || errno == 0 {
		return err
	}
	return &Error{Op: "read the kernel's list", Errno: errno, Message: text}
}
