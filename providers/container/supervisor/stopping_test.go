package supervisor_test

import (
	"context"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// stubborn is a command that notices the stop signal and goes on.
const stubborn = "trap 'echo asked' TERM; while :; do sleep 0.01; done"

// beginStop asks for the end of a stubborn container, and gives up as soon as that has begun.
func (s stack) beginStop() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(testContext(s.t))
	ended := make(chan error)
	go func() {
		_, err := s.Client.Stop(ctx, "box", nil)
		ended <- err
	}()
	s.await("the stop", func(status supervisor.Status) bool { return status.Stopping })
	cancel()
	if err := <-ended; err == nil {
		s.t.Fatal("the stop has ended already")
	}
}

// Who starts a container that a killed command was about to stop finds it running afterwards,
// not only for as long as the stop takes.
func TestStartOfStopping(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		before := s.runWith(stubborn, supervisor.Settings{StopTimeout: 500 * time.Millisecond})
		s.beginStop()
		after, err := s.Start(testContext(t), "box")
		if err != nil {
			t.Fatal(err)
		}
		if after.Phase != supervisor.Running || after.Stopping || after.PID == before.PID {
			t.Errorf("it is %+v", after)
		}
	})
}

// A stop that its supervisor began is ended by the next one, also if nobody asks again.
func TestAdoptionOfStopping(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		s.runWith(stubborn, supervisor.Settings{
			StopTimeout: 500 * time.Millisecond, Restart: supervisor.Restart{Policy: supervisor.RestartAlways},
		})
		s.beginStop()
		s.killSupervisor()
		status, err := s.Wait(testContext(t), "box")
		if err != nil {
			t.Fatal(err)
		}
		if status.Phase != supervisor.Stopped || status.Stopping {
			t.Errorf("it is %+v", status)
		}
	})
}
