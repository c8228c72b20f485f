package network

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/rtnl"
)

// goneTimeout is how long a link may take to go by itself, with its namespace: the kernel
// takes a thousand namespaces apart in about a second. What is not gone then is held by
// somebody, such as a process that still runs in the namespace.
const goneTimeout = 30 * time.Second

// doomed is a link to be deleted, if it is still ours.
type doomed struct {
	namespace string
	name      string
	id        linkIdentity
	marks     marks
}

// isOurs reports whether a link that was found by the recorded index, or by its name where
// none is on record, is the one: see view.ourLink.
func (d doomed) isOurs(l *rtnl.Link) bool {
	return d.marks.has(l.Alias) || isUnmarked(l, d.id) || l.Index == d.id.Index && d.id.made(l)
}

// deleteLinks deletes links of one namespace and gives each one's error. What is gone, or is
// not ours any more, is no error. With follows, the links go by themselves because what they
// are tied to was deleted: they are waited for, and deleted only if that takes too long.
func (k *session) deleteLinks(ctx context.Context, namespace string, list []doomed, follows bool) []error {
	errs := make([]error, len(list))
	fail := func(err error) []error {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	ns, err := k.namespace(namespace)
	if noNamespace(err) {
		return errs
	}
	if err != nil {
		return fail(err)
	}
	conn, err := ns.Route()
	if err != nil {
		return fail(err)
	}
	indexes := ownIndexes(ctx, conn, list, errs)
	if follows {
		limited, cancel := context.WithTimeout(ctx, goneTimeout)
		defer cancel()
		err := ns.WaitGone(limited, present(indexes))
		if err == nil {
			return errs
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			return fail(err)
		}
	}
	reqs := make([]*rtnl.Request, len(list))
	var send []*rtnl.Request
	for i, index := range indexes {
		if index != 0 {
			reqs[i] = rtnl.DeleteLink(rtnl.LinkRef{Index: index, Name: list[i].name})
			send = append(send, reqs[i])
		}
	}
	_ = conn.Do(ctx, send...) // each request has its own error
	for i, r := range reqs {
		if r != nil && r.Err() != nil && !errors.Is(r.Err(), unix.ENODEV) {
			errs[i] = r.Err()
		}
	}
	return errs
}

// ownIndexes looks the links up and gives the indexes of those that are ours: 0 for one that
// is gone. It was read before that they are ours, but somebody may have replaced them since.
func ownIndexes(ctx context.Context, conn *rtnl.Conn, list []doomed, errs []error) []int {
	links := make([]rtnl.Link, len(list))
	reqs := make([]*rtnl.Request, len(list))
	for i, d := range list {
		reqs[i] = rtnl.GetLink(rtnl.LinkRef{Index: d.id.Index, Name: d.name}, &links[i])
	}
	_ = conn.Do(ctx, reqs...) // each request has its own error
	indexes := make([]int, len(list))
	for i, d := range list {
		switch err := reqs[i].Err(); {
		case errors.Is(err, unix.ENODEV):
		case err != nil:
			errs[i] = err
		case d.isOurs(&links[i]):
			indexes[i] = links[i].Index
		}
	}
	return indexes
}

func present(indexes []int) []int {
	var out []int
	for _, i := range indexes {
		if i != 0 {
			out = append(out, i)
		}
	}
	return out
}
