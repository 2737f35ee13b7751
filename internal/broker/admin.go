package broker

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/openintegrationhub/leat/internal/broker/core"
	"github.com/openintegrationhub/leat/internal/broker/server"
	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// ErrNotFound is returned for a virtual host, user or object that doesn't exist.
var ErrNotFound = errors.New("not found")

// PutVhost makes a virtual host. One that exists stays as it is.
func (b *Broker) PutVhost(name string) error {
	if len(name) == 0 || len(name) > wire.ShortstrMax {
		return fmt.Errorf("put virtual host %q: the name must have 1 to 255 bytes", name)
	}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return ErrClosed
	}
	if b.spaces[name] != nil {
		b.mu.Unlock()
		return nil
	}
	b.spaces[name] = b.newSpace(name)
	b.mu.Unlock()
	return b.define(core.Op{Kind: core.OpDefine, Key: defineKey(defineVHost, name), Value: wire.AppendTable(nil, nil)})
}

// DeleteVhost removes a virtual host with all in it, and closes its connections.
func (b *Broker) DeleteVhost(name string) error {
	b.mu.Lock()
	sp := b.spaces[name]
	delete(b.spaces, name)
	b.mu.Unlock()
	if sp == nil {
		return fmt.Errorf("delete virtual host %q: %w", name, ErrNotFound)
	}
	b.server.CloseMatching(func(_, vhost string) bool { return vhost == name }, "vhost '"+name+"' is deleted")
	sp.Stop()
	ops := []core.Op{{Kind: core.OpDefine, Key: defineKey(defineVHost, name)}}
	sp.Do(func(v *core.VHost) {
		v.Destroy()
		rest, _ := v.Take(true)
		ops = append(rest, ops...)
	})
	return errors.Join(b.define(ops...), b.dropGrants(name))
}

// Vhosts lists the names of all virtual hosts.
func (b *Broker) Vhosts() []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Sorted(maps.Keys(b.spaces))
}

// User describes an account.
type User struct {
	Name        string
	Tags        []string
	Permissions map[string]Permissions                 // by virtual host
	Topics      map[string]map[string]TopicPermissions // by virtual host and exchange
	// PasswordHash is base64 of salt and SHA-256(salt + password), as RabbitMQ has it; "" can't log in.
	PasswordHash string
}

// Users lists all accounts by name.
func (b *Broker) Users() []User {
	a := b.users
	a.mu.RLock()
	defer a.mu.RUnlock()
	var list []User
	for _, name := range slices.Sorted(maps.Keys(a.users)) {
		list = append(list, a.users[name].user())
	}
	return list
}

// User returns one account.
func (b *Broker) User(name string) (user User, found bool) {
	a := b.users
	a.mu.RLock()
	defer a.mu.RUnlock()
	u := a.users[name]
	if u == nil {
		return User{}, false
	}
	return u.user(), true
}

// user is a copy of the account for others.
func (u *account) user() User {
	out := User{
		Name: u.name, Tags: slices.Clone(u.tags), PasswordHash: base64.StdEncoding.EncodeToString(slices.Concat(u.salt, u.hash)),
		Permissions: map[string]Permissions{}, Topics: map[string]map[string]TopicPermissions{},
	}
	for vhost, g := range u.vhosts {
		if g.entry {
			out.Permissions[vhost] = g.Permissions
		}
		for exchange, t := range g.topics {
			if out.Topics[vhost] == nil {
				out.Topics[vhost] = map[string]TopicPermissions{}
			}
			out.Topics[vhost][exchange] = t.TopicPermissions
		}
	}
	return out
}

// CheckPassword says whether the password is the user's; local as for AMQP.
func (b *Broker) CheckPassword(user, password string, local bool) error {
	return b.users.login(user, password, local)
}

// PutUser makes an account or changes its password and tags; permissions stay. An account without a password can't log in.
func (b *Broker) PutUser(name, password string, tags ...string) error {
	return b.putUser(newAccount(name, password, tags))
}

// PutUserHash is PutUser with the password as User.PasswordHash has it.
func (b *Broker) PutUserHash(name, passwordHash string, tags ...string) error {
	raw, err := base64.StdEncoding.DecodeString(passwordHash)
	switch {
	case err != nil:
		return fmt.Errorf("put user %q: password hash: %w", name, err)
	case len(raw) > 0 && len(raw) < sha256.Size:
		return fmt.Errorf("put user %q: password hash: shorter than %d bytes", name, sha256.Size)
	}
	u := newAccount(name, "", tags)
	if len(raw) > 0 {
		u.salt, u.hash = raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	}
	return b.putUser(u)
}

