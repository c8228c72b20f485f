package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
)

// stream writes what a command does as JSON, a message a line, with the types of messages that
// Terraform's machine-readable UI has.
type stream struct {
	mu  sync.Mutex
	enc *json.Encoder
}

// streamVersion is that of the messages' form.
const streamVersion = "1.2"

// startStream has all that the view says from now on go to a stream, if it is asked for.
func (v *view) startStream(asked bool) {
	if !asked {
		return
	}
	v.stream = newStream(v.out)
	v.stream.info("version", "diyform "+version, fields{
		"terraform": plan.TerraformVersion, "diyform": version, "ui": streamVersion,
	})
}

func newStream(w io.Writer) *stream { return &stream{enc: newEncoder(w)} }

// fields are what a message has besides what all have.
type fields map[string]any

func (s *stream) info(kind, text string, f fields) { s.message("info", kind, text, f) }

// log is a message of no other type.
func (s *stream) log(text string) { s.info("log", text, nil) }

func (s *stream) message(level, kind, text string, f fields) {
	m := map[string]any{
		"@level": level, "@message": text, "@module": "terraform.ui", "type": kind,
		"@timestamp": time.Now().Format("2006-01-02T15:04:05.000000Z07:00"),
	}
	for name, value := range f {
		m[name] = value
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.enc.Encode(m) // whoever read it is gone: nobody to tell
}

func (s *stream) diagnostics(files map[string]*hcl.File, diags hcl.Diagnostics) {
	for _, d := range diag.ErrorsLast(diags) {
		level, word := "error", "Error"
		if d.Severity == hcl.DiagWarning {
			level, word = "warn", "Warning"
		}
		s.message(level, "diagnostic", fmt.Sprintf("%s: %s", word, d.Summary), fields{"diagnostic": diag.NewDocument(d, files)})
	}
}
