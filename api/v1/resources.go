package v1

import "k8s.io/apimachinery/pkg/api/resource"

// Resources say how much CPU and memory one replica of a step needs and may use.
type Resources struct {
	// Limits are what the step can't go beyond. Default: none.
	// +optional
	Limits Amounts `json:"limits,omitzero"`
	// Requests are what is set aside for the step. Default: the limits.
	// +optional
	Requests Amounts `json:"requests,omitzero"`
}

// Amounts are quantities of CPU and memory as Kubernetes writes them.
type Amounts struct {
	// CPU in cores: 1, 0.5 (quoted) or 500m. Default: not set.
	// +optional
	CPU *resource.Quantity `json:"cpu,omitempty"`
	// Memory in bytes: 134217728, 128Mi or 1Gi. Default: not set.
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`
}
