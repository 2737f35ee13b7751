package plan

import "slices"

// The library runs a component's startup hook at each start of a step with StartupVariable, and does nothing but the shutdown hook in a process
// with ShutdownVariable (contract.md 1.2, 5.3). Any value but the empty one counts.
const (
	StartupVariable  = "ELASTICIO_STARTUP_REQUIRED"
	ShutdownVariable = "ELASTICIO_HOOK_SHUTDOWN"
)

// ShutdownHooks are the steps to run once more when a flow is removed and its steps have stopped: those that had a startup hook, for what it has
// set up elsewhere to be taken down. They run to their end, without the broker.
func ShutdownHooks(steps []Step) (hooks []Step) {
	for _, s := range steps {
		isStartup := func(v Variable) bool { return v.Name == StartupVariable }
		if s.Builtin != "" || !slices.ContainsFunc(s.Variables, func(v Variable) bool { return isStartup(v) && v.Value != "" }) {
			continue
		}
		s.Variables = append(slices.DeleteFunc(slices.Clone(s.Variables), isStartup), Variable{Name: ShutdownVariable, Value: "true"})
		hooks = append(hooks, s)
	}
	return hooks
}