func (b *Broker) putUser(u *account) error {
	if len(u.name) == 0 || len(u.name) > wire.ShortstrMax {
		return fmt.Errorf("put user %q: the name must have 1 to 255 bytes", u.name)
	}
	name, a := u.name, b.users
	a.mu.Lock()
	if old := a.users[name]; old != nil {
		u.vhosts = old.vhosts
	}
	a.users[name] = u
	a.mu.Unlock()
	a.epoch.Add(1)
	return b.define(u.definition())
}

// DeleteUser removes an account and closes its connections.
func (b *Broker) DeleteUser(name string) error {
	a := b.users
	a.mu.Lock()
	u := a.users[name]
	delete(a.users, name)
	a.mu.Unlock()
	if u == nil {
		return fmt.Errorf("delete user %q: %w", name, ErrNotFound)
	}
	a.epoch.Add(1)
	b.server.CloseMatching(func(user, _ string) bool { return user == name }, "user '"+name+"' is deleted")
	ops := []core.Op{{Kind: core.OpDefine, Key: defineKey(defineUser, name)}}
	for vhost := range u.vhosts {
		ops = append(ops, core.Op{Kind: core.OpDefine, Key: defineKey(definePermission, name, vhost)})
	}
	return b.define(ops...)
}

// PutPermissions says what a user may do in a virtual host. Topic permissions stay.
func (b *Broker) PutPermissions(vhost, user string, p Permissions) error {
	g, err := newGrants(p)
	if err != nil {
		return fmt.Errorf("put permissions: %w", err)
	}
	return b.changeGrants(vhost, user, func(old *grants) (*grants, error) {
		if old != nil {
			g.topics = old.topics
		}
		return g, nil
	})
}

// DeletePermissions takes a user's right to enter a virtual host. Topic permissions stay.
func (b *Broker) DeletePermissions(vhost, user string) error {
	return b.changeGrants(vhost, user, func(old *grants) (*grants, error) {
		if old == nil || len(old.topics) == 0 {
			return nil, nil
		}
		return &grants{topics: old.topics}, nil
	})
}

// PutTopicPermissions limits the routing keys a user may use with a topic exchange.
func (b *Broker) PutTopicPermissions(vhost, user, exchange string, p TopicPermissions) error {
	t, err := newTopicGrant(p, user, vhost)
	if err != nil {
		return fmt.Errorf("put topic permissions: %w", err)
	}
	return b.changeGrants(vhost, user, func(old *grants) (*grants, error) {
		g := grants{topics: map[string]topicGrant{}}
		if old != nil {
			g = *old
			g.topics = maps.Clone(old.topics)
		}
		g.topics[exchange] = t
		return &g, nil
	})
}

// DeleteTopicPermissions lifts the limits on one exchange, or on all when exchange is "".
func (b *Broker) DeleteTopicPermissions(vhost, user, exchange string) error {
	return b.changeGrants(vhost, user, func(old *grants) (*grants, error) {
		if old == nil {
			return nil, nil
		}
		g := *old
		g.topics = maps.Clone(old.topics)
		delete(g.topics, exchange)
		if exchange == "" {
			clear(g.topics)
		}
		if !g.entry && len(g.topics) == 0 {
			return nil, nil
		}
		return &g, nil
	})
}

func (b *Broker) changeGrants(vhost, user string, change func(*grants) (*grants, error)) error {
	if b.space(vhost) == nil {
		return fmt.Errorf("virtual host %q: %w", vhost, ErrNotFound)
	}
	a := b.users
	a.mu.Lock()
	u := a.users[user]
	if u == nil {
		a.mu.Unlock()
		return fmt.Errorf("user %q: %w", user, ErrNotFound)
	}
	g, err := change(u.vhosts[vhost])
	if err != nil {
		a.mu.Unlock()
		return err
	}
	op := core.Op{Kind: core.OpDefine, Key: defineKey(definePermission, user, vhost)}
	if g == nil {
		delete(u.vhosts, vhost)
	} else {
		u.vhosts[vhost] = g
		op = grantDefinition(user, vhost, g)
	}
	a.mu.Unlock()
	a.epoch.Add(1)
	return b.define(op)
}

// dropGrants removes all permissions in a virtual host.
func (b *Broker) dropGrants(vhost string) error {
	a := b.users
	var ops []core.Op
	a.mu.Lock()
	for _, u := range a.users {
		if u.vhosts[vhost] != nil {
			delete(u.vhosts, vhost)
			ops = append(ops, core.Op{Kind: core.OpDefine, Key: defineKey(definePermission, u.name, vhost)})
		}
	}
	a.mu.Unlock()
	a.epoch.Add(1)
	if len(ops) == 0 {
		return nil
	}
	return b.define(ops...)
}

// do runs f on a virtual host as its administrator, and returns when the definitions it wrote are on disk.
func (b *Broker) do(vhost string, f func(*core.Conn) *core.Error) error {
	return b.changing(vhost, func(v *core.VHost) error {
		if err := f(v.Admin()); err != nil {
			return err
		}
		return nil
	})
}

