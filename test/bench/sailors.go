package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/topology"
)

const (
	sailorSteps = 3
	calmRate    = 50 // messages a second while latency is measured
	sailorStart = time.Minute
	manyAtOnce  = 10 // messages that a component works on at a time, if the flow asks for more than one
)

// sailors is where the Node library and the component are.
type sailors struct {
	program   string // of the library
	component string // folder
}

// benchSailors measures three components on elastic.io's Node library in a row: on RabbitMQ with the library's own settings, on RabbitMQ with
// those that Leat gives, and in `leat run`, one message at a time and several. First 50 messages a second for the latency, then as many as go through.
func benchSailors(s *settings) error {
	libraries := os.Getenv("LEAT_SAILORS")
	if libraries == "" {
		fmt.Println("left out: LEAT_SAILORS doesn't say where the library is; `make test-sailors` installs it")
		return nil
	}
	component, err := filepath.Abs("test/sailors/node")
	if err != nil {
		return err
	}
	l := sailors{program: filepath.Join(libraries, "sailor-"+s.sailor, "node_modules/elasticio-sailor-nodejs/run.js"), component: component}
	slow, err := rabbitTarget()
	if err != nil {
		return err
	}
	on := func(name string, defaults bool, messages int) *variant {
		return &variant{name: name, measure: func() (result, error) { return l.onRabbitMQ(s, slow, defaults, messages) }}
	}
	ours := func(name string, prefetch int) *variant {
		return &variant{name: name, measure: func() (result, error) { return l.inLeat(s, prefetch, s.sailorMessages) }}
	}
	home := on("RabbitMQ, the library's defaults", true, s.sailorMessages/5)
	lifted := on("RabbitMQ, Leat's settings", false, s.sailorMessages/2)
	fmt.Printf("%d components on elasticio-sailor-nodejs %s in a row, 1 KiB; latency at %d messages a second, from the sender to the last component.\n", sailorSteps, s.sailor, calmRate)
	fmt.Print("CPU is that of the components, the broker process RabbitMQ or all of leat.\n\n")
	return compare(s, "message", []*variant{ours("leat run", 1), ours(fmt.Sprintf("leat run, prefetch %d", manyAtOnce), manyAtOnce), home, lifted}, home, lifted)
}

// passage is a chain of components that runs.
type passage struct {
	folder string // of what the components write
	broker int    // process
	send   func(sent float64) error
}

// onRabbitMQ runs the components on RabbitMQ.
func (l sailors) onRabbitMQ(s *settings, t *target, defaults bool, messages int) (_ result, err error) {
	w, err := newWorld(t, sailorSteps)
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	folder, err := os.MkdirTemp(s.dir, "sailors-")
	if err != nil {
		return result{}, err
	}
	for i := range sailorSteps {
		command := exec.Command("node", l.program)
		command.Dir, command.Env = l.component, append(os.Environ(), "BENCH="+folder, "BENCH_LAST="+stepID(sailorSteps-1), "LOG_LEVEL=error")
		for _, v := range w.plan.Steps[i].Variables {
			if defaults && (strings.Contains(v.Name, "RATE_") || strings.HasSuffix(v.Name, "PERSISTENT_MESSAGES")) {
				continue
			}
			command.Env = append(command.Env, v.Name+"="+v.Value)
		}
		command.Env = append(command.Env, "ELASTICIO_AMQP_URI="+t.url, "ELASTICIO_FUNCTION=bench")
		command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		if err := command.Start(); err != nil {
			return result{}, err
		}
		defer func() {
			command.Process.Kill()
			command.Wait() // killed
		}()
	}
	for i := range sailorSteps {
		if err := until(sailorStart, func() bool {
			_, consumers, err := w.conn.Pending(topology.StepQueue(w.flow.Name, stepID(i)))
			return err == nil && consumers == 1
		}); err != nil {
			return result{}, fmt.Errorf("component %d: %w", i+1, err)
		}
	}
	publisher, err := w.conn.Publisher()
	if err != nil {
		return result{}, err
	}
	send := func(sent float64) error { return w.sendSailor(publisher, sent) }
	return passage{folder: folder, broker: rabbitPID(), send: send}.measure(s, messages)
}

// sendSailor sends one message into the first step.
func (w *world) sendSailor(p *amqp.Publisher, sent float64) error {
	m, err := message.New(sailorBody(sent))
	if err != nil {
		return err
	}
	plain, err := m.Encode()
	if err != nil {
		return err
	}
	headers := message.Headers{"taskId": w.flow.Name, "execId": m.ID, "userId": "leat", "messageId": m.ID, "x-eio-meta-trace-id": m.ID, "threadId": m.ID}
	key := topology.Key(w.flow.Name, stepID(0), topology.Input)
	_, err = p.Send(context.Background(), amqp.Publishing{Exchange: w.flow.Name, Key: key, Headers: headers, Body: w.cipher.Encrypt(plain)})
	return err
}

