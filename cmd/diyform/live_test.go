package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/internal/addr"
)

// screen does what a terminal does with the few sequences that live writes.
func screen(t *testing.T, text string) []string {
	t.Helper()
	lines := []string{""}
	at := 0
	for len(text) > 0 {
		var up int
		if n, _ := fmt.Sscanf(text, "\x1b[%dA\r\x1b[J", &up); n == 1 {
			if at -= up; at < 0 {
				t.Fatalf("drawn above the screen: %q", lines)
			}
			lines = append(lines[:at:at], "")
			text = text[strings.Index(text, "J")+1:]
			continue
		}
		line, rest, found := strings.Cut(text, "\n")
		if strings.Contains(line, "\x1b") {
			t.Fatalf("what a terminal without colours does not know: %q", line)
		}
		lines[at] += line
		if found {
			lines, at = append(lines, ""), at+1
		}
		text = rest
	}
	return lines[:len(lines)-1]
}

func instance(t *testing.T, text string) addr.Instance {
	t.Helper()
	a, err := addr.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestLive(t *testing.T) {
	var out bytes.Buffer
	l := &live{underWay: underWays{}, out: &out, total: 5, begun: time.Now(), size: func() (int, int) { return 40, 24 }}
	l.beat = newHeartbeat(time.Hour, func() {})
	start := func(a string) {
		l.step(apply.Event{Kind: apply.Started, Address: instance(t, a), Action: "create"})
	}
	start("container.slow")
	start("bridge.lan")
	l.draw()
	l.draw() // in place
	if diff := cmp.Diff([]string{
		"  container.slow: creating 0s", "  bridge.lan: creating 0s", "0 of 5 done, 2 under way, 0s",
	}, screen(t, out.String())); diff != "" {
		t.Error(diff)
	}

	l.step(apply.Event{Kind: apply.Finished, Address: instance(t, "bridge.lan"), Action: "create", Elapsed: 5 * time.Millisecond})
	l.step(apply.Event{Kind: apply.Proceeded, Address: instance(t, "container.slow"), Action: "create", Text: "waiting for healthy, which takes"})
	start("route.a")
	l.step(apply.Event{Kind: apply.Failed, Address: instance(t, "route.a"), Action: "create"})
	l.step(apply.Event{Kind: apply.Skipped, Address: instance(t, "route.b"), Action: "create", Cause: instance(t, "route.a")})
	l.draw()
	if diff := cmp.Diff([]string{
		"bridge.lan: Creation complete after 5ms",
		"route.a: Creation failed after 0s",
		"route.b: Not tried, because of route.a",
		"  container.slow: creating 0s  waiting…",
		"1 of 5 done, 1 failed, 1 not tried, 1 …",
	}, screen(t, out.String())); diff != "" {
		t.Error(diff)
	}

	for i := range 30 {
		start(fmt.Sprintf("veth_pair.h[%d]", i))
	}
	l.draw()
	if got := screen(t, out.String()); len(got) != 3+mostLines+2 || got[len(got)-2] != "  and 21 more" {
		t.Errorf("got %q", got)
	}
	l.close()
	if got := screen(t, out.String()); len(got) != 3 {
		t.Errorf("something is left at the end: %q", got)
	}
}

// What is under way for long is told of again, and only then.
func TestOverdue(t *testing.T) {
	list := underWays{}
	list.note(apply.Event{Kind: apply.Started, Address: instance(t, "bridge.a"), Action: "create"})
	list.note(apply.Event{Kind: apply.Started, Address: instance(t, "bridge.b"), Action: "delete"})
	begun := list.sorted()[0].begun
	for _, test := range []struct {
		after time.Duration
		want  int
	}{{stillEvery - time.Second, 0}, {stillEvery + time.Second, 2}, {stillEvery + 2*time.Second, 0}, {2*stillEvery + 2*time.Second, 2}} {
		if got := list.overdue(begun.Add(test.after)); len(got) != test.want {
			t.Errorf("after %s: got %d", test.after, len(got))
		}
	}
	list.note(apply.Event{Kind: apply.Finished, Address: instance(t, "bridge.b"), Action: "delete"})
	if len(list) != 1 || list.sorted()[0].address.Name != "a" {
		t.Errorf("got %v", list)
	}
}
