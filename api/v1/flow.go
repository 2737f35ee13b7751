package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Flow is a graph of components glued together by messages.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=flows,singular=flow,shortName=fl,categories=all;leat
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Steps",type=string,JSONPath=`.status.ready`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=0
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",message="the name must be at most 63 of a-z, 0-9 and -, and neither begin nor end with -"
type Flow struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the graph, as its author wants it.
	Spec FlowSpec `json:"spec"`
	// Status is what the operator sees. A flow file leaves it out.
	// +optional
	Status FlowStatus `json:"status,omitzero"`
}

// FlowList is a list of flows.
//
// +kubebuilder:object:root=true
type FlowList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the flows.
	Items []Flow `json:"items"`
}

// FlowSpec is a graph: its nodes, the connections between them, and how the whole runs.
//
// The API server checks connections unless nodes times connections is more than 200,000: it bounds what a check may cost. The operator checks all.
//
// +kubebuilder:validation:XValidation:rule="self.nodes.exists_one(n, has(n.first) && n.first)",message="exactly one node must have first: true"
// +kubebuilder:validation:XValidation:rule="!has(self.connections) || self.nodes.size() * self.connections.size() > 200000 || [self.nodes.map(n, n.id)].all(ids, self.connections.all(c, c.from in ids))",message="a connection comes from a node that doesn't exist",fieldPath=".connections"
// +kubebuilder:validation:XValidation:rule="!has(self.connections) || self.nodes.size() * self.connections.size() > 200000 || [self.nodes.map(n, n.id)].all(ids, self.connections.all(c, c.to in ids))",message="a connection leads to a node that doesn't exist",fieldPath=".connections"
type FlowSpec struct {
	// Nodes are the steps of the flow, in any order. One to 1,000, and one of them has first: true.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	// +listType=map
	// +listMapKey=id
	Nodes []Node `json:"nodes"`
	// Connections are the ways messages take from node to node. At most 10,000. A flow of one node needs none.
	// +optional
	// +kubebuilder:validation:MaxItems=10000
	// +listType=atomic
	Connections []Connection `json:"connections,omitempty"`
	// Resources are the CPU and memory of every node that doesn't set its own. Default: the platform's.
	// +optional
	Resources Resources `json:"resources,omitzero"`
	// Suspended stops ticks, refuses HTTP requests and stops the steps; every message is kept. Default: false.
	// +optional
	Suspended bool `json:"suspended,omitempty"`
	// AllowCycles allows connections that lead back to an earlier node. A message may then go round without end, so at least one
	// node of a cycle has to decide when to stop. Default: false.
	// +optional
	AllowCycles bool `json:"allowCycles,omitempty"`
	// HTTP says how the flow answers HTTP requests. It has no meaning for a flow whose first node is polled.
	// +optional
	HTTP HTTP `json:"http,omitzero"`
	// DrainTimeout is how long a node that was removed from the flow may go on to work off its waiting messages before they go to
	// the errors list, as a duration such as 90s, 5m or 1h30m. Default: 5m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	DrainTimeout *metav1.Duration `json:"drainTimeout,omitempty"`
	// ImagePullSecrets are the names of the secrets that hold accounts for private image registries, for every node that doesn't
	// set its own. Default: the platform's.
	// +optional
	// +listType=atomic
	ImagePullSecrets []SecretName `json:"imagePullSecrets,omitempty"`
	// Workload is what Kubernetes runs each step as that doesn't say it itself: Job or Deployment. Default: Job.
	// +optional
	// +kubebuilder:validation:Enum=Job;Deployment
	Workload string `json:"workload,omitempty"`
	// PodTemplate is laid over the pod of every step that has none of its own, as a strategic merge patch of a Kubernetes pod
	// template: nodeSelector, tolerations, volumes and so on. Default: {}.
	// +optional
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	PodTemplate runtime.RawExtension `json:"podTemplate,omitzero"`
}

