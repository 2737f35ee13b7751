// Package kube is what Leat's parts on Kubernetes share: names and labels, the Secret of a flow, the platform's settings, and the manifests of
// steps. It has no I/O: package operator and the services read and write the objects.
package kube

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	appsv1 "k8s.io/api/apps/v1"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/flow"
)

// Scheme knows Kubernetes' core, batch and apps groups, and flows.
func Scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, batchv1.AddToScheme, appsv1.AddToScheme, v1.AddToScheme} {
		utilruntime.Must(add(s)) // fails only for types that contradict each other
	}
	return s
}

// FlowOf is the checked graph of a resource. The error is flow.Mistakes.
func FlowOf(resource *v1.Flow, checks ...flow.NodeCheck) (*flow.Flow, error) {
	return flow.FromResource(resource, checks...)
}
