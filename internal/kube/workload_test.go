package kube_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/plan"
)

var update = flag.Bool("update", false, "write the golden files")

func parse(t *testing.T, text string) *flow.Flow {
	t.Helper()
	flows, err := flow.Parse("flow.yaml", []byte(text))
	if err != nil || len(flows) != 1 {
		t.Fatalf("parse flow: %d flows, %v", len(flows), err)
	}
	return flows[0]
}

func secretsOf(f *flow.Flow) plan.Secrets {
	s := plan.Secrets{CryptoPassword: "the-crypto-password", CryptoIV: "0123456789abcdef", Steps: map[string]plan.StepSecrets{}}
	for _, n := range f.Nodes {
		s.Steps[n.ID] = plan.StepSecrets{BrokerPassword: "broker-password-of-" + n.ID, APIKey: "api-key-of-" + n.ID}
	}
	return s
}

// planOf plans a flow on a platform with the given settings.
func planOf(t *testing.T, text string, settings ...string) plan.Plan {
	t.Helper()
	s, err := kube.ReadSettings(getenv(append([]string{"RABBITMQ_URI", "amqp://operator:secret@rabbitmq.platform:5672"}, settings...)...), builtin)
	if err != nil {
		t.Fatal(err)
	}
	f := parse(t, text)
	return plan.For(f, plan.Seen{References: map[string]string{"crm": "digest"}}, secretsOf(f), s.Platform())
}

// Every file in testdata is a flow, and then the manifests that it leads to, without what the planner's own golden files show: hashes, and most of
// the variables. When a manifest changes, revision in workload.go has to, or else running steps stay as they are.
func TestManifests(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 3 {
		t.Fatalf("golden files: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p := planOf(t, string(archive.Files[0].Data), "IMAGE_PULL_SECRETS", "platform-registry", "DEFAULT_CPU_LIMIT", "1", "DEFAULT_MEMORY_LIMIT", "256Mi")
			got := []txtar.File{archive.Files[0]}
			for _, s := range p.Steps {
				object, err := kube.Workload(p, s)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, txtar.File{Name: s.ID + ".json", Data: hashes(text(t, withoutPlatformVariables(object)), p.Flow.Name, s)})
			}
			secret := kube.NewSecret(p.Flow, secretsOf(p.Flow), p.Steps...)
			for key := range secret.Data {
				if strings.Contains(key, ".ELASTICIO_") && !strings.HasSuffix(key, "_AMQP_URI") {
					delete(secret.Data, key)
				}
			}
			got = append(got, txtar.File{Name: "secret.json", Data: text(t, secret)})
			if *update {
				archive.Files = got
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(txtar.Format(&txtar.Archive{Comment: archive.Comment, Files: archive.Files})), string(txtar.Format(&txtar.Archive{Comment: archive.Comment, Files: got}))); diff != "" {
				t.Errorf("manifests differ (-golden +got); -update writes them:\n%s", diff)
			}
		})
	}
}

// withoutPlatformVariables drops the variables of the platform, but for two that are secret.
func withoutPlatformVariables(object client.Object) client.Object {
	pod := podIn(object)
	pod.Spec.Containers[0].Env = slices.DeleteFunc(pod.Spec.Containers[0].Env, func(v corev1.EnvVar) bool {
		return strings.HasPrefix(v.Name, "LEAT_") || strings.HasPrefix(v.Name, "ELASTICIO_") && v.Name != "ELASTICIO_AMQP_URI" && v.Name != "ELASTICIO_API_KEY"
	})
	return object
}

func hashes(manifest []byte, flow string, s plan.Step) []byte {
	manifest = bytes.ReplaceAll(manifest, []byte(s.Hash), []byte("HASH"))
	name := kube.WorkloadName(flow, s.ID, s.Hash)
	return bytes.ReplaceAll(manifest, []byte(name), []byte(name[:len(name)-10]+"HASH"))
}

func podIn(object client.Object) *corev1.PodTemplateSpec {
	if d, ok := object.(*appsv1.Deployment); ok {
		return &d.Spec.Template
	}
	return &object.(*batchv1.Job).Spec.Template
}

