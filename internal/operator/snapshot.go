package operator

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"
	"unique"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/rabbitmq"
	"github.com/openintegrationhub/leat/internal/topology"
)

// flowKey names a flow.
type flowKey struct{ namespace, name string }

// holding is what the broker has of one flow.
type holding struct {
	exchanges map[string]topology.Exchange
	queues    map[string]rabbitmq.Queue
	bindings  map[topology.Binding]bool // without descriptions
	users     map[string]*user
	changed   time.Time // when the operator last changed it itself
}

// user is a broker account with what it may do.
type user struct {
	rabbitmq.User
	permission *rabbitmq.Permission
	topic      *rabbitmq.TopicPermission
}

// snapshot is what a broker has, of all flows, when it was asked last. Nothing in it is of use while another goroutine may change it: Broker
// guards it.
type snapshot struct {
	taken  time.Time
	nodes  int
	vhosts map[string]bool
	flows  map[flowKey]*holding
	others map[string]*user // accounts that aren't a step's, by name and virtual host
}

func newHolding() *holding {
	return &holding{
		exchanges: map[string]topology.Exchange{}, queues: map[string]rabbitmq.Queue{}, bindings: map[topology.Binding]bool{}, users: map[string]*user{},
	}
}

func (s *snapshot) flow(key flowKey) *holding {
	h := s.flows[key]
	if h == nil {
		h = newHolding()
		s.flows[key] = h
	}
	return h
}

