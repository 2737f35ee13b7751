package sailors_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/ferry"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/local"
	"github.com/openintegrationhub/leat/internal/plan"
	management "github.com/openintegrationhub/leat/internal/rabbitmq"
	"github.com/openintegrationhub/leat/internal/router"
	"github.com/openintegrationhub/leat/internal/runner"
	"github.com/openintegrationhub/leat/internal/scheduler"
	"github.com/openintegrationhub/leat/internal/store"
	"github.com/openintegrationhub/leat/internal/topology"
	"github.com/openintegrationhub/leat/internal/watchdog"
	"github.com/openintegrationhub/leat/test/rabbitmq"
)

// statsInterval is how often the queues of the test's RabbitMQ tell how they are.
const statsInterval = 200 * time.Millisecond

// cluster is Leat's parts on RabbitMQ, with the steps as processes of this machine: what the operator makes of a flow, without Kubernetes.
type cluster struct {
	fixtures *fixtures
	server   *rabbitmq.Server
	broker   *management.Client
	space    string // namespace and virtual host
	web      *httptest.Server

	client    *amqp.Client
	router    *router.Router
	replies   *amqp.Replies
	scheduler *scheduler.Scheduler
	api       *api.API
	errors    *api.ErrorAPI
	collector *api.Collector
	ferry     *ferry.Ferry

	plans []plan.Plan
	steps map[string]*supervisor // by flow/step

	ctx   context.Context // of what runs
	group sync.WaitGroup
}

// hurry makes quorum queues tell how they are as often as others; they would every 5 s.
func hurry(ctx context.Context, server *rabbitmq.Server) error {
	_, err := server.Ctl(ctx, "eval", fmt.Sprintf("application:set_env(rabbit, quorum_tick_interval, %d).", statsInterval.Milliseconds()))
	return err
}

// shared is the node of all tests but those that break theirs. A busy machine takes long to start one.
var shared = sync.OnceValues(func() (*rabbitmq.Server, error) { return rabbitmq.New(patientNode()) })

func patientNode() rabbitmq.Options { return rabbitmq.Options{ReadyTimeout: 5 * time.Minute} }

func newCluster(t *testing.T) platform {
	t.Helper()
	server, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return newClusterOn(t, server)
}

