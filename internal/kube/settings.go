package kube

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/openintegrationhub/leat/internal/plan"
)

// Settings are the platform's settings, as environment variables of a service's Deployment give them:
//
//	RABBITMQ_URI             AMQP address of the broker with the service's own account. Required.
//	RABBITMQ_MANAGEMENT_URI  its management API, with an account. Default: the host and account of RABBITMQ_URI, port 15672.
//	STEPS_RABBITMQ_URI       the broker as steps reach it, without an account. Default: as in RABBITMQ_URI.
//	API_URI                  the platform API as steps reach it. Default: http://api-service.platform:3000
//	NAMESPACES               whose flows count, with commas between them. Default: all.
//	COMPONENTS_IMAGE         image of Leat's own components. Default: openintegrationhub/components:latest
//	COMPONENTS_PULL_POLICY   when it's pulled: Always, IfNotPresent or Never. Default: IfNotPresent.
//	IMAGE_MAP                what runs in place of an image: IMAGE=OTHER, with commas or new lines between. IMAGE is with or without tag.
//	                         OTHER is an image, component:NAME for one of Leat's own components, or nothing for the image itself.
//	                         Default: Leat's own components in place of the images that they stand in for, whatever their tag.
//	IMAGE_PULL_SECRETS       Secrets with accounts for image registries, for flows and nodes that name none, with commas between. Default: none.
//	DEFAULT_CPU_LIMIT, DEFAULT_CPU_REQUEST, DEFAULT_MEMORY_LIMIT, DEFAULT_MEMORY_REQUEST
//	                         of a step for which neither node nor flow says it, such as 500m and 128Mi. Default: none.
//	LEAT_OUTBOX              where mails of email steps without a mail server go: - is the step's log. Default: such a step doesn't start.
//	POD_SECURITY             the Pod Security Standard that steps of foreign images keep: restricted, or baseline for those that have to
//	                         run as root. Leat's own components keep restricted always. Default: baseline.
type Settings struct {
	RabbitMQ    string  // AMQP URI with an account
	Management  string  // URI of the management API with an account
	StepsBroker url.URL // without account and virtual host
	APIURI      string  // without a slash at its end
	Namespaces  []string
	Images      map[string]string // IMAGE_MAP
	Pods        plan.Pods
	Variables   map[string]string // of every step; its own and those of its node win
	// Builtin names the component of Leat that stands in for an image; "" for none.
	Builtin func(image string) string
}

// ReadSettings reads the settings. Builtin names the component of Leat that stands in for an image, "" for none. The error tells all mistakes.
func ReadSettings(getenv func(string) string, builtin func(image string) string) (Settings, error) {
	r := reader{getenv: getenv}
	s := Settings{
		RabbitMQ:   r.uri("RABBITMQ_URI", "", "amqp", "amqps"),
		APIURI:     strings.TrimRight(r.uri("API_URI", "http://api-service.platform:3000", "http", "https"), "/"),
		Namespaces: r.list("NAMESPACES"),
		Images:     r.images(),
		Builtin:    builtin,
		Pods: plan.Pods{
			Image:            cmp.Or(getenv("COMPONENTS_IMAGE"), "openintegrationhub/components:latest"),
			ImagePullPolicy:  r.choice("COMPONENTS_PULL_POLICY", "IfNotPresent", "Always", "Never"),
			ImagePullSecrets: r.list("IMAGE_PULL_SECRETS"),
			Restricted:       r.choice("POD_SECURITY", "baseline", "restricted") == "restricted",
			Revision:         revision,
		},
	}
	if outbox := getenv("LEAT_OUTBOX"); outbox != "" {
		s.Variables = map[string]string{"LEAT_OUTBOX": outbox}
	}
	s.Pods.Resources.Limits.CPU = r.quantity("DEFAULT_CPU_LIMIT")
	s.Pods.Resources.Limits.Memory = r.quantity("DEFAULT_MEMORY_LIMIT")
	s.Pods.Resources.Requests.CPU = r.quantity("DEFAULT_CPU_REQUEST")
	s.Pods.Resources.Requests.Memory = r.quantity("DEFAULT_MEMORY_REQUEST")
	if s.RabbitMQ == "" {
		return s, errors.Join(append(r.mistakes, errors.New("RABBITMQ_URI: missing; give the broker's address, such as amqp://user:password@rabbitmq.platform:5672"))...)
	}
	broker, err := url.Parse(s.RabbitMQ)
	if err != nil {
		return s, errors.Join(r.mistakes...) // which tell it
	}
	management := url.URL{Scheme: "http", User: broker.User, Host: net.JoinHostPort(broker.Hostname(), "15672")}
	s.Management = r.uri("RABBITMQ_MANAGEMENT_URI", management.String(), "http", "https")
	if steps, err := url.Parse(r.uri("STEPS_RABBITMQ_URI", s.RabbitMQ, "amqp", "amqps")); err == nil {
		s.StepsBroker = url.URL{Scheme: steps.Scheme, Host: steps.Host, RawQuery: steps.RawQuery}
	}
	return s, errors.Join(r.mistakes...)
}

