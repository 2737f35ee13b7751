package operator

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/flow"
)

// Reasons of conditions; docs/reference/flow-status.md says what each means and what to do.
const (
	reasonChecked      = "Checked"
	reasonInvalid      = "Invalid"
	reasonDeclared     = "Declared"
	reasonBrokerAway   = "BrokerAway"
	reasonBrokerRefuse = "BrokerRefuses"
	reasonRunning      = "Running"
	reasonSuspended    = "Suspended"
	reasonStarting     = "StepStarting"
	reasonUpdating     = "StepUpdating"
	reasonFailing      = "StepFailing"
	reasonDeaf         = "StepDeaf"
	reasonRefused      = "StepRefused"
	reasonDraining     = "Draining"
	reasonNotChecked   = "NotChecked"
	reasonDeleting     = "Deleting"
)

// messageMax bounds the message of a condition, in bytes.
const messageMax = 2000

// report writes what is seen of a flow into its status, if that has changed.
func (r *reconciler) report(ctx context.Context, q *round) error {
	status := q.resource.Status.DeepCopy()
	status.ObservedGeneration = q.resource.Generation
	set := func(kind string, is metav1.ConditionStatus, reason, message string) {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kind, Status: is, Reason: reason, Message: shorten(message, messageMax), ObservedGeneration: q.resource.Generation,
		})
	}
	if q.invalid != nil {
		message := mistakes(q.invalid)
		set(v1.ConditionValid, metav1.ConditionFalse, reasonInvalid, message)
		set(v1.ConditionReady, metav1.ConditionFalse, reasonInvalid, message)
		for _, kind := range []string{v1.ConditionBrokerReady, v1.ConditionStepsReady} {
			set(kind, metav1.ConditionUnknown, reasonNotChecked, "what runs is left as it is until the flow is valid again")
		}
		return r.write(ctx, q, status)
	}
	set(v1.ConditionValid, metav1.ConditionTrue, reasonChecked, "")
	status.Steps = r.stepStatuses(ctx, q)
	status.Ready = fraction(status.Steps)
	all := readiness{is: metav1.ConditionTrue, reason: reasonRunning}
	if q.broken == nil {
		set(v1.ConditionBrokerReady, metav1.ConditionTrue, reasonDeclared, "")
	} else {
		reason := reasonBrokerRefuse
		if reasonOf(q.broken) == brokerAway {
			reason = reasonBrokerAway
		}
		all = readiness{metav1.ConditionFalse, reason, reasonOf(q.broken)}
		set(v1.ConditionBrokerReady, all.is, all.reason, all.message)
	}
	steps := stepsReady(q, status.Steps)
	set(v1.ConditionStepsReady, steps.is, steps.reason, steps.message)
	if all.is == metav1.ConditionTrue {
		all = steps
	}
	set(v1.ConditionReady, all.is, all.reason, all.message)
	return r.write(ctx, q, status)
}

// readiness is a condition without its type.
type readiness struct {
	is              metav1.ConditionStatus
	reason, message string
}

// stepsReady sums up the steps: the worst of them tells.
func stepsReady(q *round, steps []v1.StepStatus) readiness {
	if q.steps != nil {
		return readiness{metav1.ConditionFalse, reasonRefused, q.steps.Error()}
	}
	if q.flow.Suspended {
		return readiness{metav1.ConditionFalse, reasonSuspended, "the flow is suspended; messages wait"}
	}
	for _, worst := range []struct{ state, reason, text string }{
		{v1.StateFailing, reasonFailing, "can't run"},
		{v1.StateDeaf, reasonDeaf, "runs but takes no messages"},
		{v1.StateStarting, reasonStarting, "is starting"},
		{v1.StateUpdating, reasonUpdating, "is being replaced by a new one"},
	} {
		var texts []string
		for _, s := range steps {
			if s.State == worst.state {
				text := worst.text
				if s.State == v1.StateUpdating && s.Wanted == 0 {
					text = "is stopping"
				}
				texts = append(texts, fmt.Sprintf("step %s %s%s", s.ID, text, because(s)+last(s, q.ending[s.ID])))
			}
		}
		if len(texts) > 0 {
			return readiness{metav1.ConditionFalse, worst.reason, strings.Join(texts, "; ")}
		}
	}
	for _, s := range steps {
		if s.State == v1.StateDraining {
			return readiness{metav1.ConditionTrue, reasonDraining, fmt.Sprintf("removed step %s works off its messages", s.ID)}
		}
	}
	return readiness{metav1.ConditionTrue, reasonRunning, ""}
}

