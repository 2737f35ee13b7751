package scheduler

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are listed in docs/reference/metrics.md.
type metrics struct {
	flows    prometheus.Gauge
	ticks    prometheus.Counter
	failures *prometheus.CounterVec
	delay    prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		flows: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "leat_scheduler_flows",
			Help: "Polling flows, suspended ones included.",
		}),
		ticks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "leat_scheduler_ticks_total",
			Help: "Ticks that the broker has confirmed.",
		}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leat_scheduler_failures_total",
			Help: "Attempts that will be repeated, by reason: unavailable, unroutable, refused, unknown (lost before the confirm), peek.",
		}, []string{"reason"}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "leat_scheduler_delay_seconds",
			Help:    "How long after its scheduled time a tick was confirmed.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60, 600, 3600},
		}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.flows, m.ticks, m.failures, m.delay} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register scheduler metrics: %w", err)
		}
	}
	return m, nil
}
