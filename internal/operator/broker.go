package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/rabbitmq"
	"github.com/openintegrationhub/leat/internal/topology"
)

// deliveryLimit is how often a message of a quorum queue may come back because its step died, before it counts as the cause.
const deliveryLimit = 20

// broker is the operator's way to RabbitMQ: the management API for what there is and for accounts, AMQP for topology. All flows share one
// snapshot of what there is, so that looking costs a few lists, however many flows there are.
type broker struct {
	api    *rabbitmq.Client
	uri    string // AMQP, with the operator's account
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	every  time.Duration // how old the snapshot may be
	logger *slog.Logger

	fetching sync.Mutex // held while the broker is asked: one asks and the others wait

	mu       sync.Mutex // guards what follows, and what is in it
	snapshot *snapshot
	failed   error     // of the last try
	tried    time.Time // when that was
	spaces   map[string]bool

	connecting sync.Mutex // guards conns; held while connecting
	conns      map[string]*amqp.Conn
}

// brokerSeen is what the broker has of one flow, as a copy.
type brokerSeen struct {
	quorum   bool
	topology topology.Topology
	queues   map[string]rabbitmq.Queue
	accounts []string
}

// refresh asks the broker again if the snapshot is older than the given age.
func (b *broker) refresh(ctx context.Context, age time.Duration) error {
	b.fetching.Lock()
	defer b.fetching.Unlock()
	b.mu.Lock()
	fresh := b.snapshot != nil && time.Since(b.snapshot.taken) < age
	failed, since := b.failed, time.Since(b.tried)
	namespaces := slices.Sorted(maps.Keys(b.spaces))
	b.mu.Unlock()
	if fresh {
		return nil
	}
	if failed != nil && since < min(age, time.Second) { // a broker that's away isn't asked for each flow
		return failed
	}
	start := time.Now()
	s, err := fetch(ctx, b.api, namespaces, start)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tried, b.failed = time.Now(), err
	if err != nil {
		b.snapshot = nil
		return err
	}
	if b.snapshot != nil {
		for key, old := range b.snapshot.flows {
			if !old.changed.Before(start) { // the lists may be from before the change
				s.flows[key] = old
			}
		}
	}
	b.snapshot = s
	return nil
}

