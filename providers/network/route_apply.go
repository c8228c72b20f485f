package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
)

type routeOp = providers.Op[routeAttrs, routeKey]

// Apply sends the requests of one namespace together.
func (r route) Apply(ctx context.Context, k *session, action providers.Action, ops []*routeOp) {
	if action == providers.Delete {
		r.delete(ctx, k, ops)
		return
	}
	namespace := ops[0].Planned.Namespace
	conn, err := k.route(namespace)
	if err != nil {
		failAll(ops, namespaceError(namespace, err))
		return
	}
	indexes, err := interfaceIndexes(ctx, conn, ops)
	if err != nil {
		failAll(ops, err)
		return
	}
	ops = withInterface(ops, indexes)
	made, errs := sendRoutes(ctx, conn, action, ops, indexes)
	err = findUnechoed(ctx, conn, ops, errs, made)
	links, linksErr := interfaceNames(ctx, conn, made)
	for i, op := range ops {
		settleRoute(op, errs[i], &made[i], links[made[i].Index], errors.Join(err, linksErr))
	}
}

// sendRoutes makes or replaces the routes and gives what the kernel made of each, and its
// error. A route to be replaced may have gone with an address that its link had before: it is
// made anew.
func sendRoutes(ctx context.Context, conn *rtnl.Conn, action providers.Action, ops []*routeOp, indexes map[string]int) ([]rtnl.Route, []error) {
	made, errs := make([]rtnl.Route, len(ops)), make([]error, len(ops))
	send := func(make func(rtnl.Route) *rtnl.Request, which func(i int) bool) {
		reqs := map[int]*rtnl.Request{}
		var list []*rtnl.Request
		for i, op := range ops {
			if which(i) {
				reqs[i] = make(op.Planned.spec(indexes[op.Planned.Interface])).Echo(&made[i])
				list = append(list, reqs[i])
			}
		}
		_ = conn.Do(ctx, list...) // each request has its own error
		for i, r := range reqs {
			errs[i] = r.Err()
		}
	}
	all := func(int) bool { return true }
	if action == providers.Create {
		send(rtnl.AddRoute, all)
		return made, errs
	}
	send(rtnl.ReplaceRoute, all)
	send(rtnl.AddRoute, func(i int) bool { return errors.Is(errs[i], unix.ENOENT) })
	return made, errs
}

// findUnechoed reads the routes that the kernel did not tell of: one that is replaced by its
// equal makes no message.
func findUnechoed(ctx context.Context, conn *rtnl.Conn, ops []*routeOp, errs []error, made []rtnl.Route) error {
	var there map[routeKey]*rtnl.Route
	for i, op := range ops {
		if errs[i] != nil || made[i].Destination.IsValid() {
			continue
		}
		if there == nil {
			routes, err := conn.Routes(ctx)
			if err != nil {
				return err
			}
			there = indexRoutes(routes)
		}
		if r := there[op.Planned.key()]; r != nil {
			made[i] = *r
		}
	}
	return nil
}

func settleRoute(op *routeOp, err error, made *rtnl.Route, link string, linksErr error) {
	key := op.Planned.key()
	if err != nil {
		op.Fail(explainRoute(&op.Planned, err))
		return
	}
	v := op.Planned
	if made.Destination.IsValid() {
		v.observe(made, link)
	}
	if linksErr != nil {
		op.FailPartly(v, key, linksErr)
		return
	}
	op.Done(v, key)
}

func failAll[T, I any](ops []*providers.Op[T, I], err error) {
	for _, op := range ops {
		op.Fail(err)
	}
}

// spec is the route that is wanted.
func (v *routeAttrs) spec(index int) rtnl.Route {
	key := v.key()
	out := rtnl.Route{
		Destination: key.Destination, Table: key.Table, Metric: key.Metric, Index: index,
		Protocol: RouteProtocol, Type: routeTypes[v.Type], Scope: routeScopes[v.Scope], MTU: uint32(v.MTU),
	}
	out.Gateway, _ = netip.ParseAddr(v.Gateway) // the schema has checked them
	out.Source, _ = netip.ParseAddr(v.Source)
	return out
}

// interfaceIndexes finds the interfaces that the routes name, in one round trip. One that
// does not exist has the index 0.
func interfaceIndexes(ctx context.Context, conn *rtnl.Conn, ops []*routeOp) (map[string]int, error) {
	links := map[string]*rtnl.Link{}
	var reqs []*rtnl.Request
	for _, op := range ops {
		name := op.Planned.Interface
		if name == "" || links[name] != nil {
			continue
		}
		links[name] = &rtnl.Link{}
		reqs = append(reqs, rtnl.GetLink(rtnl.ByName(name), links[name]))
	}
	if err := doExcept(ctx, conn, unix.ENODEV, reqs); err != nil {
		return nil, err
	}
	indexes := make(map[string]int, len(links))
	for name, l := range links {
		indexes[name] = l.Index
	}
	return indexes, nil
}

