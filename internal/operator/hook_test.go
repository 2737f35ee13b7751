package operator_test

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/plan"
)

func TestADeletedFlowRunsItsShutdownHookBeforeItGoes(t *testing.T) {
	for name, how := range map[string]batchv1.JobConditionType{"which ends well": batchv1.JobComplete, "which fails": batchv1.JobFailed} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(change(t, "function: map,", `function: map, env: {ELASTICIO_STARTUP_REQUIRED: "true"},`))
			w.ready("shop")
			if err := w.Delete(t.Context(), w.flow("shop")); err != nil {
				t.Fatal(err)
			}
			var hooks batchv1.JobList
			w.eventually("a hook", func() (bool, any) {
				err := w.List(t.Context(), &hooks, client.InNamespace(w.namespace), client.MatchingLabels{kube.LabelHook: "shop"})
				return len(hooks.Items) == 1, err
			})
			hook := hooks.Items[0]
			if n := len(w.jobs("in")) + len(w.jobs("map:1")) + len(w.jobs("out")); n > 0 {
				t.Errorf("%d jobs of steps are there while the hook runs", n)
			}
			variables := map[string]corev1.EnvVar{}
			for _, v := range hook.Spec.Template.Spec.Containers[0].Env {
				variables[v.Name] = v
			}
			if variables[plan.ShutdownVariable].Value != "true" || variables[plan.StartupVariable].Name != "" || variables["ELASTICIO_STEP_ID"].Value != "map:1" {
				t.Errorf("variables of the hook: %s", text(variables))
			}
			if err := w.secretGone(kube.SecretName("shop")); err != nil {
				t.Errorf("the hook's Secret: %v", err)
			}
			w.end(hook, how)
			w.eventually("deleted", func() (bool, any) {
				err := w.gone("shop")
				return err != nil, err
			})
			w.nothingLeft()
			w.eventually("no hook", func() (bool, any) {
				err := w.List(t.Context(), &hooks, client.InNamespace(w.namespace), client.MatchingLabels{kube.LabelHook: "shop"})
				return len(hooks.Items) == 0, err
			})
		})
	}
}

func TestAFlowWhoseSecretCannotBeReadIsDeletedWithoutItsHook(t *testing.T) {
	w := newWorld(t)
	w.apply(change(t, "function: map,", `function: map, env: {ELASTICIO_STARTUP_REQUIRED: "true"},`))
	w.ready("shop")
	broken := &corev1.Secret{}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: kube.SecretName("shop")}, broken); err != nil {
		t.Fatal(err)
	}
	for key := range broken.Data {
		broken.Data[key] = []byte("{")
	}
	if err := w.Update(t.Context(), broken); err != nil {
		t.Fatal(err)
	}
	w.delete("shop")
}
