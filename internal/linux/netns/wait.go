package netns

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/rtnl"
)

// WaitGone waits until none of the links, named by their indexes, is left in the
// namespace, or the end of ctx. The kernel removes a link some time after its namespace
// or its peer was deleted.
func (n *Namespace) WaitGone(ctx context.Context, indexes []int) error {
	if len(indexes) == 0 {
		return nil
	}
	events, err := n.Events(unix.RTNLGRP_LINK)
	if err != nil {
		return err
	}
	defer events.Close()
	// Listed after subscribing: what goes in between is in both, what goes later in the
	// events.
	left, err := n.present(ctx, indexes)
	for err == nil && len(left) > 0 {
		var ev rtnl.Event
		ev, err = events.Next(ctx)
		switch {
		case errors.Is(err, rtnl.ErrLost):
			left, err = n.present(ctx, indexes)
		case err == nil && ev.Gone && ev.Link != nil:
			delete(left, ev.Link.Index)
		}
	}
	if err != nil {
		return fmt.Errorf("wait for %d links of %s to go: %w", len(left), n, err)
	}
	return nil
}

func (n *Namespace) present(ctx context.Context, indexes []int) (map[int]bool, error) {
	conn, err := n.Route()
	if err != nil {
		return nil, err
	}
	links, err := conn.Links(ctx)
	if err != nil {
		return nil, err
	}
	wanted := make(map[int]bool, len(indexes))
	for _, i := range indexes {
		wanted[i] = true
	}
	left := map[int]bool{}
	for _, l := range links {
		if wanted[l.Index] {
			left[l.Index] = true
		}
	}
	return left, nil
}
