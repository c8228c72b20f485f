package image

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// ErrPlain says that a registry would be spoken to without encryption, which was not allowed.
var ErrPlain = errors.New("the registry does not encrypt what it sends")

func (s Source) reference() (name.Reference, error) {
	var options []name.Option
	if s.Insecure {
		options = append(options, name.Insecure)
	}
	ref, err := name.ParseReference(s.Name, options...)
	if err != nil {
		return nil, fmt.Errorf("%q %w", s.Name, ErrReference)
	}
	return ref, nil
}

// findRemote asks the registry for manifest and configuration.
func findRemote(ctx context.Context, src Source, platform v1.Platform) (*origin, error) {
	ref, err := src.reference()
	if err != nil {
		return nil, err
	}
	carrier := transportFor(src.Insecure)
	d, err := remote.Get(ref, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithTransport(carrier), remote.WithUserAgent("diyform"), remote.WithJobs(parallel))
	if err != nil {
		return nil, fmt.Errorf("ask registry for %s: %w", ref.Name(), err)
	}
	if err := verify(d.Manifest, d.Digest); err != nil {
		return nil, fmt.Errorf("ask registry for %s: %w", ref.Name(), err)
	}
	switch {
	case d.MediaType.IsIndex():
		ii, err := d.ImageIndex()
		if err != nil {
			return nil, fmt.Errorf("read index: %w", err)
		}
		m, err := ii.IndexManifest()
		if err != nil {
			return nil, fmt.Errorf("read index: %w", err)
		}
		return choose(ii, m.Manifests, platform)
	case d.MediaType.IsImage():
		i, err := d.Image()
		if err != nil {
			return nil, fmt.Errorf("read manifest: %w", err)
		}
		return originOf(i, d.Digest, platform)
	}
	return nil, fmt.Errorf("%w: its media type is %q", ErrUnknownType, d.MediaType)
}

// encrypted refuses to speak HTTP without TLS to other machines: the library would, to those
// with addresses of private networks.
type encrypted struct{ http.RoundTripper }

func (e encrypted) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !isLoopback(r.URL.Hostname()) {
		return nil, fmt.Errorf("%s: %w", r.URL.Host, ErrPlain)
	}
	return e.RoundTripper.RoundTrip(r)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func transportFor(insecure bool) http.RoundTripper {
	if !insecure {
		return encrypted{remote.DefaultTransport}
	}
	base, ok := remote.DefaultTransport.(*http.Transport)
	if !ok {
		return remote.DefaultTransport
	}
	open := base.Clone()
	open.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the user asked for it
	return open
}
