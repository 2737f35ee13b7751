package sailors_test

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/components"
	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/local"
	"github.com/openintegrationhub/leat/internal/logtest"
)

// platform runs flows on one broker.
type platform interface {
	// namespace that its flows are in.
	namespace() string
	// apply makes the flows all that runs.
	apply(t *testing.T, flows []*flow.Flow)
	// url of the HTTP server.
	url() string
	// connect opens a connection to the flows' virtual host that may do everything.
	connect(t *testing.T) *amqp091.Connection
	// queues says how the queues are; calm is how old the numbers may be.
	queues(t *testing.T) map[string]depth
	calm() time.Duration
	// interrupt takes the broker away from the steps, and gives it back.
	interrupt(t *testing.T)
	// world is what the platform's parts share.
	world() *fixtures
}

// depth of a queue.
type depth struct{ ready, unacked, consumers int }

// deliveryLimit is how often a message may kill its step.
const deliveryLimit = 2

// fixtures are what both platforms give to steps.
type fixtures struct {
	notes    string // folder
	commands map[string]local.Command
	log      *logtest.Buffer
	logger   *slog.Logger

	mu   sync.Mutex // guards kept
	kept map[string][]string
}

func newFixtures(t *testing.T) *fixtures {
	t.Helper()
	x := &fixtures{notes: t.TempDir(), commands: map[string]local.Command{}, log: new(logtest.Buffer), kept: map[string][]string{}}
	x.logger = slog.New(slog.NewTextHandler(x.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, g := range generations {
		line, dir := g.program(t)
		x.commands[g.image()] = local.Command{Line: line, Dir: dir, Env: map[string]string{"SAILOR_NOTES": x.notes}}
	}
	t.Cleanup(func() {
		if t.Failed() {
			text := x.log.String()
			t.Logf("log, the end of it:\n%s", text[max(0, len(text)-20_000):])
		}
	})
	return x
}

// builtin has Leat's own components, and test/sink, which keeps what it gets.
func (x *fixtures) builtin(image string) (local.Builtin, bool) {
	if image == "test/sink" {
		return local.Builtin{Name: "sink", Functions: map[string]component.Function{"keep": x.sink}}, true
	}
	if _, ok := local.FindCommand(x.commands, image); ok {
		return local.Builtin{}, false
	}
	b, ok := components.Find(image)
	return local.Builtin{Name: b.Name, Functions: b.Functions}, ok
}

func (x *fixtures) sink(step *component.Step) (component.Process, error) {
	return func(_ context.Context, in *component.Message, _ component.Output) error {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.kept[step.Flow] = append(x.kept[step.Flow], canonical(in.Body))
		return nil
	}, nil
}

// sunk are the bodies that the sink of a flow has got.
func (x *fixtures) sunk(flow string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]string(nil), x.kept[flow]...)
}

// notesOf is a file of notes of a step.
func (x *fixtures) notesOf(flow, step, kind string) string {
	return filepath.Join(x.notes, flow+"."+strings.ReplaceAll(step, ":", "~")+kind)
}

// embedded is `leat run` inside the test.
type embedded struct {
	*local.World
	fixtures *fixtures
}

const tester = "tester"

func newEmbedded(t *testing.T) platform {
	t.Helper()
	e := &embedded{fixtures: newFixtures(t)}
	var err error
	e.World, err = local.New(local.Options{
		Data: t.TempDir(), Listen: "localhost:0", AMQP: "127.0.0.1:0", Builtin: e.fixtures.builtin, Commands: e.fixtures.commands,
		DeliveryLimit: deliveryLimit, Logger: e.fixtures.logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(2 * local.StopTimeout):
			t.Error("the world doesn't stop")
		}
	})
	return e
}

func (e *embedded) namespace() string   { return "flows" }
func (e *embedded) world() *fixtures    { return e.fixtures }
func (e *embedded) url() string         { return "http://" + e.Addr().String() }
func (e *embedded) calm() time.Duration { return 0 }

func (e *embedded) apply(t *testing.T, flows []*flow.Flow) {
	t.Helper()
	if err := e.Apply(t.Context(), flows); err != nil {
		t.Fatal(err)
	}
}

func (e *embedded) connect(t *testing.T) *amqp091.Connection {
	t.Helper()
	b := e.Broker()
	if err := b.PutUser(tester, tester, "administrator"); err != nil {
		t.Fatal(err)
	}
	all := broker.Permissions{Configure: ".*", Write: ".*", Read: ".*"}
	if err := b.PutPermissions(e.namespace(), tester, all); err != nil {
		t.Fatal(err)
	}
	conn, err := amqp091.DialConfig("amqp://"+tester+":"+tester+"@broker/"+e.namespace(), amqp091.Config{
		Heartbeat: 10 * time.Second, Dial: func(string, string) (net.Conn, error) { return b.Dial() },
	})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func (e *embedded) queues(*testing.T) map[string]depth {
	all := map[string]depth{}
	for _, q := range e.Broker().Queues(e.namespace()) {
		all[q.Name] = depth{q.Ready, q.Unacked, q.Consumers}
	}
	return all
}

// interrupt cuts the connections of all processes: the broker itself ends only together with them.
func (e *embedded) interrupt(t *testing.T) {
	t.Helper()
	cut := 0
	for _, c := range e.Broker().Connections() {
		if !strings.Contains(c.Peer, ":") { // in memory: names aren't unique there
			continue
		}
		cut++
		if err := e.Broker().CloseConnection(c.Name, "test"); err != nil {
			t.Logf("close %s: %v", c.Name, err) // it closed by itself
		}
	}
	if cut == 0 {
		t.Fatal("no connection to cut")
	}
}

// parse reads a flow with NAMESPACE in place of the namespace.
func parse(t *testing.T, p platform, text string) *flow.Flow {
	t.Helper()
	flows, err := flow.Parse("flow.yaml", []byte(strings.ReplaceAll(text, "NAMESPACE", p.namespace())))
	if err != nil || len(flows) != 1 {
		t.Fatalf("%d flows: %v\n%s", len(flows), err, text)
	}
	return flows[0]
}
