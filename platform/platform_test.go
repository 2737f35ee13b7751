// Package platform_test keeps platform.json and the Helm chart the same as the files that they're made of, and holds what all of them promise.
package platform_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/openintegrationhub/leat/internal/install"
)

var update = flag.Bool("update", false, "write platform.json and the chart anew")

// object is any Kubernetes object.
type object map[string]any

// at follows a path of names and returns what is there, nil if nothing.
func (o object) at(path ...string) any {
	var v any = map[string]any(o)
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func (o object) text(path ...string) string {
	s, _ := o.at(path...).(string)
	return s
}

func (o object) list(path ...string) (all []object) {
	items, _ := o.at(path...).([]any)
	for _, item := range items {
		m, _ := item.(map[string]any)
		all = append(all, m)
	}
	return all
}

func (o object) String() string {
	return strings.TrimPrefix(o.text("metadata", "namespace")+"/", "/") + o.text("kind") + " " + o.text("metadata", "name")
}

// bases returns the names of the files of the kustomization, in its order.
func bases(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var kustomization struct {
		APIVersion string   `yaml:"apiVersion"`
		Kind       string   `yaml:"kind"`
		Resources  []string `yaml:"resources"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true) // what else kustomize can do isn't done here
	if err := decoder.Decode(&kustomization); err != nil {
		t.Fatal(err)
	}
	return kustomization.Resources
}

// objects reads the bases.
func objects(t *testing.T) (all []object) {
	t.Helper()
	for _, name := range bases(t) {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for decoder := yaml.NewDecoder(file); ; {
			var o map[string]any
			if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if o != nil {
				all = append(all, o)
			}
		}
	}
	return all
}

func find(t *testing.T, kind string) (all []object) {
	t.Helper()
	for _, o := range objects(t) {
		if o.text("kind") == kind {
			all = append(all, o)
		}
	}
	if len(all) == 0 {
		t.Fatalf("no %s", kind)
	}
	return all
}

// pods returns the pod templates of the platform by the name of what makes them.
func pods(t *testing.T) map[string]object {
	t.Helper()
	all := map[string]object{}
	for _, o := range objects(t) {
		if template, ok := o.at("spec", "template").(map[string]any); ok {
			all[o.String()] = template
		}
	}
	if len(all) < 6 {
		t.Errorf("only %d kinds of pods", len(all))
	}
	return all
}

func TestPlatformFileIsMadeOfTheBases(t *testing.T) {
	list := map[string]any{"apiVersion": "v1", "kind": "List", "items": objects(t)}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(list); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("platform.json", text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("platform.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text.String(), string(got)); diff != "" {
		t.Errorf("platform.json isn't what the bases say; `make platform` writes it (-bases +file):\n%s", diff)
	}
}

func TestNobodyMayMoreThanIsNamed(t *testing.T) {
	for _, o := range objects(t) {
		switch o.text("kind") {
		case "ClusterRoleBinding":
			if o.text("roleRef", "name") != "api-people" { // asks questions that belong to no namespace
				t.Errorf("%s: rights are given per namespace", o)
			}
		case "RoleBinding":
			if name := o.text("roleRef", "name"); name == "cluster-admin" || name == "admin" || name == "edit" {
				t.Errorf("%s binds %s", o, name)
			}
		case "Role", "ClusterRole":
			for _, rule := range o.list("rules") {
				text, err := json.Marshal(rule)
				if err != nil {
					t.Fatal(err)
				}
				for _, forbidden := range []string{`"*"`, `"escalate"`, `"bind"`, "impersonate", "pods/exec", "serviceaccounts", "nonResourceURLs"} {
					if bytes.Contains(text, []byte(forbidden)) {
						t.Errorf("%s: %s in %s", o, forbidden, text)
					}
				}
			}
		}
	}
}

// The restricted Pod Security Standard, and what else is due to neighbours.
func TestPodsAreRestricted(t *testing.T) {
	for name, pod := range pods(t) {
		if pod.at("spec", "securityContext", "runAsNonRoot") != true || pod.text("spec", "securityContext", "seccompProfile", "type") != "RuntimeDefault" {
			t.Errorf("%s: securityContext is %v", name, pod.at("spec", "securityContext"))
		}
		if pod.at("spec", "automountServiceAccountToken") == nil {
			t.Errorf("%s doesn't say whether it gets a token", name)
		}
		containers := pod.list("spec", "containers")
		if len(containers) == 0 {
			t.Errorf("%s has no containers", name)
		}
		for _, c := range containers {
			dropped, _ := c.at("securityContext", "capabilities", "drop").([]any)
			if c.at("securityContext", "allowPrivilegeEscalation") != false || !slices.Contains(dropped, any("ALL")) {
				t.Errorf("%s: container's securityContext is %v", name, c.at("securityContext"))
			}
			if c.text("resources", "limits", "memory") == "" || c.text("resources", "requests", "cpu") == "" || c.text("resources", "requests", "memory") == "" {
				t.Errorf("%s: resources are %v", name, c.at("resources"))
			}
			if c.text("imagePullPolicy") != "IfNotPresent" {
				t.Errorf("%s: imagePullPolicy is %q", name, c.text("imagePullPolicy"))
			}
			if !strings.Contains(name, "Job") && (c.at("readinessProbe") == nil || c.at("livenessProbe") == nil) {
				t.Errorf("%s has no probes", name)
			}
		}
	}
}

func TestEverythingThatIsNamedIsThere(t *testing.T) {
	exists := map[string]bool{}
	for _, o := range objects(t) {
		if exists[o.String()] {
			t.Errorf("%s is there twice", o)
		}
		exists[o.String()] = true
	}
	accounts, err := install.Secret(url.URL{}, url.URL{})
	if err != nil {
		t.Fatal(err)
	}
	want := func(who, what string) {
		if !exists[what] {
			t.Errorf("%s names %s, and it isn't there", who, what)
		}
	}
	key := func(who string, ref object) {
		if name := ref.text("name") + ref.text("secretName"); name != install.SecretName {
			t.Errorf("%s: nobody makes the secret %q", who, name)
		}
		if k := ref.text("key"); accounts[k] == nil {
			t.Errorf("%s: secret %s has no key %q", who, install.SecretName, k)
		}
	}
	for name, pod := range pods(t) {
		if account := pod.text("spec", "serviceAccountName"); account != "" {
			want(name, "platform/ServiceAccount "+account)
		}
		for _, c := range pod.list("spec", "containers") {
			for _, source := range c.list("envFrom") {
				want(name, "platform/ConfigMap "+source.text("configMapRef", "name"))
			}
			for _, variable := range c.list("env") {
				if ref, ok := variable.at("valueFrom", "secretKeyRef").(map[string]any); ok {
					key(name, ref)
				}
			}
		}
		for _, volume := range pod.list("spec", "volumes") {
			if config := volume.text("configMap", "name"); config != "" {
				want(name, "platform/ConfigMap "+config)
			}
			if claim := volume.text("persistentVolumeClaim", "claimName"); claim != "" {
				want(name, "platform/PersistentVolumeClaim "+claim)
			}
			for _, item := range volume.list("secret", "items") {
				key(name, object{"name": volume.text("secret", "secretName"), "key": item.text("key")})
			}
		}
	}
	for _, binding := range find(t, "RoleBinding") {
		role := binding.text("roleRef", "kind") + " " + binding.text("roleRef", "name")
		if binding.text("roleRef", "kind") == "Role" {
			role = binding.text("metadata", "namespace") + "/" + role
		}
		want(binding.String(), role)
		for _, subject := range binding.list("subjects") {
			want(binding.String(), subject.text("namespace")+"/"+subject.text("kind")+" "+subject.text("name"))
		}
	}
}

// Selectors that fit no pod fail in silence.
func TestSelectorsFitPods(t *testing.T) {
	names := map[string]object{}
	for _, pod := range pods(t) {
		names[pod.text("metadata", "labels", "app.kubernetes.io/name")] = pod
	}
	for _, service := range find(t, "Service") {
		pod := names[service.text("spec", "selector", "app.kubernetes.io/name")]
		if pod == nil {
			t.Errorf("%s selects no pod", service)
			continue
		}
		var ports []string
		for _, c := range pod.list("spec", "containers") {
			for _, port := range c.list("ports") {
				ports = append(ports, port.text("name"))
			}
		}
		for _, port := range service.list("spec", "ports") {
			if !slices.Contains(ports, port.text("targetPort")) {
				t.Errorf("%s: no port %q", service, port.text("targetPort"))
			}
		}
	}
	budgets := map[string]bool{}
	for _, budget := range find(t, "PodDisruptionBudget") {
		budgets[budget.text("spec", "selector", "matchLabels", "app.kubernetes.io/name")] = true
	}
	for name := range names {
		if name != "platform-accounts" && !budgets[name] { // a Job
			t.Errorf("no PodDisruptionBudget for %s", name)
		}
	}
	policies, err := json.Marshal(find(t, "NetworkPolicy"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(policies), `"app.kubernetes.io/name":"`)[1:] {
		if name, _, _ := strings.Cut(part, `"`); names[name] == nil {
			t.Errorf("a NetworkPolicy names %q, and there's no such pod", name)
		}
	}
}

func TestImagesAreThoseOfTheDockerfile(t *testing.T) {
	dockerfile, err := os.ReadFile(filepath.Join("..", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	const ours = "openintegrationhub/"
	components := ""
	for _, o := range find(t, "ConfigMap") {
		components += o.text("data", "COMPONENTS_IMAGE")
	}
	for name, pod := range pods(t) {
		for _, c := range pod.list("spec", "containers") {
			for _, image := range []string{c.text("image"), components} {
				target, tag, _ := strings.Cut(strings.TrimPrefix(image, ours), ":")
				if tag == "" || strings.HasPrefix(image, ours) && !strings.Contains(string(dockerfile), fmt.Sprintf(" AS %s\n", target)) {
					t.Errorf("%s: image %q has no tag, or no target in the Dockerfile", name, image)
				}
			}
		}
	}
}
