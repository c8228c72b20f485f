package apply_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/state"
)

// An output that nobody can read is told, and goes when configuration has it no longer.
func TestRecordedOutputCannotBeRead(t *testing.T) {
	l := newLab(t)
	l.write("main.diy.hcl", "output \"o\" {\n  value = 1\n}\n")
	if _, _, diags := l.run(t.Context(), plan.Normal, apply.Options{}); diags.HasErrors() {
		t.Fatal(diags)
	}
	l.editState(func(st *state.State) { st.Outputs["o"].Type = json.RawMessage(`"no type"`) })
	if _, diags := l.plan(plan.Normal); !strings.Contains(diags.Error(), "The state cannot be read") {
		t.Errorf("got %v", diags)
	}
	l.write("main.diy.hcl", "output \"p\" {\n  value = 1\n}\n")
	if _, _, diags := l.run(t.Context(), plan.Normal, apply.Options{}); diags.HasErrors() || len(l.state().Outputs) != 1 {
		t.Errorf("got %v and %v", diags, l.state().Outputs)
	}
}