// fetch asks the broker about everything in the virtual hosts of these namespaces: three lists for each, and five for all.
func fetch(ctx context.Context, api *rabbitmq.Client, namespaces []string, now time.Time) (*snapshot, error) {
	s := &snapshot{taken: now, vhosts: map[string]bool{}, flows: map[flowKey]*holding{}, others: map[string]*user{}}
	nodes, err := api.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	s.nodes = len(nodes)
	vhosts, err := api.VHosts(ctx)
	if err != nil {
		return nil, err
	}
	for _, v := range vhosts {
		s.vhosts[v.Name] = true
	}
	if err := s.fetchUsers(ctx, api); err != nil {
		return nil, err
	}
	for _, namespace := range namespaces {
		if !s.vhosts[namespace] {
			continue
		}
		if err := s.fetchTopology(ctx, api, namespace); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *snapshot) fetchUsers(ctx context.Context, api *rabbitmq.Client) error {
	users, err := api.Users(ctx)
	if err != nil {
		return err
	}
	all := make(map[string]*user, len(users))
	for _, u := range users {
		found := &user{User: u}
		all[u.Name] = found
		if key, ok := ownerOf(u.Name); ok {
			s.flow(key).users[u.Name] = found
		}
	}
	permissions, err := api.Permissions(ctx)
	if err != nil {
		return err
	}
	for _, p := range permissions {
		p.VHost, p.Configure, p.Write = unique.Make(p.VHost).Value(), unique.Make(p.Configure).Value(), unique.Make(p.Write).Value()
		u := all[p.User]
		if u == nil {
			continue
		}
		p.User = u.Name
		if _, ok := ownerOf(p.User); ok {
			u.permission = &p
			continue
		}
		s.others[other(p.User, p.VHost)] = &user{User: u.User, permission: &p}
	}
	topics, err := api.TopicPermissions(ctx)
	if err != nil {
		return err
	}
	for _, t := range topics {
		t.VHost, t.Exchange, t.Read = unique.Make(t.VHost).Value(), unique.Make(t.Exchange).Value(), unique.Make(t.Read).Value()
		if u := all[t.User]; u != nil {
			t.User = u.Name
			u.topic = &t
		}
	}
	for name, u := range all {
		if _, ok := ownerOf(name); !ok {
			s.others[other(name, "")] = u
		}
	}
	return nil
}

// other is the key of an account that isn't a step's.
func other(name, vhost string) string { return name + "\x00" + vhost }

// ownerOf tells whose step a broker account is: namespace.flow.step (topology.StepUser). Neither of the three has a dot.
func ownerOf(user string) (flowKey, bool) {
	parts := strings.Split(user, ".")
	if len(parts) != 3 {
		return flowKey{}, false
	}
	return flowKey{parts[0], parts[1]}, true
}

func (s *snapshot) fetchTopology(ctx context.Context, api *rabbitmq.Client, namespace string) error {
	names := map[string]string{} // each once: a queue is in many bindings
	name := func(text string) string {
		if _, known := names[text]; !known {
			names[text] = text
		}
		return names[text]
	}
	if err := api.EachQueue(ctx, namespace, func(q rabbitmq.Queue) {
		q.VHost, q.Type, q.State = namespace, name(q.Type), name(q.State)
		s.flow(flowKey{namespace, name(flowOf(q.Name))}).queues[name(q.Name)] = q
	}); err != nil {
		return err
	}
	exchanges, err := api.Exchanges(ctx, namespace)
	if err != nil {
		return err
	}
	for _, e := range exchanges {
		if e.Name == "" || strings.HasPrefix(e.Name, "amq.") {
			continue
		}
		s.flow(flowKey{namespace, flowOf(e.Name)}).exchanges[e.Name] = topology.Exchange{Name: e.Name, Kind: e.Type}
	}
	return api.EachBinding(ctx, namespace, func(b rabbitmq.Binding) {
		if b.Source == "" || flowOf(b.Source) != flowOf(b.Destination) { // others may listen to a flow: the router does, for replies
			return
		}
		binding := topology.Binding{Source: name(b.Source), Key: name(b.RoutingKey)}
		if b.DestinationType == rabbitmq.ToQueue {
			binding.Queue = name(b.Destination)
		} else {
			binding.Exchange = name(b.Destination)
		}
		s.flow(flowKey{namespace, name(flowOf(b.Source))}).bindings[binding] = true
	})
}

// flowOf is the flow that a queue or an exchange belongs to: its name up to the first colon, which a flow's name can't have.
func flowOf(name string) string {
	flow, _, _ := strings.Cut(name, ":")
	return flow
}

// topology is what is there, sorted.
func (h *holding) topology() topology.Topology {
	var t topology.Topology
	for _, name := range slices.Sorted(maps.Keys(h.exchanges)) {
		t.Exchanges = append(t.Exchanges, h.exchanges[name])
	}
	for _, name := range slices.Sorted(maps.Keys(h.queues)) {
		t.Queues = append(t.Queues, topology.Queue{Name: name})
	}
	for b := range h.bindings {
		t.Bindings = append(t.Bindings, b)
	}
	slices.SortFunc(t.Bindings, func(a, b topology.Binding) int {
		return strings.Compare(a.Source+"\x00"+a.Key+"\x00"+a.Queue+"\x00"+a.Exchange, b.Source+"\x00"+b.Key+"\x00"+b.Queue+"\x00"+b.Exchange)
	})
	return t
}

// missing is what of t isn't there.
func (h *holding) missing(t topology.Topology) topology.Topology {
	return t.Minus(h.topology())
}

// declared and removed note what the operator has changed.
func (h *holding) declared(t topology.Topology, now time.Time) {
	h.changed = now
	for _, e := range t.Exchanges {
		h.exchanges[e.Name] = e
	}
	for _, q := range t.Queues {
		if _, ok := h.queues[q.Name]; !ok {
			h.queues[q.Name] = rabbitmq.Queue{Name: q.Name, Type: queueType(q)}
		}
	}
	for _, b := range t.Bindings {
		b.Description = ""
		h.bindings[b] = true
	}
}

func (h *holding) removed(t topology.Topology, now time.Time) {
	h.changed = now
	for _, b := range t.Bindings {
		b.Description = ""
		delete(h.bindings, b)
	}
	for _, q := range t.Queues {
		delete(h.queues, q.Name)
	}
	for _, e := range t.Exchanges {
		delete(h.exchanges, e.Name)
	}
	for b := range h.bindings { // those of a queue or an exchange go with it
		gone := func(name string, exchange bool) bool {
			if exchange {
				return slices.ContainsFunc(t.Exchanges, func(e topology.Exchange) bool { return e.Name == name })
			}
			return slices.ContainsFunc(t.Queues, func(q topology.Queue) bool { return q.Name == name })
		}
		if gone(b.Source, true) || b.Queue != "" && gone(b.Queue, false) || b.Exchange != "" && gone(b.Exchange, true) {
			delete(h.bindings, b)
		}
	}
}

// differs tells whether an account isn't as the plan has it.
func (u *user) differs(a plan.Account) bool {
	return u == nil || !u.Matches(a.Password) || u.permission == nil || u.topic == nil ||
		u.permission.Configure != a.Configure || u.permission.Write != a.Write || u.permission.Read != a.Read ||
		u.topic.Exchange != a.TopicExchange || u.topic.Write != a.TopicWrite
}

// shape is a number that changes when what a flow has on the broker does, other than messages.
func (h *holding) shape() uint64 {
	sum := uint64(len(h.exchanges))<<40 + uint64(len(h.queues))<<20 + uint64(len(h.bindings))
	add := func(texts ...string) {
		f := fnv.New64a()
		for _, t := range texts {
			f.Write([]byte(t))
			f.Write([]byte{0})
		}
		sum += f.Sum64() // in any order
	}
	for name := range h.exchanges {
		add("exchange", name)
	}
	for name := range h.queues {
		add("queue", name)
	}
	for b := range h.bindings {
		add("binding", b.Source, b.Key, b.Queue, b.Exchange)
	}
	for name, u := range h.users {
		add("user", name, u.PasswordHash, fmt.Sprint(u.permission), fmt.Sprint(u.topic))
	}
	return sum
}

// load is a number that changes when what a flow's status says about its queues does.
func (h *holding) load() uint64 {
	sum := uint64(0)
	for name, q := range h.queues {
		if strings.HasSuffix(name, ":messages") {
			f := fnv.New64a()
			fmt.Fprintf(f, "%s %d %d", name, rounded(q.Messages), q.Consumers)
			sum += f.Sum64()
		}
	}
	return sum
}

// rounded keeps two digits, so that a status isn't written for each message.
func rounded(n int64) int64 {
	unit := int64(1)
	for n/unit >= 100 {
		unit *= 10
	}
	return n / unit * unit
}

// queueType is RabbitMQ's word for the type of a queue.
func queueType(q topology.Queue) string {
	if q.Quorum || q.DeliveryLimit > 0 {
		return "quorum"
	}
	return "classic"
}

// quorum tells whether the queues of f are to be quorum queues: they stay what they are, and new ones are if the broker has three nodes.
func (s *snapshot) quorum(f *flow.Flow) bool {
	if h := s.flows[flowKey{f.Namespace, f.Name}]; h != nil {
		for _, n := range f.Nodes {
			if q, ok := h.queues[topology.StepQueue(f.Name, n.ID)]; ok {
				return q.Type == "quorum"
			}
		}
	}
	return s.nodes >= 3
}