// Node is one entry of a flow: a component, the function of it to run, and its configuration. A node that runs is a step.
type Node struct {
	// ID names the node inside the flow: one to 64 of A-Z a-z 0-9 _ : and -.
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_:-]{1,64}$`
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id"`
	// Image is the container image of the component, such as elasticio/timer:ca9a6fe.
	// +kubebuilder:validation:MinLength=1
	Image string `json:"image"`
	// Function is the trigger or action of the component to run.
	// +kubebuilder:validation:MinLength=1
	Function string `json:"function"`
	// First marks the node at which ticks and HTTP requests enter. Exactly one node has it. Default: false.
	// +optional
	First bool `json:"first,omitempty"`
	// IsPolling sends the first node an empty message by its schedule. Without it the first node waits for HTTP requests, or
	// decides itself when to send. Only the first node may have it. Default: false.
	// +optional
	IsPolling bool `json:"isPolling,omitempty"`
	// Schedule says when a polled node gets its message: a cron expression of five fields (minute, hour, day of month, month, day
	// of week), of six with the second in front, or a word such as @hourly or @every 90s. When both days are given, either is
	// enough. Default: * * * * *, which is every minute.
	// +optional
	Schedule string `json:"schedule,omitempty"`
	// TimeZone is the zone the schedule is read in, a name of the IANA database such as Europe/Berlin. A time that summer time
	// skips fires right after the gap; one that comes twice fires once. Default: UTC.
	// +optional
	TimeZone string `json:"timeZone,omitempty"`
	// Env are environment variables of the component. They win over the platform's own. Values are text: quote numbers and
	// true or false.
	// +optional
	Env map[string]string `json:"env,omitempty"`
	// ValueFrom are environment variables whose values are kept in Secrets and ConfigMaps, by the variable's name. A name that env has
	// too is a mistake.
	// +optional
	ValueFrom map[string]ValueSource `json:"valueFrom,omitempty"`
	// EnvFrom are Secrets and ConfigMaps of which every entry becomes an environment variable. Later ones win over earlier ones, and
	// env and valueFrom over all.
	// +optional
	// +listType=atomic
	EnvFrom []EnvSource `json:"envFrom,omitempty"`
	// Data is the configuration of the component. The platform passes it on as it is. Default: {}.
	// +optional
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Data runtime.RawExtension `json:"data,omitzero"`
	// Resources are the CPU and memory of one replica. What is left out comes from spec.resources, then from the platform.
	// +optional
	Resources Resources `json:"resources,omitzero"`
	// Command replaces the entry point of the image. Default: the image's.
	// +optional
	// +listType=atomic
	Command []string `json:"command,omitempty"`
	// Args replace the arguments of the image. Default: the image's.
	// +optional
	// +listType=atomic
	Args []string `json:"args,omitempty"`
	// Prefetch is how many messages a replica takes at a time, 1 to 65,535. More than 1 gives up the order of messages. Default: 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Prefetch *int32 `json:"prefetch,omitempty"`
	// Replicas is how many of the step run side by side, 0 to 1,000. More than 1 gives up the order of messages; with 0 messages
	// wait. Default: 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Replicas *int32 `json:"replicas,omitempty"`
	// ImagePullSecrets are the names of the secrets that hold accounts for private image registries. Default: spec.imagePullSecrets.
	// +optional
	// +listType=atomic
	ImagePullSecrets []SecretName `json:"imagePullSecrets,omitempty"`
	// ImagePullPolicy says when the image is fetched. Default: Always for images with the tag latest or none, otherwise
	// IfNotPresent.
	// +optional
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	ImagePullPolicy string `json:"imagePullPolicy,omitempty"`
	// RateLimit is how many messages a second all replicas of the node together take at most; parts of one are allowed. Default: 0,
	// no limit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	RateLimit float64 `json:"rateLimit,omitempty"`
	// Workload is what Kubernetes runs the step as: Job or Deployment. Default: spec.workload.
	// +optional
	// +kubebuilder:validation:Enum=Job;Deployment
	Workload string `json:"workload,omitempty"`
	// PodTemplate is laid over the pod of the step, as a strategic merge patch of a Kubernetes pod template: nodeSelector,
	// tolerations, volumes and so on. Default: spec.podTemplate.
	// +optional
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	PodTemplate runtime.RawExtension `json:"podTemplate,omitzero"`
}

// Connection is an edge of the graph: what one node sends, another receives.
type Connection struct {
	// From is the id of the node that sends.
	// +kubebuilder:validation:MaxLength=64
	From string `json:"from"`
	// To is the id of the node that receives.
	// +kubebuilder:validation:MaxLength=64
	To string `json:"to"`
}

// HTTP says how a flow answers HTTP requests.
type HTTP struct {
	// Reply makes a request wait for the answer that a step of the flow gives. Without it a request is answered as soon as its
	// message is safe. Default: false.
	// +optional
	Reply bool `json:"reply,omitempty"`
}

// SecretName names a Secret in the namespace of the flow.
type SecretName struct {
	// Name is the name of the Secret.
	Name string `json:"name"`
}
