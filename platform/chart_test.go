package platform_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/openintegrationhub/leat/internal/install"
)

// The chart's templates are the bases, word for word, with these changes.
const (
	chartFolder = "chart"
	crdFile     = "crd/flows.elastic.io.yaml" // Helm has a folder of its own for such
	madeBy      = "{{- /* Made of platform/%s by `make platform`; change that. */ -}}\n"
)

// byHand are the files of templates/ that no base has.
var byHand = []string{"NOTES.txt", "external-accounts.yaml"}

// edit puts a value in place of what a base says. It has to fit somewhere in the file, or the value would do nothing.
type edit struct{ base, fits, value string }

var edits = []edit{
	{"accounts.yaml", `(?m)^kind: Job\nmetadata:\n  name: platform-accounts$`,
		// A Job can't be changed, so an upgrade has one of its own; the Secret that is there is left alone.
		"$0{{ if .Release.IsUpgrade }}-{{ .Release.Revision }}{{ end }}"},
	{"", `(?m)^( +)image: openintegrationhub/([a-z-]+):latest$`, `${1}image: "{{ .Values.image.registry }}/$2:{{ .Values.image.tag }}"`},
	{"", `imagePullPolicy: IfNotPresent`, "imagePullPolicy: {{ .Values.image.pullPolicy }}"},
	{"", `(?m)^      securityContext: \{runAsNonRoot`,
		"      {{- with .Values.image.pullSecrets }}\n      imagePullSecrets:\n        {{- range . }}\n        - name: {{ quote . }}\n        {{- end }}\n      {{- end }}\n$0"},
	{"rabbitmq.yaml", `image: rabbitmq:3.13-management`, "image: {{ quote .Values.rabbitmq.image }}"},
	{"rabbitmq.yaml", storageFits, storageValue("rabbitmq")},
	{"api.yaml", storageFits, storageValue("api")},
	{"network.yaml", `(?m)^        - namespaceSelector: \{matchLabels: \{kubernetes.io/metadata.name: flows\}\}$`,
		"        {{- range .Values.namespaces }}\n        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ quote . }}}}\n        {{- end }}"},
	{"settings.yaml", `NAMESPACES: flows`, `NAMESPACES: {{ join "," .Values.namespaces | quote }}`},
	{"settings.yaml", `COMPONENTS_IMAGE: openintegrationhub/components:latest`,
		`COMPONENTS_IMAGE: "{{ .Values.image.registry }}/components:{{ .Values.image.tag }}"`},
	// The other settings are values of the same names.
	{"settings.yaml", `(?m)^  API_URI: .*\n`, ""},
	{"settings.yaml", `(?ms)^  # Of steps for which.*\z`, "  {{- range $$name, $$value := .Values.settings }}\n  {{ $$name }}: {{ quote $$value }}\n  {{- end }}\n"},
}

const storageFits = `resources: \{requests: \{storage: [0-9]+Gi\}\}`

func storageValue(of string) string {
	storage := ".Values." + of + ".storage"
	return "{{ with " + storage + ".class }}storageClassName: {{ quote . }}, {{ end }}resources: {requests: {storage: {{ quote " + storage + ".size }}}}"
}

// condition returns when an object is there; "" is always.
func condition(base string, o object) string {
	switch {
	case o.text("kind") == "Namespace":
		return "if .Values.createNamespaces"
	case base == "accounts.yaml", base == "rabbitmq.yaml", base == "network.yaml" && o.text("metadata", "name") == "rabbitmq":
		return "if .Values.rabbitmq.enabled"
	}
	return ""
}

// chartFiles makes the chart's files of the bases, by their paths in it.
func chartFiles(t *testing.T) map[string]string {
	t.Helper()
	files, used := map[string]string{}, make([]bool, len(edits))
	for _, base := range bases(t) {
		content, err := os.ReadFile(base)
		if err != nil {
			t.Fatal(err)
		}
		text := string(content)
		if base == crdFile {
			files["crds/"+filepath.Base(base)] = text
			continue
		}
		if strings.Contains(text, "{{") {
			t.Fatalf("%s: {{ begins an action of Helm's; write { {", base)
		}
		var parts []string
		for part := range strings.SplitSeq(text, "\n---\n") {
			parts = append(parts, template(t, base, strings.TrimSpace(part)+"\n", used))
		}
		files["templates/"+base] = fmt.Sprintf(madeBy, base) + strings.Join(parts, "---\n")
	}
	for i, e := range edits {
		if !used[i] {
			t.Errorf("%s is nowhere in %s", e.fits, e.base)
		}
	}
	return files
}

