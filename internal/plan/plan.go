package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/topology"
)

// Platform is what all flows of a platform have in common.
type Platform struct {
	// Builtin names the built-in component that stands in for an image, or "" to run the image itself.
	Builtin func(image string) string
	// APIURI is where steps reach the platform API, without a slash at the end.
	APIURI string
	// Broker is where steps reach the broker: an AMQP URI without account and virtual host.
	Broker url.URL
	// Variables are added to those of each step; they are the first to be overridden.
	Variables map[string]string
	// DeliveryLimit is how often a message may come back because its step died, before it's given up; 0 for no limit.
	DeliveryLimit int
	// Quorum keeps all queues on several nodes of the broker's cluster.
	Quorum bool
	// Replace names the image to run in place of another one, which may be the same; nil for none ever. It's not asked about images that
	// Builtin knows.
	Replace func(image string) string
	// Pods is what the pods of steps have in common; nil where steps aren't pods.
	Pods *Pods
}

// Pods are the settings of a platform whose steps are pods.
type Pods struct {
	Image            string // of Leat's own components, run in place of images that Builtin knows
	ImagePullPolicy  string // of that image
	ImagePullSecrets []string
	Resources        v1.Resources
	Restricted       bool // foreign images, too, keep the restricted Pod Security Standard
	// Revision changes when pods are built in another way, so that steps are replaced.
	Revision string
}

// Secrets are the secret values of one flow, generated once and kept.
type Secrets struct {
	CryptoPassword string
	CryptoIV       string // 16 bytes
	Steps          map[string]StepSecrets
}

// StepSecrets are the secret values of one step.
type StepSecrets struct {
	BrokerPassword string
	APIKey         string
}

// Seen is what exists of a flow now.
type Seen struct {
	Steps    map[string]string // step id -> hash of what runs
	Topology topology.Topology
	// Older are the hashes of what runs of a step besides, where a step is being replaced.
	Older map[string][]string
	// Accounts are the names of the broker accounts that the flow's steps have.
	Accounts []string
	// References are digests of the Secrets and ConfigMaps that variables of a step come from, by the step's id.
	References map[string]string
}

// Plan is what has to be done for a flow, in this order: Accounts and Declare; Start; Stop, once what replaces it consumes; Unbind; Drain, one
// step after the other, each when its queue is empty; the bindings of Remove, its queues when they are empty, and its exchanges.
type Plan struct {
	Flow     *flow.Flow
	Steps    []Step // all that should run
	Accounts []Account
	Declare  topology.Topology
	Start    []Step   // of Steps, those that don't run as they should
	Stop     []string // ids of steps that run and shouldn't, or not like this
	// Unbind are the bindings through which removed steps would get more messages, and those of removed connections.
	Unbind []topology.Binding
	// Drain are the ids of steps whose nodes were removed: they stop when they have worked off what waits for them. Those that send to
	// others of them come first.
	Drain  []string
	Remove topology.Topology
	// RemoveAccounts are the names of accounts that no step needs once Drain is over.
	RemoveAccounts []string
	Entry          Entry
}

// Account is a broker account with its password.
type Account struct {
	topology.Account
	Password string
}

// Step is a node as it runs.
type Step struct {
	ID        string
	Image     string // to run: the node's, or what the platform runs in its place
	Builtin   string // the built-in component that stands in for the image; "" if the image itself has to run
	Function  string
	Command   []string
	Args      []string
	Replicas  int
	Variables []Variable // sorted by name
	Config    json.RawMessage
	APIUser   string
	APIKey    string
	Comp      string // component id that the API tells
	// StuckAfter is how long it may work on a message before the watchdog takes it for stuck; 0 for the platform's default.
	StuckAfter time.Duration
	Pod        *Pod   `json:",omitempty"` // nil where steps aren't pods
	Hash       string // of all that needs a restart when it changes
}

// Variable is an environment variable of a step.
type Variable struct {
	Name, Value string
	Secret      bool // not to be shown
}

