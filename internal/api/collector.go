package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/store"
	"github.com/openintegrationhub/leat/internal/topology"
)

// Recorder keeps the list of errors.
type Recorder interface {
	// Record adds what one source tells of an error.
	Record(ctx context.Context, f store.Failure) (int64, error)
}

// CollectorOptions of a Collector. All but Failed are required.
type CollectorOptions struct {
	Connect func(ctx context.Context, vhost string) (*amqp.Conn, error)
	API     *API
	Errors  Recorder
	Logger  *slog.Logger
}

// Collector takes from the broker what steps say about themselves (snapshots, error reports) and what couldn't be delivered (dead letters,
// unroutable messages) and stores it. A message leaves its queue when it's stored.
type Collector struct {
	opts    CollectorOptions
	updated chan struct{}

	mu      sync.Mutex // guards entries
	entries []plan.Entry
}

// NewCollector returns a collector that has no flows until Update is called.
func NewCollector(opts CollectorOptions) *Collector {
	return &Collector{opts: opts, updated: make(chan struct{}, 1)}
}

// Update replaces the flows. It's safe for concurrent use.
func (c *Collector) Update(entries []plan.Entry) {
	c.mu.Lock()
	c.entries = entries
	c.mu.Unlock()
	select {
	case c.updated <- struct{}{}:
	default:
	}
}

// Run collects until ctx is done.
func (c *Collector) Run(ctx context.Context) error {
	share := newSharing(func(vhost string) (*amqp.Conn, error) { return c.opts.Connect(ctx, vhost) }, c.opts.Logger)
	flows := map[string]*collecting{}
	defer func() {
		for _, f := range flows {
			f.stop()
		}
		for _, f := range flows {
			<-f.done
		}
		share.close()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.updated:
		}
		c.mu.Lock()
		entries := c.entries
		c.mu.Unlock()
		wanted := map[string]plan.Entry{}
		for _, e := range entries {
			wanted[e.Namespace+"/"+e.Flow] = e
		}
		for key, f := range flows {
			if e, ok := wanted[key]; !ok || !f.serves(e) {
				f.stop()
				<-f.done
				delete(flows, key)
			}
		}
		for key, e := range wanted {
			if flows[key] == nil {
				flows[key] = c.start(ctx, share, e)
			}
		}
	}
}

// collecting is what goes on for one flow.
type collecting struct {
	entry plan.Entry
	stop  context.CancelFunc
	done  chan struct{}
}

// serves tells whether e can be collected for as it goes. A flow of the same name with another cipher is another flow.
func (f *collecting) serves(e plan.Entry) bool {
	return f.entry.VHost == e.VHost && f.entry.CryptoPassword == e.CryptoPassword && f.entry.CryptoIV == e.CryptoIV
}

func (c *Collector) start(ctx context.Context, share *sharing, e plan.Entry) *collecting {
	ctx, stop := context.WithCancel(ctx)
	f := &collecting{entry: e, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		c.collect(ctx, share, e)
	}()
	return f
}

const (
	collectRetryMin = 100 * time.Millisecond
	collectRetryMax = 10 * time.Second
	collectPrefetch = 20 // of each queue
)

// collect collects for one flow until ctx is done, over as many connections as it takes.
func (c *Collector) collect(ctx context.Context, share *sharing, e plan.Entry) {
	cipher, err := message.NewCipher(e.CryptoPassword, e.CryptoIV)
	if err != nil {
		c.opts.Logger.Error("nothing collected", "flow", e.Flow, "err", err)
		return
	}
	f := &flowCollector{Collector: c, entry: e, cipher: cipher}
	delay := collectRetryMin
	for {
		started := time.Now()
		conn, err := share.take(e.VHost)
		if err == nil {
			err = f.run(ctx, conn.Conn)
			lost := conn.Err() != nil // which is told once for all flows, when it can't be restored
			share.give(e.VHost, conn)
			if ctx.Err() == nil && !lost {
				c.opts.Logger.Warn("errors and snapshots not collected", "flow", e.Flow, "err", err, "again", delay)
			}
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > time.Minute {
			delay = collectRetryMin
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
			delay = min(2*delay, collectRetryMax)
		}
	}
}

type flowCollector struct {
	*Collector
	entry  plan.Entry
	cipher *message.Cipher

	mu     sync.Mutex // guards what follows
	told   time.Time  // when a failure was logged last
	untold int        // failures since then
}

// tellEvery is how often a flow's failures are logged at most; the list has them all.
const tellEvery = time.Second

// run collects over one channel.
func (f *flowCollector) run(ctx context.Context, conn *amqp.Conn) error {
	take := map[string]func(context.Context, amqp.Delivery) error{
		topology.SnapshotQueue(f.entry.Flow):   f.snapshot,
		topology.ErrorQueue(f.entry.Flow):      f.report,
		topology.DeadLetterQueue(f.entry.Flow): f.deadLetter,
		topology.UnroutableQueue(f.entry.Flow): f.unroutable,
	}
	group, err := conn.ConsumeGroup(slices.Sorted(maps.Keys(take)), collectPrefetch)
	if err != nil {
		return err
	}
	defer group.Close() // gives back what wasn't stored
	for {
		queue, d, ok := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !ok:
			return errors.New("the broker ended the consumer of a queue")
		}
		if err := take[queue](ctx, d); err != nil {
			return err
		}
		if err := group.Ack(d); err != nil {
			return err
		}
	}
}

