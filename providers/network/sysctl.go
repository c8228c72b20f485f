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
	Old string `json:"old"` // before diyform set it first
	Set string `json:"set"` // what diyform set it to last
}

type sysctl struct{}

func defineSysctl() providers.Def[*snapshot, *session] {
	return providers.Define("sysctl",
		"A setting of the kernel below /proc/sys. The value it had before comes back on destroy, unless somebody else has set "+
			"another one meanwhile. Setting net.ipv6.conf.all.forwarding to 1 makes the host ignore router advertisements, "+
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
	if r.Unfinished && got.value != written {
		return nil, nil
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
	ns, err := s.checkNamespace(p.Attrs.Namespace, p.Unknown, p.Promised)
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
func (sysctl) Prepare(ctx context.Context, k *session, op *providers.Op[sysctlAttrs, sysctlIdentity]) (sysctlIdentity, error) {
	if op.Action == providers.Delete {
		return op.Prior.Identity, nil
	}
	id := sysctlIdentity{Set: plainValue(op.Planned.Value)}
	if op.Action == providers.Update {
		id.Old = op.Prior.Identity.Old
		return id, nil
	}
	path := sysctlPath(op.Planned.Key)
	var readErr error
	err := k.inSysctls(ctx, op.Planned.Namespace, func() error {
		if id.Old, readErr = readSysctl(path); readErr != nil {
			readErr = explainSysctl(&op.Planned, readErr, siblings(path))
		}
		return nil
	})
	if err != nil {
		return id, namespaceError(op.Planned.Namespace, err)
	}
	return id, readErr
}

// Apply sets or restores the settings of one namespace, one after the other.
func (sysctl) Apply(ctx context.Context, k *session, action providers.Action, ops []*providers.Op[sysctlAttrs, sysctlIdentity]) {
	if action == providers.Delete {
		restoreSysctls(ctx, k, ops)
		return
	}
	err := k.inSysctls(ctx, ops[0].Planned.Namespace, func() error {
		for _, op := range ops {
			setSysctl(op)
		}
		return nil
	})
	for _, op := range ops {
		if !op.Settled() {
			op.Fail(namespaceError(op.Planned.Namespace, err))
		}
	}
}

func setSysctl(op *providers.Op[sysctlAttrs, sysctlIdentity]) {
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
		op.Fail(explainSysctl(&op.Planned, err, siblings(path)))
	case is != op.Intent.Set:
		op.Fail(errors.Join(misread(&op.Planned, is), writeSysctl(path, was)))
	default:
		op.Done(op.Planned, op.Intent)
	}
}

// restoreSysctls gives the old values back, but for settings that somebody else changed
// after diyform: those are theirs now.
func restoreSysctls(ctx context.Context, k *session, ops []*providers.Op[sysctlAttrs, sysctlIdentity]) {
	err := k.inSysctls(ctx, ops[0].Prior.Attrs.Namespace, func() error {
		for _, op := range ops {
			path, id := sysctlPath(op.Prior.Attrs.Key), op.Prior.Identity
			is, err := readSysctl(path)
			if err == nil && is == id.Set && is != id.Old {
				err = writeSysctl(path, id.Old)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				op.Fail(explainSysctl(&op.Prior.Attrs, err, nil))
				continue
			}
			op.Gone()
		}
		return nil
	})
	for _, op := range ops {
		switch {
		case op.Settled():
		case noNamespace(err):
			op.Gone()
		default:
			op.Fail(err)
		}
	}
}
