package network

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

type sysctlAttrs struct {
	Namespace string `diy:"namespace,replace" format:"namespace" doc:"Network namespace whose setting it is: then the key must begin with \"net.\". Left out, it is the host's."`
	Key       string `diy:"key,required,replace" doc:"Name of the setting as sysctl(8) has it: net.ipv4.ip_forward, or net/ipv4/ip_forward. Where the name of an interface has a dot in it, write slashes between the parts."`
	Value     string `diy:"value,required" doc:"What it is set to. Of several numbers, spaces and tabs between them mean the same."`
}

// sysctlIdentity is what must be known to give the setting back as it was.
type sysctlIdentity struct {
	Old string `json:"old"` // before diyform set it first: the register knows better, as long as there is one
	Set string `json:"set"` // what diyform set it to last
}

type sysctl struct{}

type sysctlOp = providers.Op[sysctlAttrs, sysctlIdentity]

func defineSysctl() providers.Def[*snapshot, *session] {
	return providers.Define("sysctl",
		"A setting of the kernel below /proc/sys. The value it had before comes back on destroy, unless somebody else has set "+
			"another one meanwhile. Where several stacks set it, it comes back when the last of them is destroyed. Setting net.ipv6.conf.all.forwarding to 1 makes the host ignore router advertisements, "+
			"on interfaces whose accept_ra is not 2: it may lose an IPv6 default route that it got that way.",
		sysctl{})
}

// sysctlPath gives the path below /proc/sys of a key as sysctl(8) has it: the first separator
// decides which of dot and slash separates, and the other one is then part of a name.
func sysctlPath(key string) string {
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		return strings.Map(func(r rune) rune {
			switch r {
			case '.':
				return '/'
			case '/':
				return '.'
			}
			return r
		}, key)
	}
	return key
}

// sysctlLink gives the interface that a setting belongs to, or "".
func sysctlLink(path string) string {
	parts := strings.Split(path, "/")
	if len(parts) != 5 || parts[0] != "net" || parts[2] != "conf" && parts[2] != "neigh" {
		return ""
	}
	if parts[3] == "all" || parts[3] == "default" {
		return ""
	}
	return parts[3]
}

// plainValue is a value as the kernel and users write it, with one space between its parts.
func plainValue(s string) string { return strings.Join(strings.Fields(s), " ") }

// Read gives the setting's present value: it always exists, so one that was changed is
// drift, and only one that never came to be written, or whose namespace or interface went,
// is gone.
func (sysctl) Read(s *snapshot, r *providers.Recorded[sysctlAttrs, sysctlIdentity]) (*providers.Recorded[sysctlAttrs, sysctlIdentity], error) {
	ns, err := s.namespace(r.Attrs.Namespace)
	if ns == nil || err != nil {
		return nil, err
	}
	got := ns.sysctls[sysctlPath(r.Attrs.Key)]
	if errors.Is(got.err, fs.ErrNotExist) {
		return nil, nil
	}
	if got.err != nil {
		return nil, explainSysctl(&r.Attrs, got.err, nil)
	}
	written := plainValue(r.Attrs.Value)
	if r.Unfinished && !got.held[r.Address.String()] && !got.held[r.Marked().String()] {
		return nil, nil // it is registered before it is set, and until it is restored
	}
	out := *r
	out.Unfinished = false
	if got.value != written {
		out.Attrs.Value = got.value
	}
	return &out, nil
}

const sysctlKind = "sysctl"

func sysctlPlace(v *sysctlAttrs) providers.Place {
	return providers.Place{Kind: sysctlKind, Namespace: v.Namespace, Name: sysctlPath(v.Key)}
}

func (sysctl) Validate(v *sysctlAttrs, unknown schema.Unknown) error {
	var errs []error
	problem := func(attribute, detail string) {
		errs = append(errs, &diag.Problem{Summary: "Invalid value for an argument", Attribute: attribute, Detail: detail})
	}
	if !unknown.Has("key") {
		path := sysctlPath(v.Key)
		if !fs.ValidPath(path) || !strings.Contains(path, "/") {
			problem("key", "The key must be a name below /proc/sys with dots or slashes between its parts, as net.ipv4.ip_forward.")
		} else if !unknown.Has("namespace") && v.Namespace != "" && !strings.HasPrefix(path, "net/") {
			problem("key", "Only settings that begin with \"net.\" belong to a network namespace; this one is the whole machine's. Leave namespace out.")
		}
	}
	if !unknown.Has("value") && strings.ContainsAny(v.Value, "\n\x00") {
		problem("value", "The value must be one line.")
	}
	return errors.Join(errs...)
}

