package supervisor

import (
	"fmt"
	"time"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/process"
)

// Ending tells in a sentence how a container came to its end, or "" of one that is alive.
func (s Status) Ending() string {
	switch {
	case s.Phase.Alive():
		return ""
	case s.Exit == nil && s.Problem != "":
		return diag.Sentence(fmt.Sprintf("It is %s: %s", s.Phase, s.Problem))
	case s.Exit == nil:
		return fmt.Sprintf("It is %s.", s.Phase)
	}
	how := fmt.Sprintf("ended with exit code %d", s.Exit.Code)
	if s.Exit.Signal != 0 {
		how = "was ended by " + process.SignalName(s.Exit.Signal)
	}
	return fmt.Sprintf("Its command %s at %s, after %s.", how,
		s.EndedAt.Local().Format(time.DateTime), s.EndedAt.Sub(s.StartedAt).Round(time.Millisecond))
}
