package broker

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openintegrationhub/leat/internal/broker/core"
	"github.com/openintegrationhub/leat/internal/broker/server"
	"github.com/openintegrationhub/leat/internal/broker/store"
	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// Version is the version of RabbitMQ whose behaviour the broker has. Clients branch on it.
const Version = "3.10.8"

// Broker is a running broker.
type Broker struct {
	opts   Options
	store  *store.Store // nil when in memory
	server *server.Server
	users  *accounts

	mu     sync.RWMutex // guards what follows; never held while a virtual host is locked
	spaces map[string]*server.Space
	closed bool

	writes  chan write    // definitions of accounts and virtual hosts
	commits chan struct{} // something to commit
	loads   chan struct{} // something to read
	stop    chan struct{}
	wg      sync.WaitGroup
	alarms  alarms
	looks   int         // at memory since it was last enough; watch's alone
	full    atomic.Bool // a write waits for space on the disk

	lookedAt uint64 // bytes written when the disk was looked at last; commit's alone
}

// write is facts that belong to no virtual host's own list.
type write struct {
	ops  []core.Op
	done chan error
}

// ErrClosed is returned after Close.
var ErrClosed = errors.New("broker is closed")

// New opens the store and starts a broker; Serve and Dial let clients in. An error names the folder or file, and says what to do.
func New(o Options) (*Broker, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	b := &Broker{
		opts: o, spaces: map[string]*server.Space{}, users: newAccounts(o.LoopbackUsers),
		writes: make(chan write), commits: make(chan struct{}, 1), loads: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	b.server = server.New(b, server.Options{
		Heartbeat: o.Heartbeat, FrameMax: o.FrameMax, ChannelMax: o.ChannelMax, MessageMax: o.MessageMax, Handshake: o.HandshakeTimeout,
		Logger: o.Logger, Properties: properties(), OutboundHigh: outboundHigh,
	})
	if o.Dir != "" {
		if err := b.openStore(); err != nil {
			return nil, err
		}
	}
	b.wg.Go(b.commit)
	b.wg.Go(b.load)
	b.wg.Go(b.watch)
	if err := b.firstStart(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// outboundHigh is how many bytes may wait for one client before deliveries to it pause.
const outboundHigh = 512 << 10

// properties are the server properties. Product and version are RabbitMQ's since client libraries choose their ways by them.
func properties() wire.Table {
	caps := wire.Table{}
	for _, name := range []string{
		"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify", "connection.blocked",
		"consumer_priorities", "authentication_failure_close", "per_consumer_qos", "direct_reply_to",
	} {
		caps = append(caps, wire.Field{Name: name, Value: true})
	}
	return wire.Table{
		{Name: "capabilities", Value: caps},
		{Name: "cluster_name", Value: "leat"},
		{Name: "copyright", Value: "The Leat authors"},
		{Name: "information", Value: "Licensed under the Apache License 2.0"},
		{Name: "platform", Value: "Leat"},
		{Name: "product", Value: "RabbitMQ"},
		{Name: "version", Value: Version},
	}
}

// openStore opens the data folder and restores what is in it.
func (b *Broker) openStore() error {
	s, err := store.Open(store.Options{Dir: b.opts.Dir, Logger: b.opts.Logger, Full: b.diskFull})
	if err != nil {
		return err
	}
	b.store = s
	if err := b.restore(); err != nil {
		return errors.Join(fmt.Errorf("restore broker: %w", err), s.Close())
	}
	return nil
}

func (b *Broker) restore() error {
	definitions, err := b.store.Definitions()
	if err != nil {
		return err
	}
	metas, err := b.store.Metas()
	if err != nil {
		return err
	}
	known, pointed := map[uint64]bool{}, map[uint64]bool{} // queues, shared bodies
	levels := func(queue uint64) map[uint8]core.Meta {
		known[queue] = true
		return metas[queue]
	}
	// Kinds in the order they need each other: accounts and virtual hosts first, bindings last.
	for _, kinds := range []string{"vup", "l", "xq", "y"} {
		for _, d := range definitions {
			kind, vhost, ok := core.DefinitionVHost(d.Key)
			if !ok || !strings.ContainsRune(kinds, rune(kind)) {
				continue
			}
			if err := b.restoreOne(d, kind, vhost, levels); err != nil {
				return fmt.Errorf("definition %q: %w", d.Key, err)
			}
		}
	}
	for _, sp := range b.spaces {
		v := sp.VHost
		err := v.SharedQueues(func(queue uint64) error {
			return b.store.Refs(queue, func(id uint64) {
				pointed[id] = true
				v.RestoreRef(id)
			})
		})
		if err != nil {
			return err
		}
	}
	return b.store.Clean(func(q uint64) bool { return known[q] }, func(id uint64) bool { return pointed[id] })
}

func (b *Broker) restoreOne(d store.Definition, kind byte, name string, levels func(uint64) map[uint8]core.Meta) error {
	switch kind {
	case defineVHost:
		b.spaces[name] = b.newSpace(name)
		return nil
	case defineUser, definePermission:
		return b.users.restore(kind, d.Value)
	}
	sp := b.spaces[name]
	if sp == nil {
		return fmt.Errorf("virtual host %q is missing", name)
	}
	return sp.VHost.Restore(d.Key, d.Value, levels)
}

func (b *Broker) newSpace(name string) *server.Space {
	setup := core.Setup{Name: name, Limits: b.opts.Limits, Now: time.Now().UnixMilli()}
	if b.store != nil {
		setup.Durable, setup.NewID = true, b.store.NewID
	}
	return server.NewSpace(core.New(setup), b.wake)
}

// firstStart makes the virtual host and the user that RabbitMQ starts with.
func (b *Broker) firstStart() error {
	b.mu.RLock()
	fresh := len(b.spaces) == 0
	b.mu.RUnlock()
	if !fresh {
		b.wake(false, true) // restored queues
		return nil
	}
	return errors.Join(
		b.PutVhost("/"),
		b.PutUser("guest", "guest", "administrator"),
		b.PutPermissions("/", "guest", Permissions{Configure: ".*", Write: ".*", Read: ".*"}),
	)
}

// Serve accepts clients from l, which may be a TLS listener, until l is closed (its error is returned) or the broker (ErrClosed).
func (b *Broker) Serve(l net.Listener) error {
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-b.stop:
			_ = l.Close()
		case <-done:
		}
	}()
	if err := b.server.Serve(l); !errors.Is(err, server.ErrClosed) {
		return err
	}
	return ErrClosed
}

// Dial makes a connection within the process, as for amqp091-go's Config.Dial. It counts as local.
func (b *Broker) Dial() (net.Conn, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return nil, ErrClosed
	}
	client, srv := pipe()
	b.server.ServeConn(srv)
	return client, nil
}

