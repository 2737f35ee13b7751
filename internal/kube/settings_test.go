package kube_test

import (
	"strings"
	"testing"

	"github.com/openintegrationhub/leat/internal/kube"
)

func getenv(pairs ...string) func(string) string {
	all := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return all[name] }
}

// builtin stands for Leat's list of components.
func builtin(image string) string {
	if strings.HasPrefix(image, "elasticio/mapper") {
		return "mapper"
	}
	return ""
}

func TestSettingsHaveDefaults(t *testing.T) {
	s, err := kube.ReadSettings(getenv("RABBITMQ_URI", "amqp://operator:secret@rabbitmq.platform:5672"), builtin)
	if err != nil {
		t.Fatal(err)
	}
	if s.Management != "http://operator:secret@rabbitmq.platform:15672" {
		t.Errorf("management address %q", s.Management)
	}
	if got := s.StepsBroker.String(); got != "amqp://rabbitmq.platform:5672" {
		t.Errorf("steps reach the broker at %q, which must be without an account", got)
	}
	if s.APIURI != "http://api-service.platform:3000" || len(s.Namespaces) > 0 || s.Pods.Image == "" || s.Pods.Restricted {
		t.Errorf("settings %+v", s)
	}
}

func TestAllMistakesInSettingsAreToldAndNoPassword(t *testing.T) {
	_, err := kube.ReadSettings(getenv(
		"RABBITMQ_URI", "http://operator:secret@rabbitmq", "API_URI", "api", "DEFAULT_CPU_LIMIT", "1e999999999", "DEFAULT_MEMORY_REQUEST", "much",
		"COMPONENTS_PULL_POLICY", "Sometimes", "IMAGE_MAP", "acme/crm", "POD_SECURITY", "none",
	), builtin)
	if err == nil {
		t.Fatal("no mistake was found")
	}
	for _, name := range []string{"RABBITMQ_URI", "API_URI", "DEFAULT_CPU_LIMIT", "DEFAULT_MEMORY_REQUEST", "COMPONENTS_PULL_POLICY", "IMAGE_MAP", "POD_SECURITY"} {
		if !strings.Contains(err.Error(), name+":") {
			t.Errorf("%s isn't told in: %v", name, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error shows the password: %v", err)
	}
	if _, err := kube.ReadSettings(getenv("RABBITMQ_URI", "amqp://operator:se%cret@rabbitmq"), builtin); err == nil || !strings.HasPrefix(err.Error(), "RABBITMQ_URI:") {
		t.Errorf("with a password that isn't escaped: %v", err)
	}
	if _, err := kube.ReadSettings(getenv(), builtin); err == nil || !strings.Contains(err.Error(), "RABBITMQ_URI") {
		t.Errorf("without RABBITMQ_URI: %v", err)
	}
}

func TestTheImageMapWinsOverWhatLeatStandsInFor(t *testing.T) {
	s, err := kube.ReadSettings(getenv("RABBITMQ_URI", "amqp://a:b@c", "IMAGE_MAP",
		"elasticio/mapper:old=,acme/crm=mirror/crm:2\nacme/pinned:1=mirror/pinned:1, acme/shape=component:mapper"), builtin)
	if err != nil {
		t.Fatal(err)
	}
	p := s.Platform()
	for image, want := range map[string]struct{ builtin, runs string }{
		"elasticio/mapper:new":             {"mapper", "elasticio/mapper:new"},
		"elasticio/mapper:old":             {"", "elasticio/mapper:old"},
		"acme/crm":                         {"", "mirror/crm:2"},
		"acme/crm:7":                       {"", "mirror/crm:2"},
		"acme/crm@sha256:0000":             {"", "mirror/crm:2"},
		"acme/pinned:1":                    {"", "mirror/pinned:1"},
		"acme/pinned:2":                    {"", "acme/pinned:2"},
		"acme/shape:1":                     {"mapper", "acme/shape:1"},
		"registry.example.com:5000/acme/x": {"", "registry.example.com:5000/acme/x"},
	} {
		if got := p.Builtin(image); got != want.builtin {
			t.Errorf("component for %s is %q, want %q", image, got, want.builtin)
		}
		if got := p.Replace(image); got != want.runs {
			t.Errorf("%s runs as %q, want %q", image, got, want.runs)
		}
	}
}
