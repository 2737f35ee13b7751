// Package plan decides what has to run and exist for a flow. It's pure: appliers (operator, local) carry out what it says, and decide
// nothing themselves.
package plan

import (
	"encoding/json"

	"github.com/openintegrationhub/leat/internal/flow"
)

// Entry is how messages get into a flow: what the scheduler and the router need to know of it.
type Entry struct {
	Namespace string
	Flow      string
	Step      string // the first step
	Suspended bool

	VHost    string // the broker's virtual host
	Exchange string
	InputKey string // routing key of a message for the first step: F.S.input

	// Polling flows get ticks: messages with TickKey, which the broker puts into the step's queue and, as the last one of its kind, into
	// TickQueue. So the watermark of sent ticks is stored in the same moment as the tick itself.
	Polling   bool
	Schedule  flow.Schedule
	TickKey   string // F.S.tick
	TickQueue string // F:ticks, which keeps just the newest tick

	HTTP      bool // takes HTTP requests
	HTTPReply bool // requests wait for a reply

	UserID         string // header userId of its messages
	CryptoPassword string // of the flow's message cipher; "" for plain
	CryptoIV       string

	// Ferrymen are the steps whose components are made with ferryman; nil for none.
	Ferrymen []Ferryman
}

// Ferryman is what a ferryman step has to be told with each message.
type Ferryman struct {
	Step     string
	Function string
	Config   json.RawMessage // the node's data
	APIKey   string
	Previous []string // ids of the steps that send to it
}
