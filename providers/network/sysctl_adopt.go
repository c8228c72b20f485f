package network

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

type recordedSysctl = providers.Recorded[sysctlAttrs, sysctlIdentity]

func (sysctl) ImportForm() string {
	return "KEY, as net.ipv4.ip_forward, with NAMESPACE/ before it where that is not the host's"
}

// sysctlRoots are the folders of /proc/sys.
var sysctlRoots = []string{"abi", "crypto", "debug", "dev", "fs", "kernel", "net", "sunrpc", "user", "vm"}

// Locate takes what stands before the first slash for a namespace, as in lab/net.ipv4.ip_forward,
// unless it is one of the kernel's own names, with which a key with slashes begins.
func (sysctl) Locate(id string) (sysctlAttrs, error) {
	v := sysctlAttrs{Key: id}
	first, rest, slash := strings.Cut(id, "/")
	if slash && !strings.Contains(first, ".") && !slices.Contains(sysctlRoots, first) {
		v.Namespace, v.Key = first, rest
		if err := schema.CheckFormat("namespace", first); err != nil {
			return v, err
		}
	}
	if !strings.ContainsAny(v.Key, "./") {
		return v, errors.New("a key has dots between its parts")
	}
	v.Key = dottedKey(v.Key)
	return v, sysctl{}.Validate(&v, schema.Unknown{"value": true})
}

// dottedKey writes a key as most do, with dots: the other way of writing it would be another
// setting to configuration.
func dottedKey(key string) string {
	if path := sysctlPath(key); !strings.Contains(path, ".") {
		return strings.ReplaceAll(path, "/", ".")
	}
	return key
}

func (sysctl) ImportPlaces(*sysctlAttrs) []providers.Place { return []providers.Place{namesPlace} }

// Import takes the present value for the one that comes back on destroy.
func (sysctl) Import(s *snapshot, r *recordedSysctl) (*recordedSysctl, error) {
	ns, err := s.importNamespace(r.Attrs.Namespace)
	if err != nil {
		return nil, err
	}
	got := ns.sysctls[sysctlPath(r.Attrs.Key)]
	if err := cmp.Or(got.err, got.unwritable); err != nil {
		return nil, explainSysctl(&r.Attrs, err, got.near)
	}
	out := *r
	out.Attrs.Value = got.value
	out.Identity = sysctlIdentity{Old: got.value, Set: got.value}
	return &out, nil
}

// Release takes this state's entry out of the register. The setting keeps its value.
func (sysctl) Release(ctx context.Context, k *session, ops []*sysctlOp) {
	for _, op := range ops {
		if _, err := k.namespace(op.Prior.Attrs.Namespace); noNamespace(err) {
			settleRelease(op, k.sweepSysctls(ctx))
			continue
		}
		settleRelease(op, k.withSysctls(ctx, op.Prior.Attrs.Namespace, true, func(r *sysctlRegister) error {
			name, others, err := k.foreignHolders(r, op)
			if err != nil {
				return err
			}
			return r.set(name, others)
		}))
	}
}

var _ providers.Importer[sysctlAttrs, sysctlIdentity, *snapshot] = sysctl{}
var _ providers.Releaser[sysctlAttrs, sysctlIdentity, *session] = sysctl{}