// stepOf is the step that a message is about: the word between the dots of the key, as topology.Key makes it.
func stepOf(d amqp.Delivery) string {
	_, rest, _ := strings.Cut(d.Key, ".")
	id, _, _ := strings.Cut(rest, ".")
	return id
}

func (f *flowCollector) snapshot(ctx context.Context, d amqp.Delivery) error {
	err := f.opts.API.StoreSnapshot(ctx, f.entry.Namespace, f.entry.Flow, stepOf(d), d.Headers.Text(message.HeaderSnapshotEvent), d.Body)
	if errors.Is(err, ErrBadSnapshot) {
		f.opts.Logger.Warn("snapshot not kept", "flow", f.entry.Flow, "step", stepOf(d), "err", err)
		return nil
	}
	return err
}

// failure is what all sources know.
func (f *flowCollector) failure(d amqp.Delivery, source store.Source) store.Failure {
	return store.Failure{
		Source:    source,
		Namespace: f.entry.Namespace,
		Flow:      f.entry.Flow,
		Step:      stepOf(d),
		Execution: d.Headers.Execution(),
		Message:   d.Headers.Text(message.HeaderMessageID),
		Time:      time.Now(),
	}
}

// report takes an error message of a step (contract.md 2.5).
func (f *flowCollector) report(ctx context.Context, d amqp.Delivery) error {
	failure := f.failure(d, store.Report)
	failure.Message = d.Headers.Text(message.HeaderParentMessageID)
	var body struct{ Error, ErrorInput string }
	if err := json.Unmarshal(d.Body, &body); err != nil {
		failure.Reason = "the step sent an error report that can't be read: " + err.Error()
		return f.record(ctx, failure)
	}
	var reason struct{ Name, Message, Stack string }
	if text, err := f.cipher.Decrypt([]byte(body.Error), message.ProtocolBase64); err != nil {
		failure.Reason = "the step sent an error report that can't be decrypted: " + err.Error()
	} else if err := json.Unmarshal(text, &reason); err != nil {
		failure.Reason = string(text)
	} else {
		failure.Reason, failure.Stack = reason.Message, reason.Stack
		if reason.Name != "" && reason.Name != "Error" {
			failure.Reason = reason.Name + ": " + reason.Message
		}
	}
	if input, err := f.cipher.Decrypt([]byte(body.ErrorInput), message.ProtocolBase64); err == nil {
		failure.Input = input
	}
	return f.record(ctx, failure)
}

// deadLetter takes a message that a step, or the broker for it, gave up (contract.md 2.4).
func (f *flowCollector) deadLetter(ctx context.Context, d amqp.Delivery) error {
	failure := f.failure(d, store.DeadLetter)
	failure.Reason = "given up: " + deathReason(d.DeathReason())
	if why := d.Headers.Text(topology.ReasonHeader); why != "" {
		failure.Reason = "given up: " + why
	}
	f.withInput(&failure, d)
	return f.record(ctx, failure)
}

// unroutable takes a message that no queue took. Replies that nobody waits for any more are none of them.
func (f *flowCollector) unroutable(ctx context.Context, d amqp.Delivery) error {
	if strings.HasPrefix(d.Key, "reply.") {
		return nil
	}
	failure := f.failure(d, store.Unroutable)
	failure.Reason = fmt.Sprintf("no queue takes messages with the routing key %q", d.Key)
	f.withInput(&failure, d)
	failure.Headers[routingKeyHeader] = d.Key // for a replay, when there is a queue
	return f.record(ctx, failure)
}

// routingKeyHeader keeps, in a stored error, the key that a message was published with.
const routingKeyHeader = "x-leat-routing-key"

func (f *flowCollector) withInput(failure *store.Failure, d amqp.Delivery) {
	failure.Headers = maps.Clone(d.Headers)
	if failure.Headers == nil {
		failure.Headers = message.Headers{}
	}
	delete(failure.Headers, message.HeaderToken)
	body := append([]byte(nil), d.Body...) // Decrypt works in place
	if input, err := f.cipher.Decrypt(body, d.Headers.ProtocolVersion()); err == nil {
		failure.Input = input
		return
	}
	failure.Input = d.Body
}

func (f *flowCollector) record(ctx context.Context, failure store.Failure) error {
	if failure.Message == "" {
		failure.Message = ownID(failure.Input)
	}
	id, err := f.opts.Errors.Record(ctx, failure)
	if err != nil {
		return err
	}
	if failure.Source != store.DeadLetter { // whose report tells more
		f.tell(id, failure)
	}
	return nil
}

// ownID is the id that a message has inside; "" without one. It stays when headers don't: the Java library sends messages back for a rebound
// without their messageId (contract.md 2.7), so that neither its report nor the dead letter has any other.
func ownID(input []byte) string {
	var m struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(input, &m); err != nil {
		return ""
	}
	return m.ID
}

// tell logs a failure, unless one was logged a moment ago.
func (f *flowCollector) tell(id int64, failure store.Failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.told) < tellEvery {
		f.untold++
		return
	}
	args := []any{"flow", failure.Flow, "step", failure.Step, "err", failure.Reason, "error", id, "execution", failure.Execution}
	if f.untold > 0 {
		args = append(args, "more", f.untold)
	}
	f.opts.Logger.Warn("message failed", args...)
	f.told, f.untold = time.Now(), 0
}

// deathReason puts the broker's reason for a dead letter into words.
func deathReason(reason string) string {
	switch reason {
	case "rejected":
		return "the step rejected it"
	case "delivery_limit":
		return "the step died of it again and again"
	case "expired":
		return "it waited too long"
	case "maxlen":
		return "its queue was full"
	}
	return "for an unknown reason"
}
