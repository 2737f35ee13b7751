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
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/local"
	"github.com/openintegrationhub/leat/internal/plan"
	management "github.com/openintegrationhub/leat/internal/rabbitmq"
	"github.com/openintegrationhub/leat/internal/router"
	"github.com/openintegrationhub/leat/internal/runner"
	"github.com/openintegrationhub/leat/internal/scheduler"
	"github.com/openintegrationhub/leat/internal/store"
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

	plans []plan.Plan

	ctx   context.Context // of what runs
	group sync.WaitGroup
}

// hurry makes quorum queues tell how they are as often as others; they would every 5 s.
func hurry(ctx context.Context, server *rabbitmq.Server) error {
	_, err := server.Ctl(ctx, "eval", fmt.Sprintf("application:set_env(rabbit, quorum_tick_interval, %d).", statsInterval.Milliseconds()))
	return err
}

func newCluster(t *testing.T) platform { return newClusterOn(t, rabbitmq.Start(t)) }

func newClusterOn(t *testing.T, server *rabbitmq.Server) platform {
	t.Helper()
	c := &cluster{fixtures: newFixtures(t), server: server, space: "t" + strings.ReplaceAll(uuid.NewString()[:13], "-", "")}
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
	c.api, err = api.New(api.Options{Documents: database, Logger: logger})
	must(err)
	c.collector = api.NewCollector(api.CollectorOptions{
		Connect: func(ctx context.Context, vhost string) (*amqp.Conn, error) {
			return amqp.Dialer{URL: server.AMQP + vhost}.Connect(ctx)
		},
		API: c.api, Errors: database, Logger: logger,
	})
	c.errors = api.NewErrorAPI(database, c.client, logger)
	mux := http.NewServeMux()
	mux.Handle("/flow/", c.router)
	mux.Handle("/api/", c.errors)
	for _, prefix := range api.Prefixes() {
		mux.Handle(prefix, c.api)
	}
	c.web = httptest.NewServer(mux)

	var stop context.CancelFunc
	c.ctx, stop = context.WithCancel(context.Background())
	for _, run := range []func(context.Context) error{c.replies.Run, c.scheduler.Run, c.collector.Run} {
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
	c.declare(t)
	for _, p := range c.plans {
		for _, a := range p.Accounts {
			t.Cleanup(func() { c.broker.DeleteUser(context.Background(), a.User) })
		}
	}
	c.api.Update(steps)
	c.replies.Update(t.Context(), exchanges)
	c.collector.Update(entries)
	c.errors.Update(entries)
	for _, s := range starts {
		c.start(t, s)
	}
	c.router.Update(entries)
	c.scheduler.Update(entries)
}

// declare makes all that the plans want of the broker, and what it has forgotten, as the operator does.
func (c *cluster) declare(t *testing.T) {
	t.Helper()
	conn, err := amqp.Dialer{URL: c.server.AMQP + c.space}.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, p := range c.plans {
		if err := conn.Declare(p.Declare); err != nil {
			t.Fatal(err)
		}
		for _, a := range p.Accounts {
			c.putAccount(t, a)
		}
	}
}

func newSecrets(f *flow.Flow) plan.Secrets {
	s := plan.Secrets{CryptoPassword: uuid.NewString(), CryptoIV: uuid.NewString()[:16], Steps: map[string]plan.StepSecrets{}}
	for _, n := range f.Nodes {
		s.Steps[n.ID] = plan.StepSecrets{BrokerPassword: uuid.NewString(), APIKey: uuid.NewString()}
	}
	return s
}

func (c *cluster) putAccount(t *testing.T, a plan.Account) {
	t.Helper()
	for _, err := range []error{
		c.broker.PutPassword(t.Context(), a.User, a.Password),
		c.broker.PutPermission(t.Context(), management.Permission{User: a.User, VHost: a.VHost, Configure: a.Configure, Write: a.Write, Read: a.Read}),
		c.broker.PutTopicPermission(t.Context(), management.TopicPermission{User: a.User, VHost: a.VHost, Exchange: a.TopicExchange, Write: a.TopicWrite, Read: "^$"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
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
	supervise := &supervisor{command: command, variables: variables, log: c.fixtures.log}
	c.group.Go(func() { supervise.run(c.ctx) })
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
	c.declare(t)
}