func (sysctl) Places(v *sysctlAttrs, unknown schema.Unknown) providers.Places {
	if unknown.Has("namespace") {
		return providers.Places{}
	}
	out := providers.Places{Within: []providers.Place{providers.NetworkNamespace(v.Namespace)}}
	if unknown.Has("key") {
		return out
	}
	out.Holds = []providers.Place{sysctlPlace(v)}
	if link := sysctlLink(sysctlPath(v.Key)); link != "" {
		out.Within = append(out.Within, providers.Link(v.Namespace, link))
	}
	return out
}

func (sysctl) Batch(v *sysctlAttrs) string { return v.Namespace }

func (sysctl) Check(s *snapshot, p *providers.Proposed[sysctlAttrs]) error {
	places := sysctl{}.Places(&p.Attrs, p.Unknown)
	ns, err := s.checkNamespace(p.Attrs.Namespace, p.Unknown, p.Vacated, p.Promised)
	if ns == nil || err != nil || len(places.Holds) == 0 {
		return err
	}
	for _, place := range places.Within {
		if p.Promised[place] {
			return nil
		}
	}
	got := ns.sysctls[places.Holds[0].Name]
	if err := cmp.Or(got.err, got.unwritable); err != nil {
		return explainSysctl(&p.Attrs, err, got.near)
	}
	return nil
}

// Prepare reads the value that is to come back one day.
func (sysctl) Prepare(ctx context.Context, k *session, op *sysctlOp) (sysctlIdentity, error) {
	if op.Action == providers.Delete {
		return op.Prior.Identity, nil
	}
	id := sysctlIdentity{Set: plainValue(op.Planned.Value)}
	if op.Action == providers.Update {
		id.Old = op.Prior.Identity.Old
		return id, nil
	}
	return id, k.withSysctls(ctx, op.Planned.Namespace, false, func(r *sysctlRegister) (err error) {
		id.Old, err = original(k, r, op)
		return err
	})
}

// original gives the value from before any stack set it.
func original(k *session, r *sysctlRegister, op *sysctlOp) (string, error) {
	path := sysctlPath(op.Planned.Key)
	if r != nil {
		_, e, err := k.foreignHolders(r, op)
		if err != nil || len(e.Holders) > 0 {
			return e.Original, err
		}
	}
	old, err := readSysctl(path)
	if err != nil {
		err = explainSysctl(&op.Planned, err, siblings(path))
	}
	return old, err
}

// foreignHolders gives the name of the setting's entry, and the entry without op's object:
// one that is still to be created holds nothing, so what is registered is of an object whose
// record was lost.
func (k *session) foreignHolders(r *sysctlRegister, op *sysctlOp) (name string, e sysctlEntry, err error) {
	v := &op.Planned
	if op.Action == providers.Delete || op.Action == providers.Release {
		v = &op.Prior.Attrs
	}
	if name, err = k.sysctlEntryName(v.Namespace, sysctlPath(v.Key)); err != nil {
		return "", e, err
	}
	e, err = r.entry(name)
	return name, e.without(k.sysctlHolder(op.Address)).without(k.sysctlHolder(op.PriorMarked())), err
}

// withSysctls runs f where the namespace's settings are, under the lock of the register: no
// other stack sets or restores meanwhile. The register is nil where there is none and none is
// to be made.
func (k *session) withSysctls(ctx context.Context, namespace string, create bool, f func(*sysctlRegister) error) error {
	if _, err := k.namespace(namespace); err != nil {
		return namespaceError(namespace, err)
	}
	r, err := k.openRegister(ctx, create)
	if err != nil {
		return err
	}
	err = k.inSysctls(ctx, namespace, func() error { return f(r) })
	if r != nil {
		err = errors.Join(err, r.close())
	}
	return err
}