// because says why a step fails.
func because(s v1.StepStatus) string {
	if s.LastFailure == nil || s.State != v1.StateFailing && s.State != v1.StateStarting && s.State != v1.StateUpdating {
		return ""
	}
	text := ": " + s.LastFailure.Reason
	if s.LastFailure.ExitCode != nil {
		text += fmt.Sprintf(" (exit code %d)", *s.LastFailure.ExitCode)
	}
	if s.LastFailure.Message != "" {
		lines := strings.Split(strings.TrimSpace(s.LastFailure.Message), "\n")
		text += ": " + shorten(lines[len(lines)-1], 300)
	}
	return text
}

// last says which pods a changed step waits for, when nothing but these is left of what it was.
func last(s v1.StepStatus, pods []string) string {
	if s.State != v1.StateUpdating || len(pods) == 0 {
		return ""
	}
	text := ", and waits for the end of pod " + strings.Join(pods[:min(len(pods), 3)], ", ")
	if more := len(pods) - 3; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func fraction(steps []v1.StepStatus) string {
	ready, all := 0, 0
	for _, s := range steps {
		if s.State == v1.StateDraining {
			continue
		}
		all++
		if s.Ready >= s.Wanted {
			ready++
		}
	}
	return fmt.Sprintf("%d/%d", ready, all)
}

// write writes a status if it differs from what is there, and tells of steps that have begun to fail.
func (r *reconciler) write(ctx context.Context, q *round, status *v1.FlowStatus) error {
	if equality.Semantic.DeepEqual(*status, q.resource.Status) {
		return nil
	}
	before := q.resource.DeepCopy()
	q.resource.Status = *status
	if err := r.client.Status().Patch(ctx, q.resource, client.MergeFrom(before), fieldOwner); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("report status: %w", err))
	}
	r.tell(before, q.resource)
	return nil
}

// tell makes events of what has changed from one status to the next.
func (r *reconciler) tell(before, after *v1.Flow) {
	was, is := meta.FindStatusCondition(before.Status.Conditions, v1.ConditionReady), meta.FindStatusCondition(after.Status.Conditions, v1.ConditionReady)
	if is == nil || was != nil && was.Status == is.Status && was.Reason == is.Reason {
		return
	}
	kind := corev1.EventTypeNormal
	switch is.Reason {
	case reasonInvalid, reasonFailing, reasonDeaf, reasonRefused, reasonBrokerAway, reasonBrokerRefuse:
		kind = corev1.EventTypeWarning
	}
	note := is.Message
	if note == "" {
		note = "all steps run"
	}
	r.event(after, kind, is.Reason, "Report", "%s", shorten(note, 1000))
}

// reportStuck tells why a deleted flow is still there.
func (r *reconciler) reportStuck(ctx context.Context, resource *v1.Flow, err error) error {
	status := resource.Status.DeepCopy()
	message := reasonOf(err) + ", so that its queues and accounts can't be removed; it will be tried again. The annotation leat.io/force-delete: \"true\" deletes the flow all the same"
	for _, kind := range []string{v1.ConditionBrokerReady, v1.ConditionReady} {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionFalse, Reason: reasonDeleting, Message: message, ObservedGeneration: resource.Generation,
		})
	}
	return r.write(ctx, &round{resource: resource.DeepCopy()}, status)
}

// mistakes are what is wrong with a flow in one line.
func mistakes(err error) string {
	if ms, ok := errors.AsType[flow.Mistakes](err); ok {
		texts := make([]string, len(ms))
		for i, m := range ms {
			texts[i] = m.Error()
		}
		return strings.Join(texts, "; ")
	}
	return err.Error()
}

func shorten(text string, most int) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "..."
}