// DeclareQueue makes a queue, or checks that the one there is the same. Refusals are *core.Error here and below.
func (b *Broker) DeclareQueue(vhost string, s core.QueueSpec) error {
	return b.do(vhost, func(c *core.Conn) *core.Error {
		_, err := c.DeclareQueue(s)
		return err
	})
}

// DeleteQueue removes a queue and says how many messages it held.
func (b *Broker) DeleteQueue(vhost, name string, ifUnused, ifEmpty bool) (messages int, err error) {
	err = b.do(vhost, func(c *core.Conn) (err *core.Error) {
		if _, err := c.Queue(name); err != nil {
			return err
		}
		messages, err = c.DeleteQueue(name, ifUnused, ifEmpty)
		return err
	})
	return messages, err
}

// PurgeQueue removes the ready messages of a queue and says how many there were.
func (b *Broker) PurgeQueue(vhost, name string) (messages int, err error) {
	err = b.do(vhost, func(c *core.Conn) (err *core.Error) {
		messages, err = c.PurgeQueue(name)
		return err
	})
	return messages, err
}

// DeclareExchange makes an exchange, or checks that the one there is the same.
func (b *Broker) DeclareExchange(vhost string, s core.ExchangeSpec) error {
	return b.do(vhost, func(c *core.Conn) *core.Error { return c.DeclareExchange(s) })
}

// DeleteExchange removes an exchange.
func (b *Broker) DeleteExchange(vhost, name string, ifUnused bool) error {
	return b.do(vhost, func(c *core.Conn) *core.Error {
		if err := c.PassiveExchange(name); err != nil {
			return err
		}
		return c.DeleteExchange(name, ifUnused)
	})
}

// Bind makes a binding.
func (b *Broker) Bind(vhost string, s core.BindingSpec) error {
	return b.do(vhost, func(c *core.Conn) *core.Error { return c.Bind(s) })
}

// Unbind removes a binding; one that isn't there is no error.
func (b *Broker) Unbind(vhost string, s core.BindingSpec) error {
	return b.do(vhost, func(c *core.Conn) *core.Error { return c.Unbind(s) })
}

// inspect calls f with a virtual host locked; nothing happens when it doesn't exist.
func (b *Broker) inspect(vhost string, f func(*core.VHost)) {
	if sp := b.space(vhost); sp != nil {
		sp.Do(f)
	}
}

// Queues lists the queues of a virtual host, in no order.
func (b *Broker) Queues(vhost string) (list []core.QueueInfo) {
	b.inspect(vhost, func(v *core.VHost) { list = v.Queues() })
	return list
}

// Exchanges lists the exchanges of a virtual host, in no order.
func (b *Broker) Exchanges(vhost string) (list []core.ExchangeInfo) {
	b.inspect(vhost, func(v *core.VHost) { list = v.Exchanges() })
	return list
}

// Bindings lists the bindings of a virtual host, the default exchange's included.
func (b *Broker) Bindings(vhost string) (list []core.BindingInfo) {
	b.inspect(vhost, func(v *core.VHost) { list = v.Bindings() })
	return list
}

// Counters are the events of a virtual host since the start; the difference of two calls gives rates.
func (b *Broker) Counters(vhost string) (c core.Counters) {
	b.inspect(vhost, func(v *core.VHost) { c = v.Counters })
	return c
}

// Connections lists the open connections.
func (b *Broker) Connections() []server.ConnInfo { return b.server.Connections() }

// CloseConnection ends the connection of that name, telling the client why.
func (b *Broker) CloseConnection(name, reason string) error {
	if !b.server.CloseConnection(name, reason) {
		return fmt.Errorf("close connection %q: %w", name, ErrNotFound)
	}
	return nil
}

// Channel is a channel with the name of its connection.
type Channel struct {
	core.ChannelInfo
	Connection, User, VHost string
}

// Channels lists the open channels of a virtual host.
func (b *Broker) Channels(vhost string) (list []Channel) {
	b.inspect(vhost, func(v *core.VHost) {
		for _, i := range v.Channels() {
			name, user := server.Describe(i.Conn)
			list = append(list, Channel{i, name, user, vhost})
		}
	})
	return list
}

// Consumer is a consumer with the name of its connection.
type Consumer struct {
	core.ConsumerInfo
	Connection, User, VHost string
}

// Consumers lists the consumers of a virtual host.
func (b *Broker) Consumers(vhost string) (list []Consumer) {
	b.inspect(vhost, func(v *core.VHost) {
		for _, i := range v.Consumers() {
			name, user := server.Describe(i.Conn)
			list = append(list, Consumer{i, name, user, vhost})
		}
	})
	return list
}

// Alarm is why publishers are blocked at the moment, "" when they aren't.
func (b *Broker) Alarm() string {
	b.alarms.mu.Lock()
	defer b.alarms.mu.Unlock()
	return b.alarms.reason()
}