func newClusterOn(t *testing.T, server *rabbitmq.Server) platform {
	t.Helper()
	c := &cluster{fixtures: newFixtures(t), server: server, space: "t" + strings.ReplaceAll(uuid.NewString()[:13], "-", ""),
		steps: map[string]*supervisor{}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(hurry(t.Context(), server))
	var err error
	c.broker, err = management.New(management.Options{URL: server.Management})
	must(err)
	must(c.broker.PutVHost(t.Context(), c.space))
	must(c.broker.PutPermission(t.Context(), management.Permission{User: "guest", VHost: c.space, Configure: ".*", Write: ".*", Read: ".*"}))

	logger := c.fixtures.logger
	dialer := amqp.Dialer{URL: server.AMQP}
	c.client = amqp.NewClient(dialer, logger)
	c.router, err = router.New(router.Options{Publisher: c.client, Logger: logger, Replies: true, ReplyStacks: true})
	must(err)
	c.replies = amqp.NewReplies(dialer, c.router.ReplyKey(), c.router.Reply, logger)
	c.scheduler, err = scheduler.New(scheduler.Options{Publisher: c.client, Logger: logger})
	must(err)
	database, err := store.New(store.Options{Database: filepath.Join(t.TempDir(), "leat.db"), Logger: logger})
	must(err)
	c.api, err = api.New(api.Options{Documents: database, Objects: database, Logger: logger})
	must(err)
	connect := func(ctx context.Context, vhost string) (*amqp.Conn, error) {
		return amqp.Dialer{URL: server.AMQP + vhost}.Connect(ctx)
	}
	c.collector = api.NewCollector(api.CollectorOptions{Connect: connect, API: c.api, Errors: database, Logger: logger})
	c.ferry = ferry.New(ferry.Options{Connect: connect, Logger: logger})
	c.errors = api.NewErrorAPI(database, c.client, logger)
	mux := http.NewServeMux()
	mux.Handle("/flow/", c.router)
	mux.Handle("/api/", c.errors)
	c.web = httptest.NewServer(api.Mount(c.api, mux))

	var stop context.CancelFunc
	c.ctx, stop = context.WithCancel(context.Background())
	for _, run := range []func(context.Context) error{c.replies.Run, c.scheduler.Run, c.collector.Run, c.ferry.Run} {
		c.group.Go(func() {
			if err := run(c.ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("run: %v", err)
			}
		})
	}
	t.Cleanup(func() {
		c.router.Stop()
		stop()
		c.group.Wait()
		c.web.Close()
		c.client.Close()
		if err := errors.Join(database.Close(), c.broker.DeleteVHost(context.Background(), c.space)); err != nil {
			t.Error(err)
		}
		c.broker.Close()
	})
	return c
}

func (c *cluster) namespace() string   { return c.space }
func (c *cluster) world() *fixtures    { return c.fixtures }
func (c *cluster) url() string         { return c.web.URL }
func (c *cluster) calm() time.Duration { return 3 * statsInterval }

// apply declares what the flows need, and starts their steps: once only.
func (c *cluster) apply(t *testing.T, flows []*flow.Flow) {
	t.Helper()
	address, err := url.Parse(c.server.AMQP)
	if err != nil {
		t.Fatal(err)
	}
	var entries []plan.Entry
	var steps []api.Step
	var starts []plan.Step
	exchanges := map[string][]string{}
	for _, f := range flows {
		p := plan.For(f, plan.Seen{}, newSecrets(f), plan.Platform{
			Builtin:       func(image string) string { b, _ := c.fixtures.builtin(image); return b.Name },
			APIURI:        c.web.URL,
			Broker:        url.URL{Scheme: "amqp", Host: address.Host},
			DeliveryLimit: deliveryLimit,
		})
		c.plans = append(c.plans, p)
		for _, s := range p.Steps {
			steps = append(steps, api.Step{Namespace: f.Namespace, Flow: f.Name, ID: s.ID, Component: s.Comp, Function: s.Function, Config: s.Config, User: s.APIUser, Key: s.APIKey})
		}
		starts = append(starts, p.Start...)
		entries = append(entries, p.Entry)
		if p.Entry.HTTP {
			exchanges[c.space] = append(exchanges[c.space], p.Entry.Exchange)
		}
	}
	if err := c.declare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range c.plans {
		for _, a := range p.Accounts {
			t.Cleanup(func() { c.broker.DeleteUser(context.Background(), a.User) })
		}
	}
	c.api.Update(steps)
	c.replies.Update(t.Context(), exchanges)
	c.collector.Update(entries)
	c.ferry.Update(entries)
	c.errors.Update(entries)
	for _, s := range starts {
		c.start(t, s)
	}
	c.router.Update(entries)
	c.scheduler.Update(entries)
	c.group.Go(c.watch)
}

// watch lets the watchdog look at the steps, with what the management API tells, and does what it says.
func (c *cluster) watch() {
	dog := watchdog.New(watchdog.Options{})
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
		}
		queues, err := c.broker.Queues(c.ctx, c.space)
		if err != nil {
			continue // the broker is away
		}
		byName := map[string]*watchdog.Queue{}
		for _, q := range queues {
			byName[q.Name] = &watchdog.Queue{Ready: int(q.MessagesReady), Unacked: int(q.MessagesUnacked), Consumers: q.Consumers}
		}
		var seen []watchdog.Step
		for key, s := range c.steps {
			flow, step, _ := strings.Cut(key, "/")
			seen = append(seen, watchdog.Step{Key: key, Replicas: 1, Since: s.since(), Queue: byName[topology.StepQueue(flow, step)]})
		}
		for _, f := range dog.Look(time.Now(), seen) {
			fmt.Fprintf(c.fixtures.log, "watchdog: step %s %s, restart: %t\n", f.Key, f.Reason, f.Restart)
			if f.Restart {
				if err := c.declare(c.ctx); err != nil {
					fmt.Fprintf(c.fixtures.log, "declare: %v\n", err)
				}
				c.steps[f.Key].restart()
			}
		}
	}
}

