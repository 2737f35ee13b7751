package kube_test

import (
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/openintegrationhub/leat/internal/kube"
)

// ids differ only in what Kubernetes forbids in names, or in what is cut off.
var ids = []string{
	"a", "A", "a:b", "a_b", "a-b", "a--b", "A:B", ":a", "a:", "-a", "_a", "a-", "::", ":", "-", "_", "--", "s..x",
	strings.Repeat("x", 63), strings.Repeat("x", 64), strings.Repeat("x", 63) + ":", strings.Repeat("x", 63) + "-", "mapper:step_1:step_2", "mapper_step_1_step_2",
	strings.Repeat(":", 64), strings.Repeat("-", 64),
}

func TestIDsThatDifferInForbiddenCharactersHaveDifferentNamesAndLabels(t *testing.T) {
	labels, names := map[string]string{}, map[string]string{}
	for _, id := range ids {
		label := kube.StepLabel(id)
		if problems := validation.IsValidLabelValue(label); len(problems) > 0 || label == "" {
			t.Errorf("label of %q is %q: %v", id, label, problems)
		}
		if other, taken := labels[label]; taken {
			t.Errorf("%q and %q both have label %q", id, other, label)
		}
		labels[label] = id
		for _, flow := range []string{"shop", "shop-a", strings.Repeat("f", 63)} {
			name := kube.WorkloadName(flow, id, "0123456789ab")
			if problems := validation.IsDNS1123Label(name); len(problems) > 0 || len(name) > 52 {
				t.Errorf("name of %q is %q: %v", id, name, problems)
			}
			if other, taken := names[name]; taken {
				t.Errorf("%s/%s and %s both are called %q", flow, id, other, name)
			}
			names[name] = flow + "/" + id
		}
	}
}

func TestAWorkloadsNameTellsFlowAndStepAndChangesWithItsHash(t *testing.T) {
	a, b := kube.WorkloadName("example-flow", "mapper:step_1:step_2", "aaa"), kube.WorkloadName("example-flow", "mapper:step_1:step_2", "bbb")
	if !regexp.MustCompile(`^example-flow-mapper-step-1-step-2-[0-9a-f]{10}$`).MatchString(a) {
		t.Errorf("name %q", a)
	}
	if a == b {
		t.Errorf("steps with different hashes are both called %q", a)
	}
	if a != kube.WorkloadName("example-flow", "mapper:step_1:step_2", "aaa") {
		t.Error("the same step has two names")
	}
	if kube.WorkloadName("a-b", "c", "x") == kube.WorkloadName("a", "b-c", "x") {
		t.Error("steps of different flows have the same name")
	}
}
