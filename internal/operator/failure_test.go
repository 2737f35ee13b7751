package operator_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/kube"
)

func (w *world) gone(name string) error {
	return w.Get(context.Background(), types.NamespacedName{Namespace: w.namespace, Name: name}, new(v1.Flow))
}

func (w *world) secretGone(name string) error {
	return w.Get(context.Background(), types.NamespacedName{Namespace: w.namespace, Name: name}, new(corev1.Secret))
}

// end ends a job as Kubernetes does when its pods have ended.
func (w *world) end(job batchv1.Job, how batchv1.JobConditionType) {
	w.t.Helper()
	now := metav1.Now()
	w.eventually("job ended", func() (bool, any) { // the operator may change it meanwhile
		if err := w.Get(w.t.Context(), client.ObjectKeyFromObject(&job), &job); err != nil {
			w.t.Fatal(err)
		}
		job.Status.StartTime = &now
		criterion := batchv1.JobSuccessCriteriaMet
		if how == batchv1.JobFailed {
			criterion = batchv1.JobFailureTarget
		} else {
			job.Status.CompletionTime = &now
		}
		job.Status.Conditions = []batchv1.JobCondition{
			{Type: criterion, Status: corev1.ConditionTrue, LastTransitionTime: now, LastProbeTime: now},
			{Type: how, Status: corev1.ConditionTrue, LastTransitionTime: now, LastProbeTime: now},
		}
		err := w.Status().Update(w.t.Context(), &job)
		return err == nil, err
	})
}

func TestAJobThatEndsIsReplacedForEver(t *testing.T) {
	for name, how := range map[string]batchv1.JobConditionType{"exit 0": batchv1.JobComplete, "failed": batchv1.JobFailed} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(threeSteps)
			w.ready("shop")
			for attempt := range 3 {
				job := w.onlyJob("out")
				w.end(job, how)
				w.eventually("replaced", func() (bool, any) {
					jobs := w.jobs("out")
					return len(jobs) == 1 && jobs[0].UID != job.UID, len(jobs)
				})
				if got, want := w.onlyJob("out").Annotations[kube.AnnotationAttempt], string(rune('1'+attempt)); got != want {
					t.Errorf("attempt %s, want %s: the back-off doesn't grow", got, want)
				}
				w.ready("shop")
			}
		})
	}
}

func TestAJobThatIsDeletedIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	job := w.onlyJob("out")
	background := metav1.DeletePropagationBackground
	if err := w.Delete(t.Context(), &job, &client.DeleteOptions{PropagationPolicy: &background}); err != nil {
		t.Fatal(err)
	}
	w.eventually("made again", func() (bool, any) { jobs := w.jobs("out"); return len(jobs) == 1 && jobs[0].UID != job.UID, len(jobs) })
	w.ready("shop")
}

func TestWhatKeepsAPodFromRunningIsNamed(t *testing.T) {
	w := newWorld(t)
	w.nodes.set(w.nodes.refuse, "acme/out:1", true)
	w.apply(threeSteps)
	f := w.until("shop", v1.ConditionStepsReady, metav1.ConditionFalse, "StepFailing")
	var message string
	for _, c := range f.Status.Conditions {
		if c.Type == v1.ConditionReady {
			message = c.Message
		}
	}
	if !strings.Contains(message, "step out") || !strings.Contains(message, `image "acme/out:1" can't be pulled`) {
		t.Errorf("message %q", message)
	}
	if f.Status.Ready != "2/3" {
		t.Errorf("steps: %s", f.Status.Ready)
	}
	var events corev1.EventList
	w.eventually("event", func() (bool, any) {
		if err := w.List(t.Context(), &events, client.InNamespace(w.namespace)); err != nil {
			return false, err
		}
		return slices.ContainsFunc(events.Items, func(e corev1.Event) bool { return e.Reason == "StepFailing" }), len(events.Items)
	})
}

func TestWhatKubernetesRefusesIsNamed(t *testing.T) {
	w := newWorld(t)
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "none"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceSecrets: resource.MustParse("0")}},
	}
	if err := w.Create(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: quota.Spec.Hard}
	if err := w.Status().Update(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	w.apply(threeSteps)
	f := w.until("shop", v1.ConditionStepsReady, metav1.ConditionFalse, "StepRefused")
	if c := meta.FindStatusCondition(f.Status.Conditions, v1.ConditionReady); c == nil || !strings.Contains(c.Message, "exceeded quota") {
		t.Errorf("ready: %+v", c)
	}
	if err := w.Delete(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	w.ready("shop")
}

func TestAStepThatRunsAndTakesNoMessagesIsDeaf(t *testing.T) {
	w := newWorld(t)
	w.nodes.set(w.nodes.deaf, "out", true)
	w.apply(threeSteps)
	w.until("shop", v1.ConditionReady, metav1.ConditionFalse, "StepDeaf")
	w.nodes.set(w.nodes.deaf, "out", false)
	w.ready("shop")
}

func TestAStepThatGoesDeafIsRestarted(t *testing.T) {
	w := newWorld(t)
	w.apply(threeSteps)
	w.ready("shop")
	uid := func() types.UID {
		var p corev1.Pod
		for _, name := range w.nodes.podNames("out") {
			if w.Get(t.Context(), types.NamespacedName{Namespace: w.namespace, Name: name}, &p) != nil {
				return ""
			}
		}
		return p.UID
	}
	before := uid()
	w.nodes.set(w.nodes.deaf, "out", true)
	for _, name := range w.nodes.podNames("out") { // its connection is lost, and it doesn't notice
		w.nodes.kill(name)
	}
	w.eventually("another pod", func() (bool, any) { now := uid(); return now != "" && now != before, now })
	w.nodes.set(w.nodes.deaf, "out", false)
	w.ready("shop")
}