// declare makes all that the plans want of the broker, and what it has forgotten, as the operator does.
func (c *cluster) declare(ctx context.Context) error {
	conn, err := amqp.Dialer{URL: c.server.AMQP + c.space}.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, p := range c.plans {
		if err := conn.Declare(p.Declare); err != nil {
			return err
		}
		for _, a := range p.Accounts {
			if err := c.putAccount(ctx, a); err != nil {
				return err
			}
		}
	}
	return nil
}

func newSecrets(f *flow.Flow) plan.Secrets {
	s := plan.Secrets{CryptoPassword: uuid.NewString(), CryptoIV: uuid.NewString()[:16], Steps: map[string]plan.StepSecrets{}}
	for _, n := range f.Nodes {
		s.Steps[n.ID] = plan.StepSecrets{BrokerPassword: uuid.NewString(), APIKey: uuid.NewString()}
	}
	return s
}

func (c *cluster) putAccount(ctx context.Context, a plan.Account) error {
	return errors.Join(
		c.broker.PutPassword(ctx, a.User, a.Password),
		c.broker.PutPermission(ctx, management.Permission{User: a.User, VHost: a.VHost, Configure: a.Configure, Write: a.Write, Read: a.Read}),
		c.broker.PutTopicPermission(ctx, management.TopicPermission{User: a.User, VHost: a.VHost, Exchange: a.TopicExchange, Write: a.TopicWrite, Read: "^$"}),
	)
}

// start runs a step until the test ends, again and again.
func (c *cluster) start(t *testing.T, s plan.Step) {
	t.Helper()
	variables := map[string]string{}
	for _, v := range s.Variables {
		variables[v.Name] = v.Value
	}
	if b, ok := c.fixtures.builtin(s.Image); ok {
		settings, err := runner.FromEnvironment(func(name string) string { return variables[name] })
		if err != nil {
			t.Fatal(err)
		}
		c.group.Go(func() {
			err := runner.Run(c.ctx, runner.Options{Settings: settings, Open: component.Opener(b.Functions, c.fixtures.logger), Logger: c.fixtures.logger})
			if err != nil {
				t.Errorf("step %s: %v", s.ID, err)
			}
		})
		return
	}
	command, ok := local.FindCommand(c.fixtures.commands, s.Image)
	if !ok {
		t.Fatalf("no program for image %s", s.Image)
	}
	keep := &supervisor{command: command, variables: variables, log: c.fixtures.log}
	c.steps[variables["ELASTICIO_FLOW_ID"]+"/"+s.ID] = keep
	c.group.Go(func() { keep.run(c.ctx) })
}

func (c *cluster) connect(t *testing.T) *amqp091.Connection {
	t.Helper()
	conn, err := amqp091.Dial(c.server.AMQP + c.space)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func (c *cluster) queues(t *testing.T) map[string]depth {
	t.Helper()
	list, err := c.broker.Queues(t.Context(), c.space)
	if err != nil {
		return nil // the broker is away
	}
	all := map[string]depth{}
	for _, q := range list {
		all[q.Name] = depth{int(q.MessagesReady), int(q.MessagesUnacked), q.Consumers}
	}
	return all
}

// interrupt kills the broker, which has to be the test's own, and starts it again. It forgets accounts that are younger than a few seconds.
func (c *cluster) interrupt(t *testing.T) {
	t.Helper()
	if err := c.server.Restart(false); err != nil {
		t.Fatal(err)
	}
	if err := hurry(t.Context(), c.server); err != nil {
		t.Fatal(err)
	}
	if err := c.declare(t.Context()); err != nil {
		t.Fatal(err)
	}
}
