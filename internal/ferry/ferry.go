// Package ferry lets components of the Open Integration Hub, which are made with ferryman, work among others (contract.md section 6). What goes to
// such a step gets a token that says what the step is to do with it; what comes from it goes to the next steps in the form that they know.
//
// It needs the broker and nothing else: flows and their ferryman steps come with plan.Entry. One ferry at a time keeps messages in order; two do no
// harm but to the order.
package ferry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/topology"
)

// Options of a Ferry. All are required.
type Options struct {
	Connect func(ctx context.Context, vhost string) (*amqp.Conn, error)
	Logger  *slog.Logger
}

// Ferry makes messages over for the ferryman steps of any number of flows.
type Ferry struct {
	opts    Options
	updated chan struct{}

	mu      sync.Mutex // guards entries
	entries []plan.Entry
}

// New returns a ferry that has no flows until Update is called.
func New(o Options) *Ferry { return &Ferry{opts: o, updated: make(chan struct{}, 1)} }

// Update replaces the flows; those without ferryman steps don't matter. It's safe for concurrent use.
func (f *Ferry) Update(entries []plan.Entry) {
	f.mu.Lock()
	f.entries = entries
	f.mu.Unlock()
	select {
	case f.updated <- struct{}{}:
	default:
	}
}

// crossing is what goes on for one flow.
type crossing struct {
	entry plan.Entry
	stop  context.CancelFunc
	done  chan struct{}
}

func (c *crossing) end() {
	c.stop()
	<-c.done
}

// Run works until ctx is done.
func (f *Ferry) Run(ctx context.Context) error {
	flows := map[string]*crossing{}
	defer func() {
		for _, c := range flows {
			c.end()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.updated:
		}
		f.mu.Lock()
		entries := f.entries
		f.mu.Unlock()
		wanted := map[string]plan.Entry{}
		for _, e := range entries {
			if len(e.Ferrymen) > 0 {
				wanted[e.Namespace+"/"+e.Flow] = e
			}
		}
		for key, c := range flows {
			if e, ok := wanted[key]; !ok || !reflect.DeepEqual(e, c.entry) {
				c.end()
				delete(flows, key)
			}
		}
		for key, e := range wanted {
			if flows[key] == nil {
				flows[key] = f.start(ctx, e)
			}
		}
	}
}

const (
	retryMin = 100 * time.Millisecond
	retryMax = 10 * time.Second
	healthy  = time.Minute
)

// start begins to work for one flow, over as many connections as it takes.
func (f *Ferry) start(ctx context.Context, e plan.Entry) *crossing {
	ctx, stop := context.WithCancel(ctx)
	c := &crossing{entry: e, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for delay := retryMin; ; delay = min(2*delay, retryMax) {
			started := time.Now()
			err := f.cross(ctx, e)
			if ctx.Err() != nil {
				return
			}
			if time.Since(started) > healthy {
				delay = retryMin
			}
			f.opts.Logger.Warn("messages of ferryman steps wait", "flow", e.Flow, "err", err, "again", delay)
			select {
			case <-ctx.Done():
				return
			case <-time.After(delay):
			}
		}
	}()
	return c
}

// window is how many messages are on their way at a time.
const window = 100

// job is a message whose successors wait for the broker's confirm.
type job struct {
	delivery amqp.Delivery
	confirms []amqp.Confirm
}

// cross works over one connection. A message is acknowledged when all that was made of it is confirmed.
func (f *Ferry) cross(ctx context.Context, e plan.Entry) error {
	boat, err := newBoat(e)
	if err != nil {
		return err
	}
	conn, err := f.opts.Connect(ctx, e.VHost)
	if err != nil {
		return err
	}
	defer conn.Close()
	work, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	stop := context.AfterFunc(work, func() { conn.Close() }) // ends whatever waits for the broker
	defer stop()
	publisher, err := conn.Publisher()
	if err != nil {
		return err
	}
	consumer, err := conn.Consume(topology.FerryQueue(e.Flow), window)
	if err != nil {
		return err
	}
	jobs := make(chan job, window)
	var settling sync.WaitGroup
	settling.Go(func() {
		for j := range jobs {
			if err := settle(work, consumer, j); err != nil {
				fail(err)
			}
		}
	})
	for {
		d, ok := consumer.Next()
		if !ok {
			break
		}
		j, err := f.send(work, publisher, boat, d)
		if err != nil {
			fail(err)
			break
		}
		jobs <- j
	}
	close(jobs)
	settling.Wait()
	if err := context.Cause(work); err != nil {
		return err
	}
	return errors.New("the broker ended the consumer of " + topology.FerryQueue(e.Flow))
}

// send sends what is to be made of d.
func (f *Ferry) send(ctx context.Context, p *amqp.Publisher, b *boat, d amqp.Delivery) (job, error) {
	made, err := b.carry(d)
	if errors.Is(err, errUnknown) {
		made, err = f.strand(ctx, b, d)
	}
	if err != nil {
		return job{}, err
	}
	j := job{delivery: d}
	for _, m := range made {
		confirm, err := p.Send(ctx, m)
		if err != nil {
			return job{}, fmt.Errorf("send message %s on: %w", d.Headers.Text(message.HeaderMessageID), err)
		}
		j.confirms = append(j.confirms, confirm)
	}
	return j, nil
}

// strandAfter is how long a message waits whose step isn't known: an update that knows it may be on its way.
const strandAfter = time.Minute

// strand waits for an update, which ends ctx, and then gives the message up: it's in the errors list then.
func (f *Ferry) strand(ctx context.Context, b *boat, d amqp.Delivery) ([]amqp.Publishing, error) {
	f.opts.Logger.Warn("message for an unknown ferryman step", "flow", b.entry.Flow, "key", d.Key)
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(strandAfter):
		step, _ := b.parse(d.Key)
		return []amqp.Publishing{b.giveUp(step, d, errUnknown)}, nil
	}
}

// settle acknowledges a message once all that was made of it is confirmed.
func settle(ctx context.Context, c *amqp.Consumer, j job) error {
	for _, confirm := range j.confirms {
		if err := confirm.Wait(ctx); err != nil {
			return err
		}
	}
	if ctx.Err() != nil { // an earlier one failed: this one comes again, in order
		return context.Cause(ctx)
	}
	return c.Ack(j.delivery)
}
