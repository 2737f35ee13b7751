package kube

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/plan"
)

// variables are a step's environment: the plan's, secret ones by reference to the flow's Secret, and those that Secrets and ConfigMaps of the
// flow's author hold. What the author wrote wins over what the platform sets.
func variables(p plan.Plan, s plan.Step) []corev1.EnvVar {
	node := p.Flow.Node(s.ID)
	var all []corev1.EnvVar
	for _, v := range s.Variables {
		if _, written := node.Env[v.Name]; !written {
			if _, replaced := s.Pod.ValueFrom[v.Name]; replaced {
				continue
			}
		}
		if !v.Secret {
			all = append(all, corev1.EnvVar{Name: v.Name, Value: literal(v.Value)})
			continue
		}
		key := variableKey(s, v, p.Entry.CryptoPassword, p.Entry.CryptoIV)
		all = append(all, corev1.EnvVar{Name: v.Name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: SecretName(p.Flow.Name)}, Key: key,
		}}})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Pod.ValueFrom)) {
		if _, written := node.Env[name]; !written {
			all = append(all, corev1.EnvVar{Name: name, ValueFrom: valueFrom(s.Pod.ValueFrom[name])})
		}
	}
	return all
}

func valueFrom(from v1.ValueSource) *corev1.EnvVarSource {
	if r := from.SecretKeyRef; r != nil {
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: r.Name}, Key: r.Key, Optional: optional(r.Optional),
		}}
	}
	r := from.ConfigMapKeyRef
	return &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: r.Name}, Key: r.Key, Optional: optional(r.Optional),
	}}
}

func sources(s plan.Step) []corev1.EnvFromSource {
	var all []corev1.EnvFromSource
	for _, from := range s.Pod.EnvFrom {
		source := corev1.EnvFromSource{Prefix: from.Prefix}
		if r := from.SecretRef; r != nil {
			source.SecretRef = &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: r.Name}, Optional: optional(r.Optional)}
		}
		if r := from.ConfigMapRef; r != nil {
			source.ConfigMapRef = &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: r.Name}, Optional: optional(r.Optional)}
		}
		all = append(all, source)
	}
	return all
}

func optional(yes bool) *bool {
	if !yes {
		return nil
	}
	return &yes
}

// literal keeps Kubernetes from replacing $(NAME) in a value: leat run doesn't either.
func literal(text string) string { return strings.ReplaceAll(text, "$", "$$") }

func literals(texts []string) []string {
	var all []string
	for _, text := range texts {
		all = append(all, literal(text))
	}
	return all
}

func resources(r v1.Resources) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Limits: amounts(r.Limits), Requests: amounts(r.Requests)}
}

func amounts(a v1.Amounts) corev1.ResourceList {
	list := corev1.ResourceList{}
	for name, q := range map[corev1.ResourceName]*resource.Quantity{corev1.ResourceCPU: a.CPU, corev1.ResourceMemory: a.Memory} {
		if q != nil {
			list[name] = q.DeepCopy()
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

// podSecurity and containerSecurity keep the restricted Pod Security Standard where the image is Leat's own or the platform wants it. Images of
// 2018 run as root and start by way of npm, which changes files and its user: they keep the baseline standard, with the capabilities for that.
func podSecurity(s plan.Step) *corev1.PodSecurityContext {
	context := &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	if s.Pod.Restricted {
		context.RunAsNonRoot = new(true)
	}
	return context
}

func containerSecurity(s plan.Step) *corev1.SecurityContext {
	context := &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(bool),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	if s.Builtin != "" {
		context.ReadOnlyRootFilesystem = new(true)
	}
	if !s.Pod.Restricted {
		context.Capabilities.Add = []corev1.Capability{"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
	}
	return context
}

// overlay lays the author's template over ours, as kubectl's strategic merge patch does.
func overlay(own corev1.PodTemplateSpec, patch json.RawMessage) (corev1.PodTemplateSpec, error) {
	if len(patch) == 0 || string(patch) == "{}" {
		return own, nil
	}
	text, err := json.Marshal(own)
	if err != nil {
		return own, fmt.Errorf("marshal pod template: %w", err)
	}
	merged, err := strategicpatch.StrategicMergePatch(text, patch, corev1.PodTemplateSpec{})
	if err != nil {
		return own, fmt.Errorf("lay over the step's pod: %w", err)
	}
	var template corev1.PodTemplateSpec
	decoder := json.NewDecoder(bytes.NewReader(merged))
	decoder.DisallowUnknownFields() // else a misspelled field is just not there
	if err := decoder.Decode(&template); err != nil {
		return own, fmt.Errorf("lay over the step's pod: %w", err)
	}
	return template, nil
}
