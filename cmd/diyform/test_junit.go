package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"github.com/diyform/diyform/apply/trial"
)

// The results in the form of JUnit, as CI servers read it and `terraform test -junit-xml`
// writes it: a suite a file, a case a run.

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
	SystemErr *junitText  `xml:"system-err"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Skipped *junitMessage `xml:"skipped"`
	Failure *junitMessage `xml:"failure"`
	Error   *junitMessage `xml:"error"`
	Output  *junitText    `xml:"system-err"`
}

type junitMessage struct {
	Message string `xml:"message,attr,omitempty"`
	Text    string `xml:",cdata"`
}

type junitText struct {
	Text string `xml:",cdata"`
}

func (r *testReport) junit() ([]byte, error) {
	var all junitSuites
	for _, file := range r.files {
		all.Suites = append(all.Suites, file.junit())
	}
	var out bytes.Buffer
	out.WriteString(xml.Header)
	enc := xml.NewEncoder(&out)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return nil, fmt.Errorf("encode results: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func (f *testedFile) junit() junitSuite {
	s := junitSuite{Name: f.path, Tests: len(f.runs), Timestamp: f.begun.UTC().Format("2006-01-02T15:04:05Z")}
	for _, run := range f.runs {
		c := junitCase{Name: run.Run, Class: f.path, Time: strconv.FormatFloat(run.Elapsed, 'f', 3, 64)}
		text := plain(run.Text)
		switch run.Status {
		case trial.Skip:
			s.Skipped++
			c.Skipped = &junitMessage{Message: "An earlier run of the file could not be carried out"}
		case trial.Fail:
			s.Failures++
			c.Failure = &junitMessage{Message: fmt.Sprintf("%d of %d assertions failed", run.Failed, run.Asserts), Text: text}
			if run.Failed == 0 {
				c.Failure.Message = summaries(run)
			}
		case trial.Error:
			s.Errors++
			c.Error = &junitMessage{Message: summaries(run), Text: text}
		default:
			if text != "" {
				c.Output = &junitText{text} // warnings
			}
		}
		s.Cases = append(s.Cases, c)
	}
	if f.end != nil && f.end.hasErrors() {
		// A suite has no place for what belongs to no case, and must not look passed.
		s.Tests, s.Errors = s.Tests+1, s.Errors+1
		s.Cases = append(s.Cases, junitCase{Name: "destroy", Class: f.path, Time: "0.000",
			Error: &junitMessage{Message: summaries(*f.end), Text: plain(f.end.Text)}})
	}
	return s
}

func summaries(e testEvent) string {
	var list []string
	for _, d := range e.Diags {
		if d.Severity == "error" {
			list = append(list, d.Summary)
		}
	}
	return strings.Join(list, "; ")
}

// plain takes the colours, and whatever XML cannot hold, out of a text.
func plain(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if strings.HasPrefix(text[i:], "\x1b[") {
			if end := strings.IndexByte(text[i:], 'm'); end > 0 {
				i += end
				continue
			}
		}
		if c := text[i]; c >= ' ' || c == '\n' || c == '\t' {
			b.WriteByte(c)
		}
	}
	return strings.TrimSpace(strings.ToValidUTF8(b.String(), "?"))
}
