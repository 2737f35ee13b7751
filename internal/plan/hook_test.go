package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/plan"
)

func TestShutdownHooksAreOfStepsThatHaveStartupHooks(t *testing.T) {
	startup := plan.Variable{Name: plan.StartupVariable, Value: "true"}
	other := plan.Variable{Name: "COLOUR", Value: "blue"}
	steps := []plan.Step{
		{ID: "plain", Variables: []plan.Variable{other}},
		{ID: "built-in", Builtin: "timer", Variables: []plan.Variable{startup}},
		{ID: "empty", Variables: []plan.Variable{{Name: plan.StartupVariable}}},
		{ID: "hooked", Image: "a", Variables: []plan.Variable{other, startup}},
	}
	want := []plan.Step{{ID: "hooked", Image: "a", Variables: []plan.Variable{other, {Name: plan.ShutdownVariable, Value: "true"}}}}
	if diff := cmp.Diff(want, plan.ShutdownHooks(steps)); diff != "" {
		t.Errorf("hooks (-want +got):\n%s", diff)
	}
	if steps[3].Variables[1] != startup {
		t.Error("the step itself was changed")
	}
}
