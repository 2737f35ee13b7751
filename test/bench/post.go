package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// hookFlow has one step, which takes a request's message and sends it on to nowhere.
const hookFlow = `{"apiVersion": "elastic.io/v1", "kind": "Flow", "metadata": {"name": "hook", "namespace": "flows"}, "spec": {
	"nodes": [{"id": "in", "image": "elasticio/webhook", "function": "receive", "first": true}], "connections": []}}`

// benchPost measures requests that are answered when they're on disk. Leat's figure includes the work of the flow's step; the reference, a
// bare handler that publishes to RabbitMQ and waits for the confirm, only puts the message into a queue that nobody reads.
func benchPost(s *settings) error {
	file, err := write(s, "hook.json", hookFlow)
	if err != nil {
		return err
	}
	p, err := leat(s, file)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := p.ready(); err != nil {
		return err
	}
	slow, err := rabbitTarget()
	if err != nil {
		return err
	}
	bare, address, err := startBare(slow.url)
	if err != nil {
		return err
	}
	defer bare.stop()
	post := func(name, address string, pid int, broker func() cpuTime) *variant {
		return &variant{name: name, measure: func() (result, error) {
			if _, err := load(s, address, s.warmup); err != nil {
				return result{}, err
			}
			own, other := processCPU(pid), broker()
			r, err := load(s, address, s.length)
			if err != nil {
				return result{}, err
			}
			r.cpu, r.broker = (processCPU(pid)-own)/cpuTime(r.count), (broker()-other)/cpuTime(r.count)
			return r, nil
		}}
	}
	ours := post("POST /flow/ID, leat run", p.address, p.pid(), func() cpuTime { return 0 })
	reference := post("bare handler, RabbitMQ", address, bare.command.Process.Pid, slow.cpu)
	fmt.Printf("%d connections, 1 KiB of JSON each, answered when it's on disk; load by %s\n\n", connections, loadName())
	return compare(s, "request", []*variant{ours, reference}, reference)
}

// bareServer is the reference in a process of its own.
type bareServer struct {
	command *exec.Cmd
	in      io.Closer // it ends when this is closed
}

func startBare(url string) (*bareServer, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	command := exec.Command(self, bareCommand, url)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, "", err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := command.Start(); err != nil {
		return nil, "", err
	}
	b := &bareServer{command, in}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("start bare handler: %w", err), b.stop())
	}
	return b, strings.TrimSpace(address), nil
}

func (b *bareServer) stop() error {
	return errors.Join(b.in.Close(), b.command.Wait())
}

// bareCommand makes this program the reference of post: a bare net/http handler that publishes each body to a durable queue and answers when
// the broker has confirmed it. It writes its address to standard output and ends with its standard input.
const bareCommand = "bare-handler"

func serveBare(url string) error {
	conn, err := amqp091.Dial(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	channel, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := channel.Confirm(false); err != nil {
		return err
	}
	q, err := channel.QueueDeclare("bench-post", true, false, false, false, nil)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		listener.Close()
	}()
	err = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		confirm, err := channel.PublishWithDeferredConfirm("", q.Name, false, false,
			amqp091.Publishing{ContentType: "application/json", DeliveryMode: amqp091.Persistent, Body: body})
		if err != nil || !confirm.Wait() {
			http.Error(w, "the broker has not taken it", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"status":"OK"}`)
	}))
	if errors.Is(err, net.ErrClosed) {
		_, err = channel.QueueDelete(q.Name, false, false, false)
	}
	return err
}
