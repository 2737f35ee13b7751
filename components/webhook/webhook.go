// Package webhook is the built-in webhook, a drop-in for elasticio/webhook and elasticio/webhook-component.
//
// Its function receive is the first step of a flow that takes HTTP requests. It needs no data. It sends the router's message on, with the
// same id, and puts into the body what else the request said:
//
//	POST /flow/wh-flow?dry=1 with {"arg1": "val1"}  ->
//	{"arg1": "val1", "_query": {"dry": "1"}, "_headers": {"content-type": "application/json"}, "_method": "POST", "_url": "/flow/wh-flow?dry=1"}
//
// A GET's body is its query. Members that the request has nothing for are left out; see Receive.
//
// Its functions post, put and get send an HTTP request for each message; see Config.
package webhook

import (
	"encoding/json"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/components/internal/builtin"
)

// Component describes the webhook.
func Component() builtin.Component {
	client := newClient()
	return builtin.Component{
		Name:   "webhook",
		Images: []string{"elasticio/webhook", "elasticio/webhook-component"},
		Functions: map[string]component.Function{
			"receive": Receive,
			"post":    request(client, "POST"),
			"put":     request(client, "PUT"),
			"get":     request(client, "GET"),
		},
		Check: builtin.Checks(map[string]func(json.RawMessage) []builtin.Problem{
			"receive": func(json.RawMessage) []builtin.Problem { return nil },
			"post":    checkRequest, "put": checkRequest, "get": checkRequest,
		}),
	}
}