// template makes a template of one object. What is in the namespace of flows is there once for each such namespace.
func template(t *testing.T, base, text string, used []bool) string {
	t.Helper()
	var o map[string]any
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%s: %v", base, err)
	}
	for i, e := range edits {
		fits := regexp.MustCompile(e.fits)
		if (e.base == "" || e.base == base) && fits.MatchString(text) {
			used[i] = true
			text = fits.ReplaceAllString(text, e.value)
		}
	}
	if name := "name: flows"; object(o).String() == "Namespace flows" {
		text = each(strings.Replace(text, name, "name: {{ quote . }}", 1))
	}
	if object(o).text("metadata", "namespace") == "flows" {
		text = each(strings.Replace(text, "namespace: flows", "namespace: {{ quote . }}", 1))
	}
	if when := condition(base, o); when != "" {
		text = "{{- " + when + " }}\n" + text + "{{- end }}\n"
	}
	return text
}

// each repeats an object for each namespace with flows. The first line may be a comment, which belongs to all.
func each(text string) string {
	return "{{- range .Values.namespaces }}\n---\n" + text + "{{- end }}\n"
}

func TestChartIsMadeOfTheBases(t *testing.T) {
	want := chartFiles(t)
	if *update {
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(chartFolder, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := map[string]string{}
	for _, folder := range []string{"templates", "crds"} {
		entries, err := os.ReadDir(filepath.Join(chartFolder, folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if folder == "templates" && slices.Contains(byHand, entry.Name()) {
				continue
			}
			text, err := os.ReadFile(filepath.Join(chartFolder, folder, entry.Name()))
			if err != nil {
				t.Fatal(err)
			}
			got[folder+"/"+entry.Name()] = string(text)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the chart isn't what the bases say; `make platform` writes it (-bases +chart):\n%s", diff)
	}
}

// helmProgram is the path of the Helm of tools/helm.mod, which go builds once and keeps in its cache.
var helmProgram = sync.OnceValues(func() (string, error) {
	command := exec.Command("go", "tool", "-n", "-modfile="+filepath.Join("..", "tools", "helm.mod"), "helm")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	var mistakes bytes.Buffer
	command.Stderr = &mistakes
	path, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("build helm: %w: %s", err, mistakes.String())
	}
	return strings.TrimSpace(string(path)), nil
})

// runHelm runs Helm, which finds nothing of the person's own.
func runHelm(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	program, err := helmProgram()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, args...)
	command.Env = append(os.Environ(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir())
	var out, mistakes bytes.Buffer
	command.Stdout, command.Stderr = &out, &mistakes
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, mistakes.String())
	}
	return out.String(), nil
}

// render returns the objects of the chart with these values by their names, as JSON reads them.
func render(t *testing.T, args ...string) map[string]object {
	t.Helper()
	text, err := runHelm(t, append([]string{"template", "leat", chartFolder, "--include-crds"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	var all []object
	for decoder := yaml.NewDecoder(strings.NewReader(text)); ; {
		var o map[string]any
		if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if o != nil {
			all = append(all, o)
		}
	}
	return byName(t, all)
}

// byName indexes objects, as JSON reads them.
func byName(t *testing.T, all []object) map[string]object {
	t.Helper()
	index := map[string]object{}
	for _, o := range all {
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if index[o.String()] != nil {
			t.Errorf("%s is there twice", o)
		}
		var read object
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		index[o.String()] = read
	}
	return index
}

func TestChartIsThePlatformFile(t *testing.T) {
	text, err := os.ReadFile("platform.json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Items []object }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(byName(t, list.Items), render(t)); diff != "" {
		t.Errorf("objects (-platform.json +chart):\n%s", diff)
	}
}

// What each value changes, and that it changes nothing else: the rest is as with the defaults.
func TestValuesOfTheChart(t *testing.T) {
	accounts := filepath.Join(t.TempDir(), "accounts.yaml")
	var lines strings.Builder
	secret := map[string]any{}
	for _, key := range accountKeys(t) {
		secret[key] = "the " + key
		fmt.Fprintf(&lines, "    %s: the %s\n", key, key)
	}
	if err := os.WriteFile(accounts, []byte("rabbitmq:\n  enabled: false\n  accounts:\n"+lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	const (
		jobPod    = "platform/Job platform-accounts"
		operator  = "platform/Deployment flows-operator"
		settings  = "platform/ConfigMap settings"
		broker    = "platform/StatefulSet rabbitmq"
		apiVolume = "platform/PersistentVolumeClaim api"
	)
	defaults := render(t)
	ofPods := []string{jobPod, operator, broker, "platform/Deployment api", "platform/Deployment communication-router", "platform/Deployment scheduler"}
	ofBroker := []string{jobPod, "platform/ServiceAccount platform-accounts", "platform/Role platform-accounts", "platform/RoleBinding platform-accounts",
		broker, "platform/Service rabbitmq", "platform/ConfigMap rabbitmq", "platform/PodDisruptionBudget rabbitmq", "platform/NetworkPolicy rabbitmq"}
	for name, test := range map[string]struct {
		args    []string
		changed map[string]string // by object: a part of its JSON
		all     []string          // objects that are changed likewise
		part    string
		added   []string
		removed []string
	}{
		"image.registry": {args: []string{"--set", "image.registry=registry.example.com/leat"},
			all: slices.DeleteFunc(slices.Clone(ofPods), func(o string) bool { return o == broker }), part: `"image":"registry.example.com/leat/`,
			changed: map[string]string{settings: `"COMPONENTS_IMAGE":"registry.example.com/leat/components:latest"`}},
		"image.tag": {args: []string{"--set", "image.tag=1.10"},
			all: slices.DeleteFunc(slices.Clone(ofPods), func(o string) bool { return o == broker }), part: `:1.10"`,
			changed: map[string]string{settings: `"COMPONENTS_IMAGE":"openintegrationhub/components:1.10"`}},
		"image.pullPolicy":  {args: []string{"--set", "image.pullPolicy=Always"}, all: ofPods, part: `"imagePullPolicy":"Always"`},
		"image.pullSecrets": {args: []string{"--set", "image.pullSecrets={one,two}"}, all: ofPods, part: `"imagePullSecrets":[{"name":"one"},{"name":"two"}]`},
		"rabbitmq.image":    {args: []string{"--set", "rabbitmq.image=example.com/rabbitmq:4"}, changed: map[string]string{broker: `"image":"example.com/rabbitmq:4"`}},
		"rabbitmq.storage": {args: []string{"--set", "rabbitmq.storage.size=20Gi,rabbitmq.storage.class=fast"},
			changed: map[string]string{broker: `"resources":{"requests":{"storage":"20Gi"}},"storageClassName":"fast"`}},
		"api.storage": {args: []string{"--set", "api.storage.size=20Gi,api.storage.class=fast"},
			changed: map[string]string{apiVolume: `"resources":{"requests":{"storage":"20Gi"}},"storageClassName":"fast"`}},
		"settings changed": {args: []string{"--set-string", "settings.DEFAULT_CPU_LIMIT=2"}, changed: map[string]string{settings: `"DEFAULT_CPU_LIMIT":"2"`}},
		"settings added":   {args: []string{"--set", "settings.IMAGE_MAP=a=b"}, changed: map[string]string{settings: `"IMAGE_MAP":"a=b"`}},
		"createNamespaces": {args: []string{"--set", "createNamespaces=false"}, removed: []string{"Namespace platform", "Namespace flows"}},
		"namespaces": {args: []string{"--set", "namespaces={flows,more}"},
			changed: map[string]string{settings: `"NAMESPACES":"flows,more"`,
				"platform/NetworkPolicy rabbitmq": `{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"more"}}}`},
			added: []string{"Namespace more", "more/NetworkPolicy outside", "more/NetworkPolicy steps", "more/RoleBinding api", "more/RoleBinding communication-router",
				"more/RoleBinding flows-operator", "more/RoleBinding leat-cli", "more/RoleBinding scheduler"}},
		"rabbitmq.enabled":  {args: []string{"--set", "rabbitmq.enabled=false"}, removed: ofBroker},
		"rabbitmq.accounts": {args: []string{"-f", accounts}, removed: ofBroker, added: []string{"platform/Secret platform-accounts"}},
		"an upgrade":        {args: []string{"--is-upgrade"}, removed: []string{jobPod}, added: []string{jobPod + "-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			want, got := maps.Clone(defaults), render(t, test.args...)
			parts := test.changed
			if parts == nil {
				parts = map[string]string{}
			}
			for _, o := range test.all {
				parts[o] = test.part
			}
			for _, o := range test.removed {
				if want[o] == nil || got[o] != nil {
					t.Errorf("%s: there by default: %v; with the value: %v", o, want[o] != nil, got[o] != nil)
				}
				delete(want, o)
			}
			for _, o := range test.added {
				if want[o] != nil || got[o] == nil {
					t.Errorf("%s: there by default: %v; with the value: %v", o, want[o] != nil, got[o] != nil)
				}
				if data := got[o].at("stringData"); data != nil && !cmp.Equal(data, any(secret)) {
					t.Errorf("%s: %v", o, data)
				}
				delete(got, o)
			}
			for o, part := range parts {
				text, err := json.Marshal(got[o])
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Contains(text, []byte(part)) || cmp.Equal(want[o], got[o]) {
					t.Errorf("%s: no %s in %s", o, part, text)
				}
				delete(want, o)
				delete(got, o)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what else it changed (-default +%s):\n%s", name, diff)
			}
		})
	}
}

// accountKeys are the keys of the Secret platform-accounts that a RabbitMQ of one's own needs.
func accountKeys(t *testing.T) (keys []string) {
	t.Helper()
	for _, service := range install.Services() {
		keys = append(keys, service+"-uri")
	}
	return append(keys, "operator-management-uri", install.TokenKey)
}

func TestChartNamesMissingAccounts(t *testing.T) {
	for _, key := range accountKeys(t) {
		args := []string{"template", "leat", chartFolder, "--set", "rabbitmq.enabled=false"}
		for _, other := range accountKeys(t) {
			if other != key {
				args = append(args, "--set", "rabbitmq.accounts."+other+"=x")
			}
		}
		if _, err := runHelm(t, args...); err == nil || !strings.Contains(err.Error(), "rabbitmq.accounts: "+key+" is missing") {
			t.Errorf("without %s: %v", key, err)
		}
	}
}