// For decides what has to be done for f. It's pure: the same arguments give the same plan.
func For(f *flow.Flow, seen Seen, secrets Secrets, p Platform) Plan {
	plan := Plan{
		Flow:    f,
		Declare: topology.For(f, topology.Options{DeliveryLimit: p.DeliveryLimit, Quorum: p.Quorum}),
		Entry:   entry(f, secrets),
	}
	wanted := map[string]string{}
	for _, n := range f.Nodes {
		account := topology.StepAccount(f, n)
		plan.Accounts = append(plan.Accounts, Account{Account: account, Password: secrets.Steps[n.ID].BrokerPassword})
		s := step(f, n, account, secrets, p, seen.References[n.ID])
		plan.Steps = append(plan.Steps, s)
		if s.Replicas == 0 {
			continue
		}
		wanted[n.ID] = s.Hash
		if seen.Steps[n.ID] != s.Hash && !slices.Contains(seen.Older[n.ID], s.Hash) {
			plan.Start = append(plan.Start, s)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(seen.Steps)) {
		switch {
		case f.Node(id) == nil:
			plan.Drain = append(plan.Drain, id)
		case wanted[id] != seen.Steps[id] || len(seen.Older[id]) > 0:
			plan.Stop = append(plan.Stop, id)
		}
	}
	plan.Drain = upstreamFirst(f.Name, plan.Drain, seen.Topology.Bindings)
	for _, user := range seen.Accounts {
		if !slices.ContainsFunc(plan.Accounts, func(a Account) bool { return a.User == user }) {
			plan.RemoveAccounts = append(plan.RemoveAccounts, user)
		}
	}
	plan.Remove = seen.Topology.Minus(plan.Declare)
	plan.Unbind, plan.Remove.Bindings = split(f.Name, plan.Drain, plan.Remove.Bindings)
	return plan
}

// Gone decides what has to be done when a flow was deleted: stop all of it, then remove what it had.
func Gone(seen Seen) Plan {
	return Plan{Stop: slices.Sorted(maps.Keys(seen.Steps)), Remove: seen.Topology, RemoveAccounts: seen.Accounts}
}

func entry(f *flow.Flow, secrets Secrets) Entry {
	first := f.First()
	e := Entry{
		Namespace:      f.Namespace,
		Flow:           f.Name,
		Step:           first.ID,
		Suspended:      f.Suspended,
		VHost:          f.Namespace,
		Exchange:       f.Name,
		InputKey:       topology.Key(f.Name, first.ID, topology.Input),
		Polling:        first.Polling,
		HTTP:           !first.Polling,
		HTTPReply:      f.HTTP.Reply,
		UserID:         userID,
		CryptoPassword: secrets.CryptoPassword,
		CryptoIV:       secrets.CryptoIV,
	}
	for _, n := range f.Nodes {
		if topology.IsFerryman(n) {
			e.Ferrymen = append(e.Ferrymen, Ferryman{
				Step: n.ID, Function: n.Function, Config: n.Data, APIKey: secrets.Steps[n.ID].APIKey, Previous: f.Previous(n.ID),
			})
		}
	}
	if first.Polling {
		e.Schedule = first.Schedule
		e.TickKey = topology.Key(f.Name, first.ID, topology.Tick)
		e.TickQueue = topology.TickQueue(f.Name)
	}
	return e
}

// Ids that components want and Leat has no use for.
const (
	userID      = "leat"
	workspaceID = "leat"
)

func step(f *flow.Flow, n *flow.Node, account topology.Account, secrets Secrets, p Platform, references string) Step {
	s := Step{
		ID:       n.ID,
		Image:    n.Image,
		Builtin:  p.Builtin(n.Image),
		Function: n.Function,
		Command:  n.Command,
		Args:     n.Args,
		Replicas: n.Replicas,
		Config:   n.Data,
		APIUser:  account.User,
		APIKey:   secrets.Steps[n.ID].APIKey,
		Comp:     n.Image,
	}
	if f.Suspended {
		s.Replicas = 0
	}
	if s.Builtin == "" && p.Replace != nil {
		s.Image = p.Replace(n.Image)
	}
	if p.Pods != nil {
		s.pod(n, p.Pods, references)
	}
	if d, err := time.ParseDuration(n.Env["LEAT_STUCK_AFTER"]); err == nil && d > 0 {
		s.StuckAfter = d
	}
	s.Variables = variables(f, n, account, secrets, p)
	s.Hash = hash(s)
	return s
}

// hash tells whether a running step is still what it should be. The number of replicas is left out: it can change without a restart.
func hash(s Step) string {
	s.Replicas, s.Hash = 0, ""
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("hash step %s: %v", s.ID, err)) // plain values and checked JSON only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}
