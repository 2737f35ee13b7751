package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// Group is the API group of flows.
	Group = "elastic.io"
	// Version is the version of the API group that this package describes.
	Version = "v1"
	// APIVersion is what a flow file says under apiVersion.
	APIVersion = Group + "/" + Version
	// Kind is what a flow file says under kind.
	Kind = "Flow"
)

// GroupVersion returns elastic.io/v1.
func GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: Group, Version: Version}
}

// AddToScheme makes Flow and FlowList known to a scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion(), &Flow{}, &FlowList{})
	metav1.AddToGroupVersion(s, GroupVersion())
	return nil
}
