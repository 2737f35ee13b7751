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
	// Steps tell about each step, in the order of spec.nodes.
	// +optional
	// +listType=map
	// +listMapKey=id
	Steps []StepStatus `json:"steps,omitempty"`
}

// StepStatus is what the operator sees of one step.
type StepStatus struct {
	// ID is the id of the node.
	ID string `json:"id"`
	// State is one word for how the step is.
	// +optional
	State string `json:"state,omitempty"`
	// Ready is how many replicas take messages.
	// +optional
	Ready int32 `json:"ready,omitempty"`
	// Wanted is how many replicas should.
	// +optional
	Wanted int32 `json:"wanted,omitempty"`
}
