package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/scheduler"
)

const (
	schedulerLease = "leat-scheduler"
	// schedulerTerm is until another scheduler leads after one has hung up. In the meantime the broker has ended the old one's connections,
	// which takes twice the heartbeat: see fenced.
	schedulerTerm      = 15 * time.Second
	schedulerHeartbeat = 5 * time.Second
)

// RunScheduler sends ticks while it leads, until ctx is done. Any number of them may run.
//
// One that takes over looks into the broker for the newest tick of each flow, so it goes on exactly where the other was.
func RunScheduler(ctx context.Context, o Options) error {
	o.Broker.Heartbeat = schedulerHeartbeat
	s, err := newService(o)
	if err != nil {
		return err
	}
	lease, err := s.lease(schedulerLease, schedulerTerm)
	if err != nil {
		return err
	}
	leading := prometheus.NewGauge(prometheus.GaugeOpts{Name: "leat_scheduler_leading", Help: "1 for the scheduler that sends the ticks."})
	s.registry.MustRegister(leading)
	return s.run(ctx, nil, func(ctx context.Context) error {
		return lease.Run(ctx, func(ctx context.Context) error {
			leading.Set(1)
			defer leading.Set(0)
			return s.sendTicks(ctx, lease)
		})
	})
}

// sendTicks is one term of a scheduler. Nothing is known from an earlier one.
func (s *service) sendTicks(ctx context.Context, lease *Lease) error {
	metrics := prometheus.NewRegistry()
	ticks, err := scheduler.New(scheduler.Options{Publisher: fenced{s.client, lease}, Logger: s.opts.Logger, Registerer: metrics})
	if err != nil {
		return err
	}
	if err := s.registry.Register(metrics); err != nil {
		return fmt.Errorf("show metrics: %w", err)
	}
	defer s.registry.Unregister(metrics)
	defer s.subscribe(func(flows []*Flow) { ticks.Update(entries(flows)) })()
	return ticks.Run(ctx)
}

// fenced publishes for a leader, and only as long as no other one can have been elected. A process may stand still at any moment and for any
// time, and then go on without knowing. If it did before the check, the lease has run out. If it did after it, the broker has closed the
// connection before anybody else led, because it heard nothing, and the message can't get out.
type fenced struct {
	*amqp.Client
	lease *Lease
}

// Publish is scheduler.Publisher's.
func (f fenced) Publish(ctx context.Context, vhost string, p amqp.Publishing) error {
	if !f.lease.Fresh(2 * schedulerHeartbeat) {
		return fmt.Errorf("%w: the lease is about to run out", amqp.ErrUnavailable)
	}
	return f.Client.Publish(ctx, vhost, p)
}