// sailorBody is about 1 KiB.
func sailorBody(sent float64) map[string]any {
	return map[string]any{"sent": sent, "text": strings.Repeat("x", 980)}
}

// inLeat runs the components in `leat run`.
func (l sailors) inLeat(s *settings, prefetch, messages int) (_ result, err error) {
	folder, err := os.MkdirTemp(s.dir, "sailors-")
	if err != nil {
		return result{}, err
	}
	var nodes, connections []string
	for i := range sailorSteps {
		nodes = append(nodes, fmt.Sprintf(`{"id": %q, "image": "test/sailor", "function": "bench", "prefetch": %d, "first": %t}`, stepID(i), prefetch, i == 0))
		if i > 0 {
			connections = append(connections, fmt.Sprintf(`{"from": %q, "to": %q}`, stepID(i-1), stepID(i)))
		}
	}
	file, err := write(s, "sailors.json", fmt.Sprintf(`{"apiVersion": "elastic.io/v1", "kind": "Flow", "metadata": {"name": "hook", "namespace": "flows"},
		"spec": {"nodes": [%s], "connections": [%s]}}`, strings.Join(nodes, ","), strings.Join(connections, ",")))
	if err != nil {
		return result{}, err
	}
	command := fmt.Sprintf("cd %s && BENCH=%s BENCH_LAST=%s LOG_LEVEL=error exec node %s", l.component, folder, stepID(sailorSteps-1), l.program)
	p, err := leat(s, "--component", "test/sailor="+command, file)
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := p.ready(); err != nil {
		return result{}, err
	}
	send := func(sent float64) error {
		body := fmt.Appendf(nil, `{"sent":%.3f,"text":%q}`, sent, strings.Repeat("x", 980))
		response, err := http.Post("http://"+p.address+hookPath, "application/json", bytes.NewReader(body))
		if err != nil {
			return err
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	}
	return passage{folder: folder, broker: p.pid(), send: send}.measure(s, messages)
}

// measure sends a few messages a second, then many at once.
func (r passage) measure(s *settings, messages int) (result, error) {
	warm := calmRate // the first messages are slow: code is compiled
	for n := range warm + int(s.length.Seconds()*2*calmRate) {
		next := time.Now().Add(time.Second / calmRate)
		if err := r.send(now()); err != nil {
			return result{}, fmt.Errorf("send message %d: %w", n, err)
		}
		time.Sleep(time.Until(next))
	}
	calm, err := r.times(warm + int(s.length.Seconds()*2*calmRate))
	if err != nil {
		return result{}, err
	}
	latencies := make([]float64, 0, len(calm))
	for _, t := range calm[warm:] {
		latencies = append(latencies, t.took)
	}
	slices.Sort(latencies)
	before, own := processCPU(r.broker), r.componentsCPU()
	for n := range messages {
		if err := r.send(now()); err != nil {
			return result{}, fmt.Errorf("send message %d: %w", n, err)
		}
	}
	all, err := r.times(len(calm) + messages)
	if err != nil {
		return result{}, err
	}
	many := all[len(calm):]
	from, to := many[len(many)/4], many[len(many)-1] // the sender has a share of the machine at first
	count := float64(len(many) - 1 - len(many)/4)
	n := cpuTime(messages)
	return result{
		rate: count / (to.at - from.at) * 1000,
		cpu:  (r.componentsCPU() - own) / n, broker: (processCPU(r.broker) - before) / n,
		count: messages, p50: milliseconds(latencies[len(latencies)/2]), p99: milliseconds(latencies[len(latencies)*99/100]),
	}, nil
}

func now() float64 { return float64(time.Now().UnixMicro()) / 1000 }

func milliseconds(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }

// arrival of a message at the last component, in ms.
type arrival struct{ at, took float64 }

// times waits until the last component has seen n messages, and returns when.
func (r passage) times(n int) (all []arrival, err error) {
	err = until(5*time.Minute, func() bool {
		text, _ := os.ReadFile(filepath.Join(r.folder, "times"))
		all = all[:0]
		for line := range strings.Lines(string(text)) {
			var a arrival
			if _, err := fmt.Sscan(line, &a.at, &a.took); err == nil {
				all = append(all, a)
			}
		}
		return len(all) >= n
	})
	if err == nil && len(all) > n {
		err = fmt.Errorf("%d messages came, %d were sent", len(all), n)
	}
	return all, err
}

// componentsCPU is the processor time of all components.
func (r passage) componentsCPU() (sum cpuTime) {
	files, _ := filepath.Glob(filepath.Join(r.folder, "*.pid"))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		pid, _ := strconv.Atoi(string(text))
		sum += processCPU(pid)
	}
	return sum
}

// until asks done now and then.
func until(atMost time.Duration, done func() bool) error {
	for end := time.Now().Add(atMost); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if done() {
			return nil
		}
	}
	return fmt.Errorf("not done after %v", atMost)
}