func text(t *testing.T, object client.Object) []byte {
	t.Helper()
	data, err := json.MarshalIndent(object, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

const oneStep = `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: shop, namespace: flows}
spec:
  nodes:
    - {id: crm, image: acme/crm:1, function: send, first: true%s}
`

// podOf is the pod of the only step of oneStep with more fields.
func podOf(t *testing.T, more string, settings ...string) corev1.PodTemplateSpec {
	t.Helper()
	p := planOf(t, strings.Replace(oneStep, "%s", more, 1), settings...)
	object, err := kube.Workload(p, p.Steps[0])
	if err != nil {
		t.Fatal(err)
	}
	return *podIn(object)
}

func TestAStepHasNoSecretInItsManifest(t *testing.T) {
	p := planOf(t, strings.Replace(oneStep, "%s", `, env: {CRM_PASSWORD: hunter2, CRM_URL: "https://u:hunter2@crm.example.com"}`, 1))
	object, err := kube.Workload(p, p.Steps[0])
	if err != nil {
		t.Fatal(err)
	}
	manifest := text(t, object)
	for _, secret := range []string{"hunter2", "broker-password-of", "api-key-of", "the-crypto-password", "0123456789abcdef"} {
		if bytes.Contains(manifest, []byte(secret)) {
			t.Errorf("the manifest shows %q", secret)
		}
	}
	held := kube.NewSecret(p.Flow, secretsOf(p.Flow), p.Steps...)
	for _, v := range object.(*batchv1.Job).Spec.Template.Spec.Containers[0].Env {
		if v.ValueFrom == nil {
			continue
		}
		ref := v.ValueFrom.SecretKeyRef
		if len(held.Data[ref.Key]) == 0 || ref.Name != held.Name {
			t.Errorf("variable %s comes from %s/%s, which isn't there", v.Name, ref.Name, ref.Key)
		}
	}
	if got := string(held.Data["env.crm.CRM_PASSWORD"]); got != "hunter2" {
		t.Errorf("the secret holds %q", got)
	}
}

func TestASecretIsReadAsItWasWritten(t *testing.T) {
	f := parse(t, `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: shop, namespace: flows}
spec:
  nodes:
    - {id: "a:b", image: acme/a, function: send, first: true, env: {x.broker-password: p, x.api-key: q}}
    - {id: a_b, image: acme/a, function: send, env: {b.C_KEY: first}}
    - {id: "::", image: acme/a, function: send}
  connections: [{from: "a:b", to: a_b}, {from: a_b, to: "::"}]
`)
	want := secretsOf(f)
	s, err := kube.ReadSettings(getenv("RABBITMQ_URI", "amqp://a:b@c"), builtin)
	if err != nil {
		t.Fatal(err)
	}
	p := plan.For(f, plan.Seen{}, want, s.Platform())
	got, err := kube.ParseSecret(kube.NewSecret(f, want, p.Steps...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := kube.ParseSecret(&corev1.Secret{}); err == nil {
		t.Error("an empty secret was read")
	}
}

func TestWhatAnAuthorWroteWinsOverThePlatform(t *testing.T) {
	pod := podOf(t, `, env: {LOG_LEVEL: debug, ELASTICIO_AMQP_PERSISTENT_MESSAGES: "yes"}, valueFrom: {ELASTICIO_RATE_INTERVAL: {configMapKeyRef: {name: limits, key: rate}}}`)
	found := map[string]int{}
	for _, v := range pod.Spec.Containers[0].Env {
		found[v.Name]++
		switch v.Name {
		case "ELASTICIO_AMQP_PERSISTENT_MESSAGES":
			if v.Value != "yes" {
				t.Errorf("%s is %q", v.Name, v.Value)
			}
		case "ELASTICIO_RATE_INTERVAL":
			if v.ValueFrom == nil || v.ValueFrom.ConfigMapKeyRef.Name != "limits" {
				t.Errorf("%s isn't from the config map", v.Name)
			}
		}
	}
	for name, n := range found {
		if n != 1 {
			t.Errorf("%s is there %d times", name, n)
		}
	}
}

func TestKubernetesReplacesNothingInValues(t *testing.T) {
	pod := podOf(t, `, env: {PRICE: "$(ELASTICIO_STEP_ID) costs $$5"}, args: ["$(HOME)"]`)
	for _, v := range pod.Spec.Containers[0].Env {
		if v.Name == "PRICE" && v.Value != "$$(ELASTICIO_STEP_ID) costs $$$$5" {
			t.Errorf("PRICE is %q", v.Value)
		}
	}
	if got := pod.Spec.Containers[0].Args[0]; got != "$$(HOME)" {
		t.Errorf("argument %q", got)
	}
}

func TestResourcesComeFromNodeThenFlowThenPlatform(t *testing.T) {
	settings := []string{"DEFAULT_CPU_LIMIT", "2", "DEFAULT_CPU_REQUEST", "100m", "DEFAULT_MEMORY_LIMIT", "1Gi", "DEFAULT_MEMORY_REQUEST", "64Mi"}
	got := podOf(t, `, resources: {limits: {cpu: 50m}}`, settings...).Spec.Containers[0].Resources
	for name, want := range map[string]string{
		"cpu limit " + got.Limits.Cpu().String():           "cpu limit 50m",
		"cpu request " + got.Requests.Cpu().String():       "cpu request 50m", // not beyond the limit
		"memory limit " + got.Limits.Memory().String():     "memory limit 1Gi",
		"memory request " + got.Requests.Memory().String(): "memory request 64Mi",
	} {
		if name != want {
			t.Errorf("%s, want %s", name, want)
		}
	}
}

func TestAPodTemplateIsLaidOverTheStep(t *testing.T) {
	pod := podOf(t, `, podTemplate: {metadata: {labels: {leat.io/flow: other, team: blue}}, spec: {restartPolicy: Never, automountServiceAccountToken: true, nodeSelector: {disk: ssd}, containers: [{name: step, volumeMounts: [{name: tmp, mountPath: /tmp}]}, {name: sidecar, image: acme/proxy}], volumes: [{name: tmp, emptyDir: {}}]}}`)
	if pod.Spec.NodeSelector["disk"] != "ssd" || len(pod.Spec.Volumes) != 1 || len(pod.Spec.Containers) != 2 || pod.Labels["team"] != "blue" {
		t.Errorf("the template has no effect: %+v", pod)
	}
	step := pod.Spec.Containers[0]
	if step.Name != kube.ContainerName {
		step = pod.Spec.Containers[1]
	}
	if step.Image != "acme/crm:1" || len(step.Env) == 0 || len(step.VolumeMounts) != 1 {
		t.Errorf("the step's container is %+v", step)
	}
	if pod.Labels[kube.LabelFlow] != "shop" || pod.Spec.RestartPolicy != corev1.RestartPolicyOnFailure || *pod.Spec.AutomountServiceAccountToken {
		t.Errorf("what must be so was changed: %v %v", pod.Labels, pod.Spec.RestartPolicy)
	}
}

func TestAMisspelledPodTemplateIsAMistake(t *testing.T) {
	for name, template := range map[string]string{
		"unknown field": `{spec: {nodeSelektor: {disk: ssd}}}`,
		"wrong type":    `{spec: {nodeSelector: ssd}}`,
	} {
		p := planOf(t, strings.Replace(oneStep, "%s", ", podTemplate: "+template, 1))
		if _, err := kube.Workload(p, p.Steps[0]); err == nil || !strings.Contains(err.Error(), "podTemplate") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestForeignImagesKeepTheRestrictedStandardIfThePlatformWants(t *testing.T) {
	if pod := podOf(t, ""); pod.Spec.SecurityContext.RunAsNonRoot != nil || len(pod.Spec.Containers[0].SecurityContext.Capabilities.Add) == 0 {
		t.Errorf("an image of 2018 couldn't start: %+v", pod.Spec.SecurityContext)
	}
	pod := podOf(t, "", "POD_SECURITY", "restricted")
	if !*pod.Spec.SecurityContext.RunAsNonRoot || len(pod.Spec.Containers[0].SecurityContext.Capabilities.Add) != 0 {
		t.Errorf("not restricted: %+v", pod.Spec.SecurityContext)
	}
}
