package cluster

import (
	"cmp"
	"context"
	"net/http"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/router"
)

// RunRouter takes HTTP requests for flows until ctx is done. Any number of them may run side by side: each has a queue of its own for replies.
func RunRouter(ctx context.Context, o Options) error {
	o.HTTP = cmp.Or(o.HTTP, ":1234")
	s, err := newService(o)
	if err != nil {
		return err
	}
	routes, err := router.New(router.Options{Publisher: s.client, Logger: o.Logger, Registerer: s.registry, Replies: true})
	if err != nil {
		return err
	}
	replies := amqp.NewReplies(o.Broker, routes.ReplyKey(), routes.Reply, o.Logger)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.flows.Load() == nil { // which isn't the same as a flow that doesn't exist
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusServiceUnavailable, "starting: the flows aren't known yet")
			return
		}
		routes.ServeHTTP(w, r)
	})
	return s.run(ctx, handler, func(ctx context.Context) error {
		defer s.subscribe(func(flows []*Flow) {
			replies.Update(ctx, exchanges(flows)) // before a request can ask for a reply
			routes.Update(entries(flows), refusals(flows)...)
		})()
		return replies.Run(ctx)
	})
}

// exchanges are those of the flows that may answer requests, by virtual host.
func exchanges(flows []*Flow) map[string][]string {
	all := map[string][]string{}
	for _, f := range flows {
		if f.Open && f.Entry.HTTP {
			all[f.Entry.VHost] = append(all[f.Entry.VHost], f.Entry.Exchange)
		}
	}
	return all
}

func refusals(flows []*Flow) []router.Refusal {
	var all []router.Refusal
	for _, f := range flows {
		if !f.Open {
			all = append(all, router.Refusal{Namespace: f.Namespace, Flow: f.Name, Reason: f.Closed, Soon: f.Soon})
		}
	}
	return all
}