// look returns what the broker has of a flow.
func (b *broker) look(ctx context.Context, f *flow.Flow) (brokerSeen, error) {
	b.mu.Lock()
	known := b.spaces[f.Namespace]
	b.spaces[f.Namespace] = true
	if !known {
		b.snapshot = nil
	}
	there := b.snapshot != nil // watch keeps it young; nobody waits for long lists
	b.mu.Unlock()
	if !there {
		if err := b.refresh(ctx, 2*b.every); err != nil {
			return brokerSeen{}, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.snapshot == nil {
		return brokerSeen{}, errLost
	}
	h := b.snapshot.flows[flowKey{f.Namespace, f.Name}]
	if h == nil {
		return brokerSeen{quorum: b.snapshot.quorum(f)}, nil
	}
	return brokerSeen{
		quorum: b.snapshot.quorum(f), topology: h.topology(), queues: maps.Clone(h.queues), accounts: slices.Sorted(maps.Keys(h.users)),
	}, nil
}

// with runs a function on the snapshot's part for a flow, unless there's no snapshot.
func (b *broker) with(key flowKey, do func(*snapshot, *holding)) (there bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.snapshot == nil {
		return false
	}
	do(b.snapshot, b.snapshot.flow(key))
	return true
}

// errLost says that nothing is known of the broker any more.
var errLost = fmt.Errorf("look at the broker: %w", amqp.ErrUnavailable)

// prepare makes the accounts and the topology of a plan, as far as they are missing. It returns the queues that it had to make.
func (b *broker) prepare(ctx context.Context, p plan.Plan) (made []string, err error) {
	key := flowKey{p.Flow.Namespace, p.Flow.Name}
	if err := b.prepareSpace(ctx, key.namespace); err != nil {
		return nil, err
	}
	var stale []plan.Account
	var missing topology.Topology
	if !b.with(key, func(_ *snapshot, h *holding) {
		for _, a := range p.Accounts {
			if h.users[a.User].differs(a) {
				stale = append(stale, a)
			}
		}
		missing = h.missing(p.Declare)
	}) {
		return nil, errLost
	}
	for _, a := range stale {
		if err := b.putAccount(ctx, key, a); err != nil {
			return nil, err
		}
	}
	if len(missing.Exchanges)+len(missing.Queues)+len(missing.Bindings) == 0 {
		return nil, nil
	}
	conn, err := b.connect(ctx, key.namespace)
	if err != nil {
		return nil, err
	}
	if err := conn.Declare(missing); err != nil {
		return nil, err
	}
	b.with(key, func(_ *snapshot, h *holding) { h.declared(missing, time.Now()) })
	for _, q := range missing.Queues {
		made = append(made, q.Name)
	}
	return made, nil
}

// prepareSpace makes a namespace's virtual host, and lets the operator and the platform's services into it.
func (b *broker) prepareSpace(ctx context.Context, namespace string) error {
	own, _ := url.Parse(b.uri)
	accounts := append(topology.ServiceAccounts(namespace), topology.Account{
		User: own.User.Username(), VHost: namespace, Configure: ".*", Write: ".*", Read: ".*",
	})
	var there bool
	var stale []topology.Account
	known := b.with(flowKey{namespace, ""}, func(s *snapshot, _ *holding) {
		there = s.vhosts[namespace]
		for _, a := range accounts {
			if s.others[other(a.User, "")] == nil { // a platform may do without a service
				continue
			}
			u := s.others[other(a.User, namespace)]
			if u == nil || u.permission.Configure != a.Configure || u.permission.Write != a.Write || u.permission.Read != a.Read {
				stale = append(stale, a)
			}
		}
	})
	if !known {
		return errLost
	}
	if !there {
		if err := b.api.PutVHost(ctx, namespace); err != nil {
			return err
		}
		b.with(flowKey{namespace, ""}, func(s *snapshot, _ *holding) { s.vhosts[namespace] = true })
	}
	for _, a := range stale {
		p := rabbitmq.Permission{User: a.User, VHost: namespace, Configure: a.Configure, Write: a.Write, Read: a.Read}
		if err := b.api.PutPermission(ctx, p); err != nil {
			return err
		}
		b.with(flowKey{namespace, ""}, func(s *snapshot, _ *holding) {
			s.others[other(a.User, namespace)] = &user{User: rabbitmq.User{Name: a.User}, permission: &p}
		})
	}
	return nil
}

// putAccount sets one account right. A new password doesn't end connections that use the old one.
func (b *broker) putAccount(ctx context.Context, key flowKey, a plan.Account) error {
	u := rabbitmq.User{Name: a.User, PasswordHash: rabbitmq.HashPassword(a.Password)}
	p := rabbitmq.Permission{User: a.User, VHost: a.VHost, Configure: a.Configure, Write: a.Write, Read: a.Read}
	t := rabbitmq.TopicPermission{User: a.User, VHost: a.VHost, Exchange: a.TopicExchange, Write: a.TopicWrite, Read: "^$"}
	var known *user
	b.with(key, func(_ *snapshot, h *holding) { known = h.users[a.User] })
	if known == nil || !known.Matches(a.Password) {
		if err := b.api.PutUser(ctx, u); err != nil {
			return err
		}
	}
	if err := b.api.PutPermission(ctx, p); err != nil {
		return err
	}
	if err := b.api.PutTopicPermission(ctx, t); err != nil {
		return err
	}
	b.with(key, func(_ *snapshot, h *holding) {
		h.changed = time.Now()
		h.users[a.User] = &user{User: u, permission: &p, topic: &t}
	})
	return nil
}

// remove takes topology and accounts away.
func (b *broker) remove(ctx context.Context, key flowKey, t topology.Topology, accounts []string) error {
	if len(t.Bindings)+len(t.Queues)+len(t.Exchanges) > 0 {
		conn, err := b.connect(ctx, key.namespace)
		if err != nil {
			return err
		}
		if err := conn.Remove(t); err != nil {
			return err
		}
		b.with(key, func(_ *snapshot, h *holding) { h.removed(t, time.Now()) })
	}
	for _, name := range accounts {
		if err := b.api.DeleteUser(ctx, name); err != nil {
			return err
		}
		b.with(key, func(_ *snapshot, h *holding) {
			h.changed = time.Now()
			delete(h.users, name)
		})
	}
	return nil
}

// pending returns how many messages of a step's queue are ready and how many consumers it has, at this moment. Those in work aren't counted.
func (b *broker) pending(ctx context.Context, f *flow.Flow, queue string) (ready, consumers int, err error) {
	conn, err := b.connect(ctx, f.Namespace)
	if err != nil {
		return 0, 0, err
	}
	return conn.Pending(queue)
}

// giveUp makes dead letters of what waits for a removed step, so that it's in the errors list then. It returns how many messages there were.
func (b *broker) giveUp(ctx context.Context, f *flow.Flow, step string) (given int, err error) {
	conn, err := b.connect(ctx, f.Namespace)
	if err != nil {
		return 0, err
	}
	queue, key := topology.StepQueue(f.Name, step), topology.Key(f.Name, step, topology.DeadLetter)
	way := topology.Topology{Bindings: []topology.Binding{{Source: f.Name, Key: key, Queue: topology.DeadLetterQueue(f.Name)}}}
	for {
		n, _, err := conn.Pending(queue)
		if err != nil || n == 0 {
			return given, err
		}
		if err := conn.Declare(way); err != nil { // an earlier change may have removed it
			return given, err
		}
		ctx, cancel := context.WithTimeout(ctx, giveUpMax)
		err = conn.Move(ctx, queue, n, f.Name, key, message.Headers{topology.ReasonHeader: "its step was removed from the flow"})
		cancel()
		if err != nil {
			return given, fmt.Errorf("give up messages of removed step %q: %w", step, err)
		}
		given += n
	}
}

// giveUpMax bounds how long one flow may keep a worker busy with that.
const giveUpMax = time.Minute

// connect returns the connection to a namespace's virtual host.
func (b *broker) connect(ctx context.Context, namespace string) (*amqp.Conn, error) {
	b.connecting.Lock()
	defer b.connecting.Unlock()
	if conn := b.conns[namespace]; conn != nil {
		if conn.Err() == nil {
			return conn, nil
		}
		delete(b.conns, namespace)
	}
	u, err := url.Parse(b.uri)
	if err != nil {
		return nil, errors.New("connect to broker: bad address")
	}
	u.Path, u.RawPath = "/"+namespace, "/"+url.PathEscape(namespace)
	conn, err := amqp.Dialer{URL: u.String(), Name: "leat/operator", Dial: b.dial}.Connect(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	b.conns[namespace] = conn
	return conn, nil
}

// close ends all connections.
func (b *broker) close() {
	b.connecting.Lock()
	defer b.connecting.Unlock()
	for _, conn := range b.conns {
		conn.Close()
	}
	b.api.Close()
}

// watch looks at the broker again and again, and tells which flows have something new there.
func (b *broker) watch(ctx context.Context, tell func(flowKey)) {
	type sums struct{ shape, load uint64 }
	known := map[flowKey]sums{}
	var failed string
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(b.every):
		}
		err := b.refresh(ctx, b.every/2)
		if ctx.Err() != nil {
			return
		}
		reason := ""
		if err != nil {
			reason = reasonOf(err)
		}
		everyone := reason != failed // it went away, or came back
		failed = reason
		if everyone && err != nil {
			b.logger.Warn("broker is away", "err", err)
		}
		now := map[flowKey]sums{}
		b.mu.Lock()
		if b.snapshot != nil {
			for key, h := range b.snapshot.flows {
				if key.name != "" {
					now[key] = sums{h.shape(), h.load()}
				}
			}
		}
		b.mu.Unlock()
		if err != nil {
			now = known
		}
		for key, s := range now {
			if everyone || known[key] != s {
				tell(key)
			}
		}
		for key := range known { // the broker has forgotten it
			if _, still := now[key]; !still {
				tell(key)
			}
		}
		known = now
	}
}

// brokerAway is what reasonOf says of a broker that doesn't answer.
const brokerAway = "the broker can't be reached"

// reasonOf is an error without what changes from try to try, for a person.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*rabbitmq.Error](err); ok {
		return e.Error()
	}
	if _, ok := errors.AsType[*net.OpError](err); ok || errors.Is(err, amqp.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		return brokerAway
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}