// Platform is what the planner needs to know.
func (s Settings) Platform() plan.Platform {
	pods := s.Pods
	return plan.Platform{
		Builtin: func(image string) string {
			other, found := s.find(image)
			if !found {
				return s.Builtin(image)
			}
			name, _ := strings.CutPrefix(other, component)
			if name == other {
				return ""
			}
			return name
		},
		Replace: func(image string) string {
			if other, _ := s.find(image); other != "" && !strings.HasPrefix(other, component) {
				return other
			}
			return image
		},
		APIURI:    s.APIURI,
		Broker:    s.StepsBroker,
		Variables: s.Variables,
		Pods:      &pods,
	}
}

const component = "component:" // before the name of one of Leat's own in IMAGE_MAP

// find looks an image up in the map: as it's written, or without tag and digest.
func (s Settings) find(image string) (other string, found bool) {
	if other, found = s.Images[image]; found {
		return other, true
	}
	repository, _, _ := strings.Cut(image, "@")
	if i := strings.LastIndexByte(repository, ':'); i > strings.LastIndexByte(repository, '/') {
		repository = repository[:i]
	}
	other, found = s.Images[repository]
	return other, found
}

// reader reads settings and collects the mistakes.
type reader struct {
	getenv   func(string) string
	mistakes []error
}

func (r *reader) report(name, format string, args ...any) {
	r.mistakes = append(r.mistakes, fmt.Errorf("%s: %w", name, fmt.Errorf(format, args...)))
}

func (r *reader) uri(name, otherwise string, schemes ...string) string {
	text := cmp.Or(r.getenv(name), otherwise)
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil { // which would show the password
		r.report(name, "not an address: special characters of a password are written as %%25 for %% and so on")
	} else if u.Host == "" || !slices.Contains(schemes, u.Scheme) {
		r.report(name, "want an address such as %s://HOST:PORT", schemes[0])
	}
	return text
}

func (r *reader) list(name string) []string {
	return strings.FieldsFunc(r.getenv(name), func(c rune) bool { return c == ',' || c <= ' ' })
}

// choice reads one of a few words; the first is the default.
func (r *reader) choice(name string, words ...string) string {
	word := cmp.Or(r.getenv(name), words[0])
	if !slices.Contains(words, word) {
		r.report(name, "want one of %s, found %q", strings.Join(words, ", "), word)
	}
	return word
}

func (r *reader) images() map[string]string {
	all := map[string]string{}
	for _, item := range r.list("IMAGE_MAP") {
		image, other, ok := strings.Cut(item, "=")
		if !ok || image == "" || other == component {
			r.report("IMAGE_MAP", "want IMAGE=OTHER, found %q", item)
			continue
		}
		all[image] = other
	}
	return all
}

// quantityRule bounds what ParseQuantity has to work on: an exponent of a billion keeps it busy for ever.
var quantityRule = regexp.MustCompile(`^[0-9]{1,18}(\.[0-9]{1,9})?([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?$`)

func (r *reader) quantity(name string) *resource.Quantity {
	text := r.getenv(name)
	if text == "" {
		return nil
	}
	if !quantityRule.MatchString(text) {
		r.report(name, "want a quantity such as 500m or 128Mi, found %q", text)
		return nil
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		r.report(name, "want a quantity such as 500m or 128Mi, found %q", text)
		return nil
	}
	return &q
}