// Close ends all connections, writes what is left and closes the store. What is not confirmed by then may be lost. While the disk is
// full nothing can be written; then Close gives up after a while and says so.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.mu.Unlock()
	done := make(chan error, 1)
	go func() { done <- b.shutDown() }()
	for waited := 0; ; waited++ {
		select {
		case err := <-done:
			return err
		case <-time.After(watchEvery):
			if b.full.Load() && waited >= fullPatience {
				return fmt.Errorf("close data folder %s: the disk is full; what was not confirmed is not stored", b.opts.Dir)
			}
		}
	}
}

// fullPatience is how many seconds Close waits for space on a full disk.
const fullPatience = 5

func (b *Broker) shutDown() error {
	b.server.Close()
	close(b.stop)
	b.wg.Wait()
	for _, sp := range b.list() {
		sp.Stop()
	}
	if b.store == nil {
		return nil
	}
	if err := b.store.Close(); err != nil {
		return fmt.Errorf("close data folder %s: %w", b.opts.Dir, err)
	}
	return nil
}

// list is all virtual hosts, by name.
func (b *Broker) list() []*server.Space {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]*server.Space, 0, len(b.spaces))
	for _, sp := range b.spaces {
		list = append(list, sp)
	}
	slices.SortFunc(list, func(x, y *server.Space) int { return strings.Compare(x.VHost.Name(), y.VHost.Name()) })
	return list
}

func (b *Broker) space(name string) *server.Space {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.spaces[name]
}

// Login is for package server.
func (b *Broker) Login(user, password string, local bool) error {
	return b.users.login(user, password, local)
}

// Open is for package server.
func (b *Broker) Open(vhost, user string) (*server.Space, core.Access, *core.Error) {
	sp := b.space(vhost)
	if sp == nil {
		return nil, nil, core.Errorf(core.CodeNotAllowed, "vhost %s not found", vhost)
	}
	a := b.users.access(user, vhost)
	if a == nil {
		return nil, nil, core.Errorf(core.CodeNotAllowed, "access to vhost '%s' refused for user '%s'", vhost, user)
	}
	return sp, a, nil
}
