package router

import (
	"fmt"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are listed in docs/reference/metrics.md.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  prometheus.Histogram
	replies  *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer, working func() float64) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leat_router_requests_total",
			Help: "Answered requests by flow and status code; flow is empty where there's no such flow, code 499 is a client that went away.",
		}, []string{"namespace", "flow", "code"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "leat_router_request_seconds",
			Help:    "Time from the request's headers to its 200, the broker's confirm included.",
			Buckets: []float64{.0005, .001, .002, .004, .008, .016, .032, .064, .128, .256, .512, 1, 2, 4, 8},
		}),
		replies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leat_router_replies_total",
			Help: "Replies of flows by fate: delivered, or dropped because it wasn't the first or nobody waits for it any more.",
		}, []string{"fate"}),
	}
	inFlight := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "leat_router_requests_in_flight",
		Help: "Requests being worked on.",
	}, working)
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.replies, inFlight} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register router metrics: %w", err)
		}
	}
	return m, nil
}

// count counts an answer that wasn't a 200.
func (m *metrics) count(t *target, status int) {
	namespace, flow := "", ""
	if t != nil {
		namespace, flow = t.entry.Namespace, t.entry.Flow
	}
	m.requests.WithLabelValues(namespace, flow, strconv.Itoa(status)).Inc()
}

// forget removes the series of flows that are in before and not in after.
func (m *metrics) forget(before, after *table) {
	if before == nil {
		return
	}
	kept := make(map[flowName]bool, len(after.flows))
	for _, f := range after.flows {
		kept[f] = true
	}
	for _, f := range before.flows {
		if !kept[f] {
			m.requests.DeletePartialMatch(prometheus.Labels{"namespace": f.namespace, "flow": f.flow})
		}
	}
}
