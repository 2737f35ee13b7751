package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/test/rabbitmq"
)

// target is a broker to measure on.
type target struct {
	name string
	url  string
	dial func(ctx context.Context, network, address string) (net.Conn, error) // nil means TCP
	cpu  func() cpuTime                                                       // of the broker, if it's a process of its own
	stop func() error
}

// embedded starts Leat's broker in this process, with everything on disk.
func embedded(dir string) (*target, error) {
	folder, err := os.MkdirTemp(dir, "broker-")
	if err != nil {
		return nil, err
	}
	o := broker.DefaultOptions()
	o.Dir = folder
	b, err := broker.New(o)
	if err != nil {
		return nil, err
	}
	return &target{
		name: "embedded broker",
		url:  "amqp://guest:guest@broker/",
		dial: func(context.Context, string, string) (net.Conn, error) { return b.Dial() },
		cpu:  func() cpuTime { return 0 },
		stop: b.Close,
	}, nil
}

var rabbit = sync.OnceValues(func() (*rabbitmq.Server, error) { return rabbitmq.New(rabbitmq.Options{StatsInterval: defaultStats}) })

// rabbitTarget starts Debian's RabbitMQ, once for all benchmarks. It ends with this process.
func rabbitTarget() (*target, error) {
	server, err := rabbit()
	if err != nil {
		return nil, fmt.Errorf("start RabbitMQ: %w", err)
	}
	return &target{
		name: "RabbitMQ over TCP",
		url:  server.AMQP,
		cpu:  func() cpuTime { return processCPU(server.PID()) },
		stop: func() error { return nil },
	}, nil
}

// rabbitPID is the process of RabbitMQ, which runs.
func rabbitPID() int {
	server, err := rabbit()
	if err != nil {
		return 0
	}
	return server.PID()
}

// connect connects as Leat does.
func (t *target) connect() (*amqp.Conn, error) {
	return amqp.Dialer{URL: t.url, Dial: t.dial}.Connect(context.Background())
}

// connectBare connects with nothing but the library.
func (t *target) connectBare() (*amqp091.Connection, error) {
	config := amqp091.Config{}
	if t.dial != nil {
		config.Dial = func(network, address string) (net.Conn, error) { return t.dial(context.Background(), network, address) }
	}
	return amqp091.DialConfig(t.url, config)
}
