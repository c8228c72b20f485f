package container

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestExplainUntrustedRegistry(t *testing.T) {
	cause := &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
	err := fmt.Errorf("ask registry: %w", &url.Error{Op: "Get", URL: "https://registry.test/v2/", Err: cause})
	p := ExplainImage("registry.test/x", err)
	if p.Summary != "The registry's certificate proves nothing" || !strings.Contains(p.Detail, "SSL_CERT_FILE") {
		t.Errorf("it is %s: %s", p.Summary, p.Detail)
	}
	if isUnreachable(err) {
		t.Error("it counts as a registry that cannot be reached, instead of which an old image would do")
	}
}
