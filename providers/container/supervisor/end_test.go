package supervisor

import (
	"errors"
	"testing"
	"time"
)

func TestEnded(t *testing.T) {
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	failed, succeeded := &Exit{Code: 1}, &Exit{}
	always, onFailure := Restart{Policy: RestartAlways, Delay: time.Second}, Restart{Policy: RestartOnFailure, Max: 3}
	for _, c := range []struct {
		name     string
		record   Record
		restart  Restart
		exit     *Exit
		ran      time.Duration
		want     Phase
		pause    time.Duration
		restarts int
	}{
		{"never", Record{Status: Status{Phase: Running}}, Restart{}, failed, time.Second, Exited, 0, 0},
		{"always", Record{Status: Status{Phase: Running}}, always, succeeded, time.Second, Restarting, time.Second, 1},
		{"always, the third time", Record{Status: Status{Phase: Running, Restarts: 2}, Streak: 2}, always, succeeded, time.Second, Restarting, 4 * time.Second, 3},
		{"always, the hundredth time", Record{Status: Status{Phase: Running, Restarts: 99}, Streak: 99}, always, succeeded, time.Second, Restarting, time.Minute, 100},
		{"always, after a while", Record{Status: Status{Phase: Running, Restarts: 99}, Streak: 99}, always, succeeded, steady, Restarting, time.Second, 100},
		{"on failure, succeeded", Record{Status: Status{Phase: Running}}, onFailure, succeeded, time.Second, Exited, 0, 0},
		{"on failure, failed", Record{Status: Status{Phase: Running}}, onFailure, failed, time.Second, Restarting, minDelay, 1},
		{"on failure, not known", Record{Status: Status{Phase: Running}}, onFailure, nil, time.Second, Restarting, minDelay, 1},
		{"on failure, too often", Record{Status: Status{Phase: Running, Restarts: 3}, Streak: 3}, onFailure, failed, time.Second, Exited, 0, 3},
		{"stopped", Record{Status: Status{Phase: Running, Stopping: true}}, always, failed, time.Second, Stopped, 0, 0},
		{"did not start again", Record{Status: Status{Phase: Starting}}, always, nil, time.Second, Restarting, time.Second, 1},
		{"never started", Record{Status: Status{Phase: Starting}}, always, nil, 0, Lost, 0, 0},
		{"stopped before its start", Record{Status: Status{Phase: Created, Stopping: true}}, always, nil, 0, Lost, 0, 0},
		{"stopped while it waited", Record{Status: Status{Phase: Waiting, Stopping: true}}, always, nil, 0, Stopped, 0, 0},
		{"ended by adoption while it waited", Record{Status: Status{Phase: Restarting, NextStart: start}}, Restart{}, nil, 0, Restarting, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := c.record
			r.Settings.Restart = c.restart
			if c.ran > 0 {
				r.StartedAt = start
			}
			now := start.Add(c.ran)
			r.ended(ending{at: now, exit: c.exit})
			if r.Phase != c.want || r.Restarts != c.restarts || r.Stopping {
				t.Errorf("it is %s after %d restarts, want %s after %d", r.Phase, r.Restarts, c.want, c.restarts)
			}
			if c.want == Restarting && r.NextStart.Sub(now) != c.pause {
				t.Errorf("it pauses for %v, want %v", r.NextStart.Sub(now), c.pause)
			}
		})
	}
}

func TestHealthAfter(t *testing.T) {
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	check := &HealthCheck{Interval: time.Second, Retries: 2, StartPeriod: 10 * time.Second}
	bad := errors.New("connection refused")
	health := check.begin()
	for i, step := range []struct {
		at     time.Duration
		err    error
		status HealthStatus
		fails  int
	}{
		{time.Second, bad, HealthUnknown, 0}, // does not count yet
		{9 * time.Second, bad, HealthUnknown, 0},
		{11 * time.Second, bad, HealthUnknown, 1},
		{12 * time.Second, nil, Healthy, 0},
		{13 * time.Second, bad, Healthy, 1},
		{14 * time.Second, bad, Unhealthy, 2},
		{15 * time.Second, nil, Healthy, 0},
	} {
		health = health.after(result{at: start.Add(step.at), err: step.err}, check, start)
		if health.Status != step.status || health.Failures != step.fails {
			t.Errorf("step %d: %s after %d failures, want %s after %d", i, health.Status, health.Failures, step.status, step.fails)
		}
	}
	early := check.begin().after(result{at: start.Add(time.Second)}, check, start)
	if next := early.after(result{at: start.Add(2 * time.Second), err: bad}, check, start); next.Failures != 1 {
		t.Errorf("a success does not end the start period: %+v", next)
	}
}