// Apply sets or restores the settings of one namespace, one after the other.
func (sysctl) Apply(ctx context.Context, k *session, action providers.Action, ops []*sysctlOp) {
	if action == providers.Delete {
		restoreSysctls(ctx, k, ops)
		return
	}
	err := k.withSysctls(ctx, ops[0].Planned.Namespace, true, func(r *sysctlRegister) error {
		for _, op := range ops {
			setSysctl(k, r, op)
		}
		return nil
	})
	for _, op := range ops {
		if !op.Settled() {
			op.Fail(err)
		}
	}
}

// setSysctl registers the value and sets it, in this order: an object is held from before
// its first write on, so that one that a crash has left is found by its entry.
func setSysctl(k *session, r *sysctlRegister, op *sysctlOp) {
	name, others, err := k.foreignHolders(r, op)
	if err != nil {
		op.Fail(err)
		return
	}
	before, err := k.entryBefore(r, op, name, others)
	if err != nil {
		op.Fail(err)
		return
	}
	id := op.Intent
	if len(others.Holders) == 0 {
		others.Original = id.Old
	}
	others.Namespace, id.Old = op.Planned.Namespace, others.Original
	if err := r.set(name, others.with(k.sysctlHolder(op.Address), id.Set)); err != nil {
		op.Fail(err)
		return
	}
	if err := changeSysctl(op); err != nil {
		op.Fail(errors.Join(err, r.set(name, before)))
		return
	}
	op.Done(op.Planned, id)
}

// entryBefore gives what is registered if the setting cannot be set.
func (k *session) entryBefore(r *sysctlRegister, op *sysctlOp, name string, others sysctlEntry) (sysctlEntry, error) {
	if op.Action == providers.Create {
		return others, nil
	}
	return r.entry(name)
}

func changeSysctl(op *sysctlOp) error {
	path := sysctlPath(op.Planned.Key)
	was, err := readSysctl(path)
	if err == nil && was != op.Intent.Set {
		err = writeSysctl(path, op.Intent.Set)
	}
	var is string
	if err == nil {
		is, err = readSysctl(path)
	}
	switch {
	case err != nil:
		return explainSysctl(&op.Planned, err, siblings(path))
	case is != op.Intent.Set:
		return errors.Join(misread(&op.Planned, is), writeSysctl(path, was))
	}
	return nil
}

// restoreSysctls gives up the settings of one namespace.
func restoreSysctls(ctx context.Context, k *session, ops []*sysctlOp) {
	namespace := ops[0].Prior.Attrs.Namespace
	if _, err := k.namespace(namespace); noNamespace(err) {
		err := k.sweepSysctls(ctx)
		for _, op := range ops {
			if err != nil {
				op.Fail(err)
				continue
			}
			op.Gone()
		}
		return
	}
	err := k.withSysctls(ctx, namespace, true, func(r *sysctlRegister) error {
		for _, op := range ops {
			if err := restoreSysctl(k, r, op); err != nil {
				op.Fail(err)
				continue
			}
			op.Gone()
		}
		return nil
	})
	for _, op := range ops {
		if !op.Settled() {
			op.Fail(err)
		}
	}
}

// restoreSysctl gives the setting the value of whoever else holds it, or its original one,
// but not when somebody else changed it after diyform: then it is theirs.
func restoreSysctl(k *session, r *sysctlRegister, op *sysctlOp) error {
	path, id := sysctlPath(op.Prior.Attrs.Key), op.Prior.Identity
	name, others, err := k.foreignHolders(r, op)
	if err != nil {
		return err
	}
	if others.Holders == nil && others.Original == "" {
		others.Original = id.Old // it is not registered
	}
	is, err := readSysctl(path)
	if err == nil && is == id.Set && is != others.due() {
		err = writeSysctl(path, others.due())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return explainSysctl(&op.Prior.Attrs, err, nil)
	}
	return r.set(name, others)
}

// sweepSysctls clears the register of what went with its namespace.
func (k *session) sweepSysctls(ctx context.Context) error {
	r, err := k.openRegister(ctx, false)
	if r == nil || err != nil {
		return err
	}
	return errors.Join(r.sweep(), r.close())
}
