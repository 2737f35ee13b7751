package topology

import (
	"regexp"
	"strings"

	"github.com/openintegrationhub/leat/internal/flow"
)

// Account is a broker account with what it may do, as regular expressions in RabbitMQ's sense. Nobody may do what isn't named.
type Account struct {
	User      string
	VHost     string
	Configure string
	Write     string
	Read      string
	// TopicExchange and TopicWrite say which routing keys the account may publish with; "" for any.
	TopicExchange string
	TopicWrite    string
}

// StepUser is the name of a step's broker account, and of its account at the platform API. No two steps have the same, and no character
// in it means something in a URI or in HTTP's basic authentication: the colons of step ids become "~", which an id can't have.
func StepUser(namespace, flow, step string) string {
	return namespace + "." + flow + "." + strings.ReplaceAll(step, ":", "~")
}

// StepAccount is the least that step n of f can work with: configure nothing, read its own queue, write its flow's exchange (proved for
// unmodified sailors, contract.md 2.1), and there just its own keys, the inputs of the steps behind it (a component may pick one of them by
// header), and replies.
func StepAccount(f *flow.Flow, n *flow.Node) Account {
	own := regexp.QuoteMeta(Key(f.Name, n.ID, ""))
	data, exchanges := Message, regexp.QuoteMeta(f.Name)
	if IsFerryman(n) {
		data = Output
		// Ferryman sends its error replies to no exchange, and ends if it may not: it has to be let, where there are replies (contract.md section 6).
		if first := f.First(); first != nil && !first.Polling {
			exchanges = "(" + exchanges + `|amq\.default)`
		}
	}
	keys := []string{own + "(" + data + "|" + Error + "|" + Rebound + "|" + Snapshot + "|" + State + ")", `reply\..+`}
	for _, next := range f.Next(n.ID) {
		keys = append(keys, regexp.QuoteMeta(Key(f.Name, next, Input)))
	}
	return Account{
		User:          StepUser(f.Namespace, f.Name, n.ID),
		VHost:         f.Namespace,
		Configure:     "^$",
		Write:         "^" + exchanges + "$",
		Read:          "^" + regexp.QuoteMeta(StepQueue(f.Name, n.ID)) + "$",
		TopicExchange: f.Name,
		TopicWrite:    "^(" + strings.Join(keys, "|") + ")$",
	}
}
