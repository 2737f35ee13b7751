package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// Labels of everything that the operator makes.
const (
	LabelName      = "app.kubernetes.io/name"       // AppName
	LabelInstance  = "app.kubernetes.io/instance"   // the flow
	LabelComponent = "app.kubernetes.io/component"  // the step, as LabelStep
	LabelPartOf    = "app.kubernetes.io/part-of"    // PartOf
	LabelManagedBy = "app.kubernetes.io/managed-by" // ManagedBy
	LabelFlow      = "leat.io/flow"                 // the flow's name
	LabelStep      = "leat.io/step"                 // the step's id, as StepLabel writes it
	LabelHash      = "leat.io/hash"                 // plan.Step.Hash
)

// Values of labels.
const (
	AppName   = "leat-step"
	PartOf    = "leat"
	ManagedBy = "flows-operator"
)

// Annotations and finalizers.
const (
	Finalizer           = "leat.io/finalizer"        // of a Flow: what it has on the broker goes before it does
	AnnotationStep      = "leat.io/step"             // of a workload and its pods: the step's id as it is
	AnnotationForce     = "leat.io/force-delete"     // of a Flow: "true" deletes it although the broker can't be reached
	AnnotationRotate    = "leat.io/rotate-passwords" // of a Flow: each new value gives its steps new broker passwords
	AnnotationAttempt   = "leat.io/attempt"          // of a workload: how many of its kind ended soon before it
	AnnotationDrain     = "leat.io/draining-since"   // of a workload: since when its removed step works off its messages, RFC 3339
	AnnotationComponent = "leat.io/component"        // of a pod: the image that the flow names
)

// SecretName is the name of the Secret that the operator generates for a flow.
func SecretName(flow string) string { return "leat-" + flow }

// nameMax leaves room for what Kubernetes adds to names of pods.
const nameMax = 52

// WorkloadName is the name of the Job or Deployment of a step. No two have the same, whatever is cut off or replaced in it: the hash at its
// end is over the names as they are, and over the step's hash.
func WorkloadName(flow, step, hash string) string {
	const digits = 10
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, flow+"-"+step)
	if most := nameMax - digits - 1; len(name) > most {
		name = name[:most]
	}
	return strings.TrimRight(name, "-") + "-" + digest(digits, flow, step, hash)
}

// digest is a hash of texts in hexadecimal digits.
func digest(digits int, texts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(texts, "\x00")))
	return hex.EncodeToString(sum[:])[:digits]
}

var labelRule = regexp.MustCompile(`^[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$`)

// StepLabel is a step's id as a label's value: colons become dots, which no id has. An id that is still no value, for its length or its first
// or last character, gets a hash; two dots before it keep it apart from other ids.
func StepLabel(id string) string {
	value := strings.ReplaceAll(id, ":", ".")
	if labelRule.MatchString(value) {
		return value
	}
	value = strings.TrimLeft(value, "-_.")
	return "s" + value[:min(len(value), 40)] + "..x" + digest(16, id)
}

// Labels are those of everything of a flow.
func Labels(flow string) map[string]string {
	return map[string]string{LabelInstance: flow, LabelPartOf: PartOf, LabelManagedBy: ManagedBy, LabelFlow: flow}
}

// StepLabels are those of everything of a step.
func StepLabels(flow, step string) map[string]string {
	all := Labels(flow)
	all[LabelName] = AppName
	all[LabelComponent] = StepLabel(step)
	all[LabelStep] = StepLabel(step)
	return all
}
