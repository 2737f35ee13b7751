package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Types of the conditions of a flow. Ready sums up the others.
const (
	ConditionReady       = "Ready"
	ConditionValid       = "Valid"
	ConditionBrokerReady = "BrokerReady"
	ConditionStepsReady  = "StepsReady"
)

// FlowStatus is what the operator sees of a flow.
type FlowStatus struct {
	// ObservedGeneration is the metadata.generation of the spec that this status tells about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions are Ready, Valid, BrokerReady and StepsReady.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Ready is how many steps have all their replicas, and how many steps there are: 2/3.
	// +optional
	Ready string `json:"ready,omitempty"`
	// Steps tell about each step, in the order of spec.nodes; steps of removed nodes come last, until they have stopped.
	// +optional
	// +listType=map
	// +listMapKey=id
	Steps []StepStatus `json:"steps,omitempty"`
}

// States of a step.
const (
	StateStarting = "Starting" // its pods don't run yet, or don't take messages yet
	StateRunning  = "Running"  // all wanted replicas take messages
	StateUpdating = "Updating" // a new one starts; the old one goes on until it takes messages
	StateFailing  = "Failing"  // its pods can't start, or end again and again
	StateDeaf     = "Deaf"     // its pods run but take no messages
	StateStopped  = "Stopped"  // no replicas are wanted
	StateDraining = "Draining" // its node was removed; it works off what waits for it
)

// StepStatus is what the operator sees of one step.
type StepStatus struct {
	// ID is the id of the node.
	ID string `json:"id"`
	// State is one word for how the step is: Starting, Running, Updating, Failing, Deaf, Stopped or Draining.
	// +optional
	State string `json:"state,omitempty"`
	// Ready is how many replicas take messages.
	// +optional
	Ready int32 `json:"ready"`
	// Wanted is how many replicas should.
	// +optional
	Wanted int32 `json:"wanted"`
	// Restarts is how often its containers were started again.
	// +optional
	Restarts int32 `json:"restarts,omitempty"`
	// Messages is how many messages wait for the step or are in work, rounded to two digits; it lags by some seconds.
	// +optional
	Messages int64 `json:"messages,omitempty"`
	// Image is what runs, if it isn't the node's own image.
	// +optional
	Image string `json:"image,omitempty"`
	// LastFailure is why its last container ended, or why it can't start.
	// +optional
	LastFailure *StepFailure `json:"lastFailure,omitempty"`
}

// StepFailure says how a container of a step ended, or why it can't start.
type StepFailure struct {
	// Reason is Kubernetes' word for it, such as Error, OOMKilled, Completed, Evicted or ImagePullBackOff.
	// +optional
	Reason string `json:"reason,omitempty"`
	// ExitCode is the exit code of the container, if it ran.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`
	// Message is what the container left, which is the end of its log, or what Kubernetes says; cut to 1,000 characters.
	// +optional
	Message string `json:"message,omitempty"`
}
