package broker

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/openintegrationhub/leat/internal/broker/core"
	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// Kinds of definitions of the broker itself; see core for the others.
const (
	defineVHost      = 'v'
	defineUser       = 'u'
	definePermission = 'p'
)

// Permissions are three regular expressions over names of queues and exchanges; they match anywhere unless anchored. "" matches nothing.
type Permissions struct {
	Configure, Write, Read string
}

// TopicPermissions are regular expressions over routing keys of one topic exchange. {username} and {vhost} in them stand for their values.
type TopicPermissions struct {
	Write, Read string
}

// accounts is who may log in and do what.
type accounts struct {
	epoch    atomic.Uint64 // changes with every change
	loopback []string

	mu    sync.RWMutex // guards what follows
	users map[string]*account
}

// account is one user.
type account struct {
	name   string
	salt   []byte
	hash   []byte
	tags   []string
	vhosts map[string]*grants
}

// grants is what a user may do in one virtual host.
type grants struct {
	entry bool // it may enter; else there are just topic permissions, for the day it may
	Permissions
	configure, write, read *regexp.Regexp
	topics                 map[string]topicGrant // by exchange
}

type topicGrant struct {
	TopicPermissions
	write, read *regexp.Regexp
}

var errRefused = errors.New("user unknown or password wrong")

func newAccounts(loopback []string) *accounts {
	return &accounts{loopback: loopback, users: map[string]*account{}}
}

func hashOf(salt []byte, password string) []byte {
	h := sha256.New()
	h.Write(salt)
	h.Write([]byte(password))
	return h.Sum(nil)
}

func (a *accounts) login(user, password string, local bool) error {
	a.mu.RLock()
	u := a.users[user]
	a.mu.RUnlock()
	switch {
	case u == nil || len(u.hash) == 0 || subtle.ConstantTimeCompare(u.hash, hashOf(u.salt, password)) != 1:
		return errRefused
	case !local && slices.Contains(a.loopback, user):
		return fmt.Errorf("user %q can only connect from this machine", user)
	}
	return nil
}

func newAccount(name, password string, tags []string) *account {
	u := &account{name: name, tags: tags, vhosts: map[string]*grants{}}
	if password != "" {
		u.salt = make([]byte, 4) // as RabbitMQ's, so that its definitions fit
		_, _ = rand.Read(u.salt)
		u.hash = hashOf(u.salt, password)
	}
	return u
}

// pattern compiles a permission. RabbitMQ takes "" as "^$".
func pattern(s string) (*regexp.Regexp, error) {
	if s == "" {
		s = "^$"
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", s, err)
	}
	return re, nil
}

func newGrants(p Permissions) (*grants, error) {
	g := &grants{entry: true, Permissions: p, topics: map[string]topicGrant{}}
	var errs [3]error
	g.configure, errs[0] = pattern(p.Configure)
	g.write, errs[1] = pattern(p.Write)
	g.read, errs[2] = pattern(p.Read)
	return g, errors.Join(errs[:]...)
}

func newTopicGrant(p TopicPermissions, user, vhost string) (topicGrant, error) {
	expand := strings.NewReplacer("{username}", regexp.QuoteMeta(user), "{vhost}", regexp.QuoteMeta(vhost))
	t := topicGrant{TopicPermissions: p}
	var errs [2]error
	t.write, errs[0] = pattern(expand.Replace(p.Write))
	t.read, errs[1] = pattern(expand.Replace(p.Read))
	return t, errors.Join(errs[:]...)
}

// definition is the account as it is stored.
func (u *account) definition() core.Op {
	tags := wire.Array{}
	for _, t := range u.tags {
		tags = append(tags, t)
	}
	return core.Op{Kind: core.OpDefine, Key: defineKey(defineUser, u.name), Value: wire.AppendTable(nil, wire.Table{
		{Name: "name", Value: u.name}, {Name: "salt", Value: u.salt}, {Name: "hash", Value: u.hash}, {Name: "tags", Value: tags},
	})}
}

func defineKey(kind byte, parts ...string) string {
	b := []byte{kind}
	for _, p := range parts {
		b = wire.AppendShortstr(b, p)
	}
	return string(b)
}

// grantDefinition is what user may do in vhost, as it is stored.
func grantDefinition(user, vhost string, g *grants) core.Op {
	topics := wire.Table{}
	for exchange, t := range g.topics {
		topics = append(topics, wire.Field{Name: exchange, Value: wire.Table{{Name: "write", Value: t.Write}, {Name: "read", Value: t.Read}}})
	}
	return core.Op{Kind: core.OpDefine, Key: defineKey(definePermission, user, vhost), Value: wire.AppendTable(nil, wire.Table{
		{Name: "user", Value: user}, {Name: "vhost", Value: vhost}, {Name: "entry", Value: g.entry},
		{Name: "configure", Value: g.Configure}, {Name: "write", Value: g.Write}, {Name: "read", Value: g.Read}, {Name: "topics", Value: topics},
	})}
}

