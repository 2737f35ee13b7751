package runner

import "sync/atomic"

// Stats counts what a step did since it was made. It may outlive restarts of the step.
type Stats struct {
	Processed atomic.Int64 // messages that a function finished without an error
	Failed    atomic.Int64 // messages that went to the errors list
	Rebounded atomic.Int64 // messages that come back later
	Emitted   atomic.Int64 // data messages sent
}
