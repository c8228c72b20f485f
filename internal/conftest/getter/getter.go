// Package getter stands in for hashicorp/go-getter where conftest is built for the tests:
// policies are beside them, and nothing is fetched. The real one is 500 packages of clouds'
// clients, more than half of what there is to compile.
package getter

import (
	"context"
	"errors"
	"net/url"
)

var errNothingIsFetched = errors.New("this conftest fetches nothing")

// Detector tells what a source means.
type Detector interface {
	Detect(src, pwd string) (string, bool, error)
}

type noDetector struct{}

func (*noDetector) Detect(string, string) (string, bool, error) { return "", false, nil }

// GitHubDetector and the following know no source.
type (
	GitHubDetector    struct{ noDetector }
	GitDetector       struct{ noDetector }
	BitBucketDetector struct{ noDetector }
	S3Detector        struct{ noDetector }
	GCSDetector       struct{ noDetector }
	FileDetector      struct{ noDetector }
)

// Detect knows no source.
func Detect(string, string, []Detector) (string, error) { return "", errNothingIsFetched }

// Getter fetches.
type Getter interface {
	Get(dst string, src *url.URL) error
	GetFile(dst string, src *url.URL) error
	ClientMode(src *url.URL) (ClientMode, error)
	SetClient(c *Client)
}

type noGetter struct{}

func (*noGetter) Get(string, *url.URL) error              { return errNothingIsFetched }
func (*noGetter) GetFile(string, *url.URL) error          { return errNothingIsFetched }
func (*noGetter) ClientMode(*url.URL) (ClientMode, error) { return ClientModeAny, nil }
func (*noGetter) SetClient(*Client)                       {}

// FileGetter and the following fetch nothing.
type (
	FileGetter struct{ noGetter }
	GitGetter  struct{ noGetter }
	GCSGetter  struct{ noGetter }
	HgGetter   struct{ noGetter }
	S3Getter   struct{ noGetter }
	HttpGetter struct{ noGetter }
)

// ClientMode is what is fetched.
type ClientMode uint

// ClientModeAny and ClientModeDir are the modes that conftest names.
const (
	ClientModeAny ClientMode = iota
	ClientModeDir
)

// ClientOption changes a client.
type ClientOption func(*Client) error

// Client would fetch.
type Client struct {
	Ctx           context.Context
	Src, Dst, Pwd string
	Mode          ClientMode
	Detectors     []Detector
	Getters       map[string]Getter
	Options       []ClientOption
}

// Get fetches nothing.
func (*Client) Get() error { return errNothingIsFetched }
