package kube

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openintegrationhub/leat/internal/plan"
)

// LabelHook is on the Job and the pod of a shutdown hook: the flow's name. They have none of the labels by which a step's are found.
const LabelHook = "leat.io/shutdown-hook"

// HookSeconds is how long a shutdown hook may take (contract.md 5.3).
const HookSeconds = 60

// HookJob is the Job that runs a step once more for its shutdown hook; s is one of plan.ShutdownHooks. Its name is another one for each flow that
// had this name.
func HookJob(p plan.Plan, s plan.Step, flow types.UID) (*batchv1.Job, error) {
	template, err := podTemplate(p, s)
	if err != nil {
		return nil, err
	}
	labels := map[string]string{LabelPartOf: PartOf, LabelManagedBy: ManagedBy, LabelHook: p.Flow.Name}
	template.Labels = labels
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	once, seconds := int32(0), int64(HookSeconds)
	return &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Name:        WorkloadName(p.Flow.Name, s.ID, "shutdown-"+string(flow)),
			Namespace:   p.Flow.Namespace,
			Labels:      labels,
			Annotations: map[string]string{AnnotationStep: s.ID, AnnotationComponent: s.Comp},
		},
		Spec: batchv1.JobSpec{BackoffLimit: &once, ActiveDeadlineSeconds: &seconds, Template: template},
	}, nil
}
