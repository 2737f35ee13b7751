package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/plan"
)

// Flow is a flow of the cluster as the services see it.
type Flow struct {
	Namespace, Name string
	UID             types.UID // tells a flow from an earlier one of the same name

	// Open says that messages may go in: the broker has what the flow needs. It stays so until the flow is deleted; what the broker says
	// while it's repaired is better than that the flow doesn't exist.
	Open  bool
	Entry plan.Entry // of an open flow
	// Closed is why messages may not go in, in a sentence without the flow's name; Soon says that they will.
	Closed string
	Soon   bool

	// Steps are all that may ask for their configuration: those of the newest valid spec, and removed ones that may still be at work.
	Steps []plan.Step
}

// Key is the namespace and name, as in "flows/example-flow".
func (f *Flow) Key() string { return f.Namespace + "/" + f.Name }

// inputs are what a judgement depends on. As long as they are the same, it needn't be repeated: most updates of a flow just change its
// status.
type inputs struct {
	uid        types.UID
	generation int64
	deleting   bool
	ready      bool
	readyOf    int64  // generation
	invalid    string // what the operator says is wrong with this generation
	secret     string
}

func inputsOf(f *v1.Flow, secret *corev1.Secret) inputs {
	in := inputs{uid: f.UID, generation: f.Generation, deleting: f.DeletionTimestamp != nil}
	if c := meta.FindStatusCondition(f.Status.Conditions, v1.ConditionBrokerReady); c != nil {
		in.ready, in.readyOf = c.Status == metav1.ConditionTrue, c.ObservedGeneration
	}
	if c := meta.FindStatusCondition(f.Status.Conditions, v1.ConditionValid); c != nil && c.Status == metav1.ConditionFalse && c.ObservedGeneration == f.Generation {
		in.invalid = cmp.Or(c.Message, "the flow's status says what")
	}
	if secret != nil {
		in.secret = string(secret.UID) + "/" + secret.ResourceVersion
	}
	return in
}

// judge decides what the services may know of a flow: before is what they knew until now, nil for nothing.
func judge(f *v1.Flow, secret *corev1.Secret, before *Flow, platform plan.Platform, checks ...flow.NodeCheck) *Flow {
	next := &Flow{Namespace: f.Namespace, Name: f.Name, UID: f.UID}
	if before != nil && before.UID != f.UID {
		before = nil
	}
	if before != nil {
		next.Steps = before.Steps
	}
	in := inputsOf(f, secret)
	if in.deleting {
		next.Closed = "it is being deleted"
		if before == nil {
			next.Steps = lastSteps(f, secret, platform, checks...)
		}
		return next
	}
	parsed, err := kube.FlowOf(f, checks...)
	if err != nil {
		return remain(next, before, wrongSpec+firstMistake(err), false)
	}
	if in.invalid != "" { // which only the operator can tell
		text, _, _ := strings.Cut(in.invalid, "\n")
		return remain(next, before, wrongSpec+text, false)
	}
	if secret == nil {
		return remain(next, before, "it is being prepared", true)
	}
	secrets, err := kube.ParseSecret(secret)
	if err != nil {
		return remain(next, before, "its Secret can't be read", true)
	}
	p := plan.For(parsed, plan.Seen{}, secrets, platform)
	next.Steps = withRemoved(p.Steps, next.Steps, secrets)
	switch {
	case in.ready && in.readyOf >= in.generation:
	case before == nil && in.ready: // the services have just started, and the operator is at work on a change
	case before != nil && before.Open:
		next.Open, next.Entry = true, before.Entry
		next.Entry.Suspended = parsed.Suspended // which needs nothing of the broker
		return next
	default:
		next.Closed, next.Soon = "the broker doesn't have its queues yet", true
		return next
	}
	next.Open, next.Entry = true, p.Entry
	return next
}

// lastSteps are the steps of a flow that is being deleted, for a service that has just started: a shutdown hook may still ask.
func lastSteps(f *v1.Flow, secret *corev1.Secret, platform plan.Platform, checks ...flow.NodeCheck) []plan.Step {
	parsed, err := kube.FlowOf(f, checks...)
	if err != nil || secret == nil {
		return nil
	}
	secrets, err := kube.ParseSecret(secret)
	if err != nil {
		return nil
	}
	return plan.For(parsed, plan.Seen{}, secrets, platform).Steps
}

const wrongSpec = "its specification is wrong: "

// remain keeps an open flow as it was: while something is wrong with what it should become, what runs goes on. A flow that wasn't open stays
// closed.
func remain(next, before *Flow, reason string, soon bool) *Flow {
	if before != nil && before.Open {
		next.Open, next.Entry = true, before.Entry
		return next
	}
	next.Closed, next.Soon = reason, soon
	return next
}

// withRemoved adds to steps those of before that are no longer in the flow and still have secrets: they may be working off what waits for
// them.
func withRemoved(steps, before []plan.Step, secrets plan.Secrets) []plan.Step {
	all := slices.Clone(steps)
	for _, old := range before {
		_, known := secrets.Steps[old.ID]
		if known && !slices.ContainsFunc(steps, func(s plan.Step) bool { return s.ID == old.ID }) {
			all = append(all, old)
		}
	}
	return all
}

// firstMistake is enough for someone who has just sent a message; the flow's status has them all.
func firstMistake(err error) string {
	var mistakes flow.Mistakes
	if !errors.As(err, &mistakes) || len(mistakes) == 0 {
		text, _, _ := strings.Cut(err.Error(), "\n")
		return text
	}
	if len(mistakes) == 1 {
		return mistakes[0].Error()
	}
	return fmt.Sprintf("%s (and %d more)", mistakes[0].Error(), len(mistakes)-1)
}