// interfaceNames names the interfaces that the kernel chose.
func interfaceNames(ctx context.Context, conn *rtnl.Conn, made []rtnl.Route) (map[int]string, error) {
	links := map[int]*rtnl.Link{}
	var reqs []*rtnl.Request
	for i := range made {
		index := made[i].Index
		if index == 0 || links[index] != nil {
			continue
		}
		links[index] = &rtnl.Link{}
		reqs = append(reqs, rtnl.GetLink(rtnl.ByIndex(index), links[index]))
	}
	if err := doExcept(ctx, conn, unix.ENODEV, reqs); err != nil {
		return nil, err
	}
	names := make(map[int]string, len(links))
	for index, l := range links {
		names[index] = l.Name
	}
	return names, nil
}

// doExcept sends the requests and gives the first error that is not the expected one.
func doExcept(ctx context.Context, conn *rtnl.Conn, expected error, reqs []*rtnl.Request) error {
	if len(reqs) == 0 {
		return nil
	}
	_ = conn.Do(ctx, reqs...) // each request has its own error
	for _, r := range reqs {
		if err := r.Err(); err != nil && !errors.Is(err, expected) {
			return err
		}
	}
	return nil
}

// withInterface fails the operations whose interface does not exist and gives the others.
func withInterface(ops []*routeOp, indexes map[string]int) []*routeOp {
	var out []*routeOp
	for _, op := range ops {
		if name := op.Planned.Interface; name != "" && indexes[name] == 0 {
			op.Fail(missingLink(op.Planned.Namespace, name, "interface"))
			continue
		}
		out = append(out, op)
	}
	return out
}

// delete deletes the routes that are there and ours. They are looked up first: a metric of 0
// in a request to delete matches any, so another route of ours could go in place of one that
// went with its interface.
func (route) delete(ctx context.Context, k *session, ops []*routeOp) {
	conn, err := k.route(ops[0].Prior.Attrs.Namespace)
	if noNamespace(err) {
		for _, op := range ops {
			op.Gone()
		}
		return
	}
	var routes []rtnl.Route
	if err == nil {
		routes, err = conn.Routes(ctx)
	}
	if err != nil {
		failAll(ops, err)
		return
	}
	there := indexRoutes(routes)
	reqs := map[*routeOp]*rtnl.Request{}
	var list []*rtnl.Request
	for _, op := range ops {
		if r := there[op.Prior.Identity]; r != nil && r.Protocol == RouteProtocol {
			reqs[op] = r.Withdraw()
			list = append(list, reqs[op])
		}
	}
	_ = conn.Do(ctx, list...) // each request has its own error
	for _, op := range ops {
		if r := reqs[op]; r != nil && r.Err() != nil && !errors.Is(r.Err(), unix.ESRCH) {
			op.Fail(r.Err())
			continue
		}
		op.Gone()
	}
}

// indexRoutes finds routes by their keys: of several, the one that the kernel prefers.
func indexRoutes(routes []rtnl.Route) map[routeKey]*rtnl.Route {
	out := make(map[routeKey]*rtnl.Route, len(routes))
	for i := range routes {
		if r := &routes[i]; r.TOS() == 0 && out[keyOf(r)] == nil {
			out[keyOf(r)] = r
		}
	}
	return out
}

// explainRoute says what to do about the kernel's refusal of a route.
func explainRoute(v *routeAttrs, err error) error {
	p := &diag.Problem{Summary: "The kernel refused the route", Err: err}
	add := func(attribute, format string, args ...any) error {
		p.Attribute, p.Detail = attribute, fmt.Sprintf(format, args...)+" ("+err.Error()+".)"
		return p
	}
	switch {
	case errors.Is(err, unix.EEXIST):
		return add("destination", "Somebody else made a route %s meanwhile, which diyform does not touch. Give this route another metric, or remove the other one with ip route del.", v.key())
	case errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH):
		return add("gateway", "No route of this namespace leads directly to the gateway %s. Such a route comes with an address from the gateway's network, on an "+
			"interface that is up: give an interface one; if the configuration does, add depends_on so that it comes first. If the address "+
			"is there, somebody removed its route: ip route shows what there is, and removing and adding the address brings it back.", v.Gateway)
	case errors.Is(err, unix.ENETDOWN):
		return add("interface", "The interface %s is down, and the kernel takes routes only on interfaces that are up.", v.Interface)
	case errors.Is(err, unix.ENOENT):
		return add("destination", "The route %s, which was to be changed, is gone. Plan and apply again to create it.", v.key())
	case errors.Is(err, unix.EINVAL) && v.Source != "":
		return add("source", "The source address %s must be an address of this namespace, and the gateway must not be.", v.Source)
	case errors.Is(err, unix.EINVAL) && v.Gateway != "":
		return add("gateway", "The gateway %s must be another machine's address, on a network that is directly reached.", v.Gateway)
	}
	return err
}
