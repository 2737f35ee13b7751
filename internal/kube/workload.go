package kube

import (
	"fmt"
	"maps"
	"math"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openintegrationhub/leat/internal/plan"
)

// revision changes when pods are built in another way, so that an operator that builds them so replaces running steps.
const revision = "1"

// ContainerName is the name of a step's container: what a podTemplate that changes it has to call it.
const ContainerName = "step"

// Workload is the Job or Deployment that runs step s of a plan. Both have the same pods. The error is that of a pod template that can't be laid
// over them.
func Workload(p plan.Plan, s plan.Step) (client.Object, error) {
	template, err := podTemplate(p, s)
	if err != nil {
		return nil, err
	}
	labels := StepLabels(p.Flow.Name, s.ID)
	labels[LabelHash] = s.Hash
	meta := metav1.ObjectMeta{
		Name:        WorkloadName(p.Flow.Name, s.ID, s.Hash),
		Namespace:   p.Flow.Namespace,
		Labels:      labels,
		Annotations: map[string]string{AnnotationStep: s.ID, AnnotationComponent: s.Comp},
	}
	replicas := int32(s.Replicas)
	if s.Pod.Workload == "Deployment" {
		return &appsv1.Deployment{
			TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
			ObjectMeta: meta,
			Spec: appsv1.DeploymentSpec{
				Replicas:             &replicas,
				RevisionHistoryLimit: new(int32),
				Selector:             &metav1.LabelSelector{MatchLabels: map[string]string{LabelFlow: labels[LabelFlow], LabelStep: labels[LabelStep], LabelHash: s.Hash}},
				Template:             template,
			},
		}, nil
	}
	// A job never ends by itself: failed pods are replaced without limit, with Kubernetes' own back-off. If a pod ends well, which no step
	// should (contract.md rule 6), the job is over, and the operator makes another.
	attempts := int32(math.MaxInt32)
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: meta,
		Spec:       batchv1.JobSpec{Parallelism: &replicas, BackoffLimit: &attempts, Template: template},
	}, nil
}

// podTemplate is what the pods of a step are: ours, with the author's template laid over it, and what has to be so whatever they wrote.
func podTemplate(p plan.Plan, s plan.Step) (corev1.PodTemplateSpec, error) {
	labels := StepLabels(p.Flow.Name, s.ID)
	labels[LabelHash] = s.Hash
	restart := corev1.RestartPolicyOnFailure // jobs know no Always
	if s.Pod.Workload == "Deployment" {
		restart = corev1.RestartPolicyAlways
	}
	own := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{
			Labels:      labels,
			Annotations: map[string]string{AnnotationStep: s.ID, AnnotationComponent: s.Comp},
		},
		Spec: corev1.PodSpec{
			RestartPolicy:                restart,
			AutomountServiceAccountToken: new(bool),
			EnableServiceLinks:           new(bool), // hundreds of variables that no component asked for
			ImagePullSecrets:             pullSecrets(s),
			SecurityContext:              podSecurity(s),
			Containers:                   []corev1.Container{container(p, s)},
		},
	}
	template, err := overlay(own, s.Pod.Template)
	if err != nil {
		return template, fmt.Errorf("podTemplate: %w", err)
	}
	if template.Labels == nil {
		template.Labels = map[string]string{}
	}
	maps.Copy(template.Labels, labels) // the workload finds its pods by them
	template.Spec.RestartPolicy = restart
	template.Spec.AutomountServiceAccountToken = new(bool)
	return template, nil
}

func container(p plan.Plan, s plan.Step) corev1.Container {
	return corev1.Container{
		Name:                     ContainerName,
		Image:                    s.Image,
		ImagePullPolicy:          corev1.PullPolicy(s.Pod.ImagePullPolicy),
		Command:                  literals(s.Command),
		Args:                     literals(s.Args),
		Env:                      variables(p, s),
		EnvFrom:                  sources(s),
		Resources:                resources(s.Pod.Resources),
		SecurityContext:          containerSecurity(s),
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
}

func pullSecrets(s plan.Step) []corev1.LocalObjectReference {
	var refs []corev1.LocalObjectReference
	for _, name := range s.Pod.ImagePullSecrets {
		refs = append(refs, corev1.LocalObjectReference{Name: name})
	}
	return refs
}
