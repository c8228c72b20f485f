package modsource

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/diyform/diyform/internal/diag"
)

// fetchArchive downloads an archive, verifies it, and only then unpacks it into the folder dir.
func (s *Store) fetchArchive(ctx context.Context, src Source, dir string, o Options) (digest string, err error) {
	file, err := os.OpenFile(filepath.Join(filepath.Dir(dir), "download"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("keep download: %w", err)
	}
	defer file.Close() // it was only read since it was verified
	digest, err = s.download(ctx, src, file, newProgress(o.Log))
	if err != nil {
		return "", err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("read download: %w", err)
	}
	if err := s.unpack(ctx, src, file, dir); err != nil {
		return "", err
	}
	return digest, nil
}

// errStalled is the cause of a download that is given up.
var errStalled = errors.New("nothing came from the server for a long time")

func (s *Store) download(ctx context.Context, src Source, file io.Writer, p *progress) (digest string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(s.limits.stall, func() { cancel(errStalled) })
	defer watch.Stop()
	response, err := s.request(ctx, src)
	if err != nil {
		return "", stalledOr(ctx, err)
	}
	defer response.Body.Close()
	if response.ContentLength > s.limits.download {
		return "", s.tooLarge(src)
	}
	sums := map[string]hash.Hash{"sha256": sha256.New(), "sha512": sha512.New()}
	body := &meter{r: response.Body, watch: watch, stall: s.limits.stall, progress: p, name: src.pkgName(), total: response.ContentLength}
	n, err := io.Copy(io.MultiWriter(file, sums["sha256"], sums["sha512"]), io.LimitReader(body, s.limits.download+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "", fmt.Errorf("the connection ended after %s of %s", size(n), size(response.ContentLength))
	case err != nil:
		return "", stalledOr(ctx, err)
	case n > s.limits.download:
		return "", s.tooLarge(src)
	}
	if want := src.Checksum; want.Algorithm != "" {
		if got := hex.EncodeToString(sums[want.Algorithm].Sum(nil)); got != want.Hex {
			return "", mismatch(src, got)
		}
	}
	return "sha256:" + hex.EncodeToString(sums["sha256"].Sum(nil)), nil
}

func stalledOr(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

func mismatch(src Source, got string) error {
	return &diag.Problem{
		Summary: "Module archive is not the expected one",
		Detail: fmt.Sprintf("The checksum of %s is %s:%s, and the configuration says %s. Either the archive was changed where it is kept, or the checksum is that of another one. Nothing of it was unpacked. Find out which it is before you write the new checksum.",
			src.pkgName(), src.Checksum.Algorithm, got, src.Checksum),
	}
}

func (s *Store) tooLarge(src Source) error {
	return &diag.Problem{
		Summary: "Module archive is too large",
		Detail:  fmt.Sprintf("%s is larger than %s, which no module is. Is it the right archive?", src.pkgName(), size(s.limits.download)),
	}
}

// client follows redirections. Without a checksum, what begins encrypted goes on so.
func (s *Store) client(src Source) *http.Client {
	return &http.Client{
		Transport: s.transport,
		CheckRedirect: func(to *http.Request, before []*http.Request) error {
			switch {
			case len(before) >= 10:
				return errors.New("the server sends from one address to the next, ten times")
			case to.URL.Scheme != "https" && to.URL.Scheme != "http":
				return fmt.Errorf("the server sends to %s, which is not read", to.URL.Redacted())
			case to.URL.Scheme == "http" && src.Checksum.Algorithm == "":
				return fmt.Errorf("the server sends to %s, where what comes can be changed on its way. Add \"checksum=sha256:...\" to the source", to.URL.Redacted())
			}
			return nil
		},
	}
}

func (s *Store) request(ctx context.Context, src Source) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, src.URL, nil)
	if err != nil {
		return nil, errors.New(reason(err))
	}
	r.Header.Set("User-Agent", "diyform")
	response, err := s.client(src).Do(r)
	if err != nil {
		return nil, errors.New(reason(err))
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	err = fmt.Errorf("the server answers %s", response.Status)
	switch response.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		err = fmt.Errorf("%w: it wants to know who asks. A name and a password may be written before the host, \"https://NAME:PASSWORD@HOST/\"; better is a git repository, for which git knows them", err)
	case http.StatusNotFound, http.StatusGone:
		err = fmt.Errorf("%w: there is nothing at this address", err)
	}
	return nil, errors.Join(err, response.Body.Close())
}

// meter tells how far a download is, and that it goes on.
type meter struct {
	r        io.Reader
	watch    *time.Timer
	stall    time.Duration
	progress *progress
	name     string
	n, total int64
}

func (m *meter) Read(b []byte) (int, error) {
	n, err := m.r.Read(b)
	m.n += int64(n)
	m.watch.Reset(m.stall)
	m.progress.tell(func() string {
		if m.total > 0 {
			return fmt.Sprintf("%s: %s of %s", m.name, size(m.n), size(m.total))
		}
		return fmt.Sprintf("%s: %s", m.name, size(m.n))
	})
	return n, err
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n < 0:
		return "an unknown size"
	case n < 10_000:
		return fmt.Sprintf("%d bytes", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d kB", n/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// beginning says what a file that is no archive looks like.
func beginning(b []byte) string {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("<")) {
		return " It looks like a web page: is this the address of the file itself?"
	}
	return ""
}
