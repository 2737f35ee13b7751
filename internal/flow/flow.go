// Package flow turns flow files and Flow resources into checked graphs, and tells a person everything that is wrong with one that
// can't be. It knows what a flow is, and nothing of how one runs: no network, no broker, no Kubernetes client.
package flow

import (
	"encoding/json"
	"slices"
	"time"

	v1 "github.com/openintegrationhub/leat/api/v1"
)

// Defaults of what a flow leaves out.
const (
	DefaultNamespace    = "default"
	DefaultDrainTimeout = 5 * time.Minute
	DefaultPrefetch     = 1
	DefaultReplicas     = 1
	DefaultWorkload     = "Job"
)

// Flow is a checked graph: ids are unique, one node is first, every connection has two ends, and every node can be reached.
type Flow struct {
	Name, Namespace string
	// File and Line say where the flow was read from. Both are empty for a resource.
	File string
	Line int

	Suspended, AllowCycles bool
	HTTP                   HTTP
	// DrainTimeout is how long a removed node may work off its messages.
	DrainTimeout time.Duration
	// Nodes are in the order of the file.
	Nodes []*Node
	// Connections are in the order of the file, each one once.
	Connections []Connection
	// Resources are the flow-wide ones. Each node's own already hold them where the node says nothing.
	Resources v1.Resources
}

// HTTP says how the flow answers HTTP requests.
type HTTP struct {
	// Reply makes a request wait for the answer of a step.
	Reply bool
}

// Node is a component with its configuration, all defaults filled in.
type Node struct {
	ID, Image, Function string
	First, Polling      bool
	// Schedule is empty unless Polling.
	Schedule Schedule
	Env      map[string]string
	// Data is a JSON object without needless space, {} if the file has none. Keys are in the order of the file, numbers as written.
	Data             json.RawMessage
	Command, Args    []string
	Prefetch         int
	Replicas         int
	RateLimit        float64 // messages per second over all replicas, 0 for no limit
	Resources        v1.Resources
	ImagePullSecrets []string
	ImagePullPolicy  string // empty for the default of the image's tag
	// ValueFrom and EnvFrom are variables that a cluster keeps. Env wins over ValueFrom wins over EnvFrom.
	ValueFrom map[string]v1.ValueSource
	EnvFrom   []v1.EnvSource
	// Workload is Job or Deployment.
	Workload string
	// PodTemplate is a JSON object without needless space; nil if there's none.
	PodTemplate json.RawMessage
}

// Connection is an edge between two nodes, by their ids.
type Connection struct{ From, To string }

// Key is the namespace and name, as in "flows/example-flow".
func (f *Flow) Key() string { return f.Namespace + "/" + f.Name }

// First is the node at which messages enter.
func (f *Flow) First() *Node {
	i := slices.IndexFunc(f.Nodes, func(n *Node) bool { return n.First })
	if i < 0 {
		return nil
	}
	return f.Nodes[i]
}

// Node finds a node by its id; nil if there is none.
func (f *Flow) Node(id string) *Node {
	i := slices.IndexFunc(f.Nodes, func(n *Node) bool { return n.ID == id })
	if i < 0 {
		return nil
	}
	return f.Nodes[i]
}

// Next lists the ids of the nodes that id sends to, in the order of the connections.
func (f *Flow) Next(id string) []string {
	var ids []string
	for _, c := range f.Connections {
		if c.From == id {
			ids = append(ids, c.To)
		}
	}
	return ids
}

// Previous lists the ids of the nodes that send to id, in the order of the connections.
func (f *Flow) Previous(id string) []string {
	var ids []string
	for _, c := range f.Connections {
		if c.To == id {
			ids = append(ids, c.From)
		}
	}
	return ids
}
