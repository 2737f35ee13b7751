package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// benchmark is one kind of traffic. All messages are confirmed and acknowledged one by one.
type benchmark struct {
	name       string
	persistent bool // durable queues and persistent messages
	inFlight   int  // unconfirmed messages, and each consumer's prefetch
	queues     int
	fanOut     bool    // every message to every queue; otherwise they take turns
	rate       float64 // messages a second; 0 is as fast as it goes
	size       int     // bytes of a body
}

func cases() []benchmark {
	var list []benchmark
	for _, n := range []int{1, 10, 100, 1000} {
		list = append(list, benchmark{name: fmt.Sprintf("durable, in flight %d", n), persistent: true, inFlight: n, queues: 1, size: 1024})
	}
	return append(list,
		benchmark{name: "transient, in flight 100", inFlight: 100, queues: 1, size: 1024},
		benchmark{name: "durable, fan-out to 10 queues (deliveries)", persistent: true, inFlight: 100, queues: 10, fanOut: true, size: 1024},
		benchmark{name: "durable, 1000 queues at once", persistent: true, inFlight: 1000, queues: 1000, size: 1024},
		benchmark{name: "durable, latency at 1000 a second", persistent: true, inFlight: 1000, queues: 1, rate: 1000, size: 1024},
	)
}

// run is one measurement under way.
type run struct {
	target
	benchmark
	exchange string
	names    []string
	received atomic.Int64
	errs     chan error

	mu        sync.Mutex
	latencies []time.Duration
}

// measure lets the traffic run for a warm-up and then the given time.
func measure(t target, c benchmark, length time.Duration) (result, error) {
	r := &run{target: t, benchmark: c, errs: make(chan error, 10)}
	conn, ch, err := dial(t)
	if err != nil {
		return result{}, err
	}
	defer conn.Close()
	if err := r.declare(ch); err != nil {
		return result{}, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	if err := r.consume(ctx, &wg); err != nil {
		cancel()
		return result{}, err
	}
	wg.Go(func() { r.errs <- r.publish(ctx) })

	<-time.After(max(length/5, 500*time.Millisecond))
	r.mu.Lock()
	r.latencies = nil
	r.mu.Unlock()
	received, used, start := r.received.Load(), processorTime(t.pid), time.Now()
	select {
	case err := <-r.errs:
		cancel()
		return result{}, errors.Join(errors.New("the traffic stopped"), err)
	case <-time.After(length):
	}
	n, took, cpu := r.received.Load()-received, time.Since(start), processorTime(t.pid)-used
	cancel()
	wg.Wait()
	if n == 0 {
		return result{}, errors.New("nothing was delivered")
	}
	out := result{rate: float64(n) / took.Seconds(), cpu: cpu / time.Duration(n)}
	if r.rate > 0 {
		out.p50, out.p99 = r.percentiles()
	}
	return out, r.clean(ch)
}

func (r *run) declare(ch *amqp.Channel) error {
	r.exchange = "bench"
	if err := ch.ExchangeDeclare(r.exchange, "fanout", r.persistent, true, false, false, nil); err != nil {
		return err
	}
	for i := range r.queues {
		name := fmt.Sprintf("bench-%d", i)
		if _, err := ch.QueueDeclare(name, r.persistent, false, false, false, nil); err != nil {
			return err
		}
		if r.fanOut {
			if err := ch.QueueBind(name, "", r.exchange, false, nil); err != nil {
				return err
			}
		}
		r.names = append(r.names, name)
	}
	return nil
}

func (r *run) clean(ch *amqp.Channel) error {
	for _, name := range r.names {
		if _, err := ch.QueueDelete(name, false, false, false); err != nil {
			return err
		}
	}
	return ch.ExchangeDelete(r.exchange, false, false)
}

// consume starts a consumer for each queue, up to 100 on a connection.
func (r *run) consume(ctx context.Context, wg *sync.WaitGroup) error {
	for group := range slices.Chunk(r.names, 100) {
		conn, err := amqp.Dial(r.url)
		if err != nil {
			return err
		}
		for _, name := range group {
			ch, err := conn.Channel()
			if err != nil {
				return err
			}
			if err := ch.Qos(r.inFlight, 0, false); err != nil {
				return err
			}
			in, err := ch.Consume(name, "", false, false, false, false, nil)
			if err != nil {
				return err
			}
			wg.Go(func() { r.receive(in) })
		}
		wg.Go(func() {
			<-ctx.Done()
			conn.Close()
		})
	}
	return nil
}

func (r *run) receive(in <-chan amqp.Delivery) {
	for d := range in {
		if r.rate > 0 {
			latency := time.Duration(time.Now().UnixNano() - int64(binary.BigEndian.Uint64(d.Body)))
			r.mu.Lock()
			r.latencies = append(r.latencies, latency)
			r.mu.Unlock()
		}
		if d.Ack(false) != nil {
			return
		}
		r.received.Add(1)
	}
}

// publish sends until the context ends, with a bounded number of unconfirmed messages.
func (r *run) publish(ctx context.Context) error {
	conn, ch, err := dial(r.target)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := ch.Confirm(false); err != nil {
		return err
	}
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, r.inFlight+1))
	m := amqp.Publishing{Body: make([]byte, r.size)}
	if r.persistent {
		m.DeliveryMode = amqp.Persistent
	}
	exchange := ""
	if r.fanOut {
		exchange = r.exchange
	}
	start, free := time.Now(), r.inFlight
	for i := 0; ctx.Err() == nil; i++ {
		if r.rate > 0 {
			due := start.Add(time.Duration(float64(i) / r.rate * float64(time.Second)))
			if wait := time.Until(due); wait > 0 {
				<-time.After(wait)
			}
			binary.BigEndian.PutUint64(m.Body, uint64(time.Now().UnixNano()))
			m.Body = slices.Clone(m.Body)
		}
		for free == 0 || len(confirms) > 0 {
			select {
			case c, open := <-confirms:
				if !open || !c.Ack {
					return fmt.Errorf("message %d wasn't confirmed", c.DeliveryTag)
				}
				free++
			case <-ctx.Done():
				return nil
			}
		}
		key := r.names[i%len(r.names)]
		if err := ch.Publish(exchange, key, false, false, m); err != nil {
			return err
		}
		free--
	}
	return nil
}

func (r *run) percentiles() (p50, p99 time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.latencies)
	n := len(r.latencies)
	if n == 0 {
		return 0, 0
	}
	return r.latencies[n/2], r.latencies[n*99/100]
}