// restore puts back a stored definition. The order of keys brings permissions before users, so either makes the account.
func (a *accounts) restore(kind byte, value []byte) error {
	c := wire.NewCursor(value)
	t := c.Table()
	if c.Err != nil {
		return c.Err
	}
	name := t.String("name")
	if kind == definePermission {
		name = t.String("user")
	}
	u := a.users[name]
	if u == nil {
		u = newAccount(name, "", nil)
		a.users[name] = u
	}
	if kind == defineUser {
		salt, _ := t.Get("salt")
		hash, _ := t.Get("hash")
		u.salt, _ = salt.([]byte)
		u.hash, _ = hash.([]byte)
		tags, _ := t.Get("tags")
		list, _ := tags.(wire.Array)
		for _, tag := range list {
			s, _ := tag.(string)
			u.tags = append(u.tags, s)
		}
		return nil
	}
	g, err := newGrants(Permissions{Configure: t.String("configure"), Write: t.String("write"), Read: t.String("read")})
	if err != nil {
		return err
	}
	g.entry = t.Bool("entry")
	for _, f := range t.Table("topics") {
		p, _ := f.Value.(wire.Table)
		g.topics[f.Name], err = newTopicGrant(TopicPermissions{Write: p.String("write"), Read: p.String("read")}, name, t.String("vhost"))
		if err != nil {
			return err
		}
	}
	u.vhosts[t.String("vhost")] = g
	return nil
}

// access is what user may do in vhost, nil when it may not enter.
func (a *accounts) access(user, vhost string) core.Access {
	ac := &access{accounts: a, user: user, vhost: vhost}
	if ac.refresh() == nil {
		return nil
	}
	return ac
}

// access answers one connection's questions. Answers about names are remembered until any account changes. It is used by one
// goroutine at a time.
type access struct {
	accounts    *accounts
	user, vhost string

	epoch                  uint64
	grants                 *grants
	impersonates           bool
	configure, write, read map[string]bool
}

// accessCacheMax bounds the names remembered for each permission.
const accessCacheMax = 1024

func (a *access) refresh() *grants {
	now := a.accounts.epoch.Load()
	if a.configure != nil && a.epoch == now {
		return a.grants
	}
	a.accounts.mu.RLock()
	a.grants = nil
	if u := a.accounts.users[a.user]; u != nil {
		a.impersonates = slices.Contains(u.tags, "impersonator")
		if g := u.vhosts[a.vhost]; g != nil && g.entry {
			a.grants = g
		}
	}
	a.accounts.mu.RUnlock()
	a.epoch = now
	a.configure, a.write, a.read = map[string]bool{}, map[string]bool{}, map[string]bool{}
	return a.grants
}

func (a *access) may(cache map[string]bool, re *regexp.Regexp, name string) bool {
	if ok, known := cache[name]; known {
		return ok
	}
	asked := name
	if asked == "" {
		asked = "amq.default"
	}
	if len(cache) >= accessCacheMax {
		clear(cache)
	}
	ok := re.MatchString(asked)
	cache[name] = ok
	return ok
}

// User is the user's name.
func (a *access) User() string { return a.user }

// Impersonates says whether the user has the tag for it.
func (a *access) Impersonates() bool { return a.refresh() != nil && a.impersonates }

// Configure says whether the user may make and remove the named queue or exchange.
func (a *access) Configure(name string) bool {
	g := a.refresh()
	return g != nil && a.may(a.configure, g.configure, name)
}

// Write says whether the user may publish to it, or bind a queue.
func (a *access) Write(name string) bool {
	g := a.refresh()
	return g != nil && a.may(a.write, g.write, name)
}

// Read says whether the user may consume from it, or bind to an exchange.
func (a *access) Read(name string) bool {
	g := a.refresh()
	return g != nil && a.may(a.read, g.read, name)
}

// TopicWrite says whether the user may publish with key; without topic permissions everything is allowed.
func (a *access) TopicWrite(exchange, key string) bool {
	g := a.refresh()
	if g == nil {
		return false
	}
	t, limited := g.topics[exchange]
	return !limited || t.write.MatchString(key)
}

// TopicRead says whether the user may bind with key.
func (a *access) TopicRead(exchange, key string) bool {
	g := a.refresh()
	if g == nil {
		return false
	}
	t, limited := g.topics[exchange]
	return !limited || t.read.MatchString(key)
}
