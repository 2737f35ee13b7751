package plan

import (
	"encoding/json"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/flow"
)

// Pod is what a step is besides where it's a pod, the platform's defaults filled in.
type Pod struct {
	Workload         string // Job or Deployment
	Resources        v1.Resources
	ImagePullSecrets []string
	ImagePullPolicy  string // "" for Kubernetes' default
	ValueFrom        map[string]v1.ValueSource
	EnvFrom          []v1.EnvSource
	Template         json.RawMessage `json:",omitempty"` // the overlay of the flow's author
	Restricted       bool            // keeps the restricted Pod Security Standard
	References       string          // digest of the Secrets and ConfigMaps that ValueFrom and EnvFrom name
	Revision         string
}

// pod adds what a step needs as a pod. A built-in component runs as Leat's own image.
func (s *Step) pod(n *flow.Node, p *Pods, references string) {
	s.Pod = &Pod{
		Workload:         n.Workload,
		Resources:        flow.Resources(n.Resources, p.Resources),
		ImagePullSecrets: n.ImagePullSecrets,
		ImagePullPolicy:  n.ImagePullPolicy,
		ValueFrom:        n.ValueFrom,
		EnvFrom:          n.EnvFrom,
		Template:         n.PodTemplate,
		Restricted:       p.Restricted,
		References:       references,
		Revision:         p.Revision,
	}
	if len(s.Pod.ImagePullSecrets) == 0 {
		s.Pod.ImagePullSecrets = p.ImagePullSecrets
	}
	if s.Builtin == "" {
		return
	}
	s.Image, s.Command, s.Args = p.Image, nil, []string{s.Builtin}
	s.Pod.ImagePullPolicy, s.Pod.Restricted = p.ImagePullPolicy, true
}
