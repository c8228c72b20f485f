package supervisor

import (
	"testing"
	"time"
)

func TestEnding(t *testing.T) {
	started := time.Date(2026, 5, 4, 10, 0, 0, 0, time.Local)
	exited := Status{Phase: Exited, StartedAt: started, EndedAt: started.Add(1500 * time.Millisecond)}
	for want, change := range map[string]func(*Status){
		"": func(s *Status) { s.Phase = Running },
		"Its command ended with exit code 3 at 2026-05-04 10:00:01, after 1.5s.": func(s *Status) { s.Exit = &Exit{Code: 3} },
		"Its command was ended by SIGKILL at 2026-05-04 10:00:01, after 1.5s.":   func(s *Status) { s.Exit = &Exit{Code: 137, Signal: 9} },
		"Its command was ended by signal 40 at 2026-05-04 10:00:01, after 1.5s.": func(s *Status) { s.Exit = &Exit{Code: 168, Signal: 40} },
		"It is exited: it ended while no supervisor was there to see how.":       func(s *Status) { s.Problem = "it ended while no supervisor was there to see how" },
		"It is lost.": func(s *Status) { s.Phase = Lost },
	} {
		s := exited
		change(&s)
		if got := s.Ending(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
