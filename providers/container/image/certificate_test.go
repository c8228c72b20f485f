package image_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/diyform/diyform/internal/playhost"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/image"
)

// A certificate that no known authority has signed is an error that says so.
func TestUnknownCertificate(t *testing.T) {
	playtest.Require(t)
	for _, address := range []string{playhost.HostAddress4, "127.0.0.1"} {
		listener, err := net.Listen("tcp", address+":0")
		if err != nil {
			t.Fatal(err)
		}
		silent := log.New(io.Discard, "", 0)
		server := &httptest.Server{Listener: listener, Config: &http.Server{
			Handler: registry.New(registry.Logger(silent)), ErrorLog: silent,
		}}
		server.StartTLS()
		t.Cleanup(server.Close)
		source := image.Source{Name: listener.Addr().String() + "/x/y:1", Platform: platform}
		store := image.Open(filepath.Join(t.TempDir(), "images"))
		_, err = store.Pull(t.Context(), source, nil)
		var untrusted *tls.CertificateVerificationError
		if !errors.As(err, &untrusted) {
			t.Errorf("%s: error is %v", address, err)
		}
		source.Insecure = true
		_, err = store.Pull(t.Context(), source, nil)
		var answer *transport.Error
		if !errors.As(err, &answer) || answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s, when nothing is to be proved: error is %v", address, err)
		}
	}
}
