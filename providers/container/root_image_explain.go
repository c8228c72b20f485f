package container

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container/image"
	"github.com/diyform/diyform/providers/container/image/unpack"
)

// explainImage turns an error about an image's source into one for the user.
func explainImage(v *rootImageAttrs, err error) error {
	var known *diag.Problem
	if err == nil || errors.As(err, &known) || errors.Is(err, providers.ErrInterrupted) {
		return err
	}
	attribute, what := "oci", v.OCI
	switch {
	case v.Build != nil:
		attribute, what = "build.output", v.Build.Output
	case v.Archive != "":
		attribute, what = "archive", v.Archive
	}
	p := ExplainImage(what, err)
	p.Attribute = attribute
	if errors.Is(err, image.ErrPlatform) {
		p.Attribute = "platform"
	}
	var input *inputError
	if errors.As(err, &input) {
		p.Summary, p.Attribute = "An input of the build cannot be read", "build.inputs"
		p.Detail = fmt.Sprintf("%s: %s", input.name, diag.Sentence(reason(input.err)))
	}
	return p
}

// ExplainImage says for people why an image cannot be had. name is how they call it.
func ExplainImage(name string, err error) *diag.Problem {
	p := &diag.Problem{Summary: "The image cannot be had", Detail: fmt.Sprintf("%s: %s", name, diag.Sentence(err.Error())), Err: err}
	var answer *transport.Error
	switch {
	case errors.As(err, &answer):
		explainAnswer(p, name, answer)
	case errors.Is(err, image.ErrPlatform):
		p.Summary, p.Detail = "Not a platform", diag.Sentence(err.Error())
	case errors.Is(err, image.ErrReference):
		p.Summary, p.Detail = "Not an image", diag.Sentence(err.Error())
	case errors.Is(err, image.ErrPlain):
		p.Summary = "The registry is not secure"
		p.Detail += " Set insecure = true if that is meant."
	case errors.Is(err, image.ErrMismatch):
		p.Summary = "The image is damaged"
		p.Detail += " It was damaged or exchanged on its way, and nothing of it was kept. Try again; if it stays so, the source itself is wrong."
	case errors.Is(err, image.ErrNoPlatform):
		p.Summary = "The image is not for this platform"
		p.Detail += " Set platform to take another one."
	case errors.Is(err, image.ErrUnknownType):
		p.Summary = "This is no container image"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		p.Summary = "The disk is full"
		p.Detail += " `diyform image prune` removes images that nothing uses."
	case errors.Is(err, unpack.ErrNotTar), errors.Is(err, unpack.ErrDamaged):
		p.Summary = "The archive cannot be read"
	case errors.Is(err, fs.ErrNotExist):
		p.Summary = "The source of the image is not there"
		p.Detail = fmt.Sprintf("%s: %s", name, diag.Sentence(reason(err)))
	case isUntrusted(err):
		p.Summary = "The registry's certificate proves nothing"
		p.Detail += " Add the authority that issued it to those that this machine trusts, or name its file in SSL_CERT_FILE; " +
			"set insecure = true if nothing is to be proved."
	case isUnreachable(err):
		p.Summary = "The registry cannot be reached"
		p.Detail += " Check the name, the network, and HTTPS_PROXY."
	}
	return p
}

// isUnreachable reports whether a registry could not be spoken to. Not by net.Error: errors of
// system calls, of files too, are such.
func isUnreachable(err error) bool {
	var request *url.Error
	var connection *net.OpError
	return !isUntrusted(err) && (errors.As(err, &request) || errors.As(err, &connection))
}

// isUntrusted reports whether a registry could not prove that it is who it should be.
func isUntrusted(err error) bool {
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &certificate)
}

// explainAnswer says what a registry answered, and to what.
func explainAnswer(p *diag.Problem, name string, answer *transport.Error) {
	asked := ""
	if answer.Request != nil {
		asked = fmt.Sprintf(" (%s %s)", answer.Request.Method, answer.Request.URL.Redacted())
	}
	said := strings.ToLower(http.StatusText(answer.StatusCode))
	for _, d := range answer.Errors {
		said += "; " + d.String()
	}
	p.Detail = fmt.Sprintf("%s: the registry answers %d, %s%s.", name, answer.StatusCode, said, asked)
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		p.Summary = "The registry wants other credentials"
		p.Detail += " Run docker login or podman login for it: diyform reads ~/.docker/config.json, or that of DOCKER_CONFIG, " +
			"and podman's auth.json. Registries also answer so if there is no such image."
	case http.StatusNotFound:
		p.Summary = "The registry has no such image"
	case http.StatusTooManyRequests:
		p.Summary = "The registry limits requests"
		p.Detail += " Wait, or log in."
	default:
		p.Summary = "The registry cannot give the image"
	}
}
