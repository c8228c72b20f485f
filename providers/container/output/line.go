package output

import (
	"bytes"
	"time"
)

// A log has a line for each line of output, as Kubernetes' container runtimes write it
// (kubernetes/cri-api, "CRI logging"):
//
//	2026-11-23T20:59:47.000000123Z stdout F the line
//	2026-11-23T20:59:47.000000456Z stderr P a piece of a longer line, or one that has not ended yet

// Stream is where something was written.
type Stream string

// The streams of a command.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// Entry is a line of a log.
type Entry struct {
	// Time is when it was read from the container; zero, where the log does not say it.
	Time   time.Time
	Stream Stream
	// Partial says that the text goes on in the next entry of the stream.
	Partial bool
	Text    []byte // without newline
}

// timeLayout has a fixed width: a batch that is written again after a crash has the same
// length, so who follows the log goes on at the right place.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// maxText is the longest text of one entry.
const maxText = 16 << 10

// appendEntries appends output in the form of a log.
func appendEntries(to []byte, now time.Time, stream Stream, output []byte) []byte {
	head := append(now.UTC().AppendFormat(nil, timeLayout), " "+stream+" "...)
	for len(output) > 0 {
		text, rest, tag := output, []byte(nil), "P "
		if i := bytes.IndexByte(output, '\n'); i >= 0 {
			text, rest, tag = output[:i], output[i+1:], "F "
		}
		if len(text) > maxText {
			text, rest, tag = output[:maxText], output[maxText:], "P "
		}
		to = append(append(append(append(to, head...), tag...), text...), '\n')
		output = rest
	}
	return to
}

// parseEntry reads a line of a log, which may have lost its newline or anything else in a
// crash: what is no entry is shown as it is. The text is part of the line.
func parseEntry(line []byte) Entry {
	line = bytes.TrimSuffix(line, []byte("\n"))
	asIs := Entry{Stream: Stdout, Text: line}
	stamp, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return asIs
	}
	when, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return asIs
	}
	stream, rest, ok := bytes.Cut(rest, []byte(" "))
	if !ok || Stream(stream) != Stdout && Stream(stream) != Stderr {
		return asIs
	}
	tag, text, ok := bytes.Cut(rest, []byte(" "))
	if !ok || string(tag) != "F" && string(tag) != "P" {
		return asIs
	}
	e := Entry{Time: when, Stream: Stdout, Partial: string(tag) == "P", Text: text}
	if Stream(stream) == Stderr {
		e.Stream = Stderr
	}
	return e
}
