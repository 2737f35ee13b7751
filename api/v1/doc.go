// Package v1 holds the Flow custom resource, group elastic.io, version v1: what a user writes, and what the operator reports back.
// It says how a flow is spelled, not whether it makes sense: package flow checks that.
//
// The comments on the fields become the description of the custom resource and the reference in docs/, so they give units and
// defaults.
//
// +kubebuilder:object:generate=true
// +groupName=elastic.io
package v1
