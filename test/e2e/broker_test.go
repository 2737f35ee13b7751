package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openintegrationhub/leat/internal/install"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/rabbitmq"
	"github.com/openintegrationhub/leat/internal/topology"
)

// serviceIP is the address of a service of the platform.
func serviceIP(t *testing.T, name string) string {
	t.Helper()
	var s corev1.Service
	if err := world.client.Get(t.Context(), client.ObjectKey{Namespace: platform, Name: name}, &s); err != nil {
		t.Fatal(err)
	}
	return s.Spec.ClusterIP
}

// management is RabbitMQ's management API with the operator's account.
func management(t *testing.T) *rabbitmq.Client {
	t.Helper()
	var secret corev1.Secret
	if err := world.client.Get(t.Context(), client.ObjectKey{Namespace: platform, Name: install.SecretName}, &secret); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(string(secret.Data["operator-management-uri"]))
	if err != nil {
		t.Fatal(err)
	}
	u.Host = serviceIP(t, "rabbitmq") + ":15672"
	c, err := rabbitmq.New(rabbitmq.Options{URL: u.String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// holdings are the names of all that the broker has of a flow.
func holdings(t *testing.T, name string) (all []string) {
	t.Helper()
	c := management(t)
	exchanges, err := c.Exchanges(t.Context(), flows)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range exchanges {
		if e.Name == name || strings.HasPrefix(e.Name, name+":") {
			all = append(all, "exchange "+e.Name)
		}
	}
	queues, err := c.Queues(t.Context(), flows)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queues {
		if strings.HasPrefix(q.Name, name+":") {
			all = append(all, "queue "+q.Name)
		}
	}
	users, err := c.Users(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		if strings.HasPrefix(u.Name, flows+"."+name+".") {
			all = append(all, "account "+u.Name)
		}
	}
	return all
}

// "Platform does not remove queues and exchanges used by task after task deletion"
func TestQueuesGoWithTheFlow(t *testing.T) {
	t.Parallel()
	f := chain("queues", hook("in"), hook("out"))
	create(t, f)
	ready(t, f.Name)
	if got := holdings(t, f.Name); len(got) < 8 { // one exchange, two queues and an account a step, and what is the flow's
		t.Errorf("the broker has only %q of a flow that runs", got)
	}
	remove(t, f.Name)
	if got := holdings(t, f.Name); len(got) > 0 {
		t.Errorf("the broker still has %q of a deleted flow", got)
	}
	var secrets corev1.SecretList
	if err := world.client.List(t.Context(), &secrets, client.InNamespace(flows), client.MatchingLabels{kube.LabelFlow: f.Name}); err != nil {
		t.Fatal(err)
	}
	if n := len(secrets.Items); n > 0 {
		t.Errorf("%d secrets are left of a deleted flow", n)
	}
}

// "Platform uses rabbitmq inside deployment, and does not persist rabbitmq's durable messages at some "real" storage. So they'll be lost after
// platform restart"
func TestMessagesSurviveBrokerPod(t *testing.T) {
	out := newSink(t)
	f := chain("durable", hook("in"), to("out", out.url))
	none := int32(0)
	f.Spec.Nodes[1].Replicas = &none
	create(t, f)
	ready(t, f.Name)
	const messages = 50
	for n := range messages {
		send(t, f.Name, map[string]any{"n": n})
	}
	must(t, "kubectl delete pod rabbitmq-0 -n platform --grace-period=0 --force")
	must(t, "kubectl rollout status statefulset/rabbitmq -n platform --timeout=2m")
	must(t, "kubectl delete pod rabbitmq-0 -n platform")
	must(t, "kubectl rollout status statefulset/rabbitmq -n platform --timeout=2m")
	if got := len(out.all()); got > 0 {
		t.Fatalf("%d messages came before there was a step for them", got)
	}
	f.Spec.Nodes[1].Replicas = nil
	put(t, f)
	until(t, patience, "all messages arrive", func() (bool, string) {
		seen := map[string]bool{}
		for _, body := range out.all() {
			seen[fmt.Sprint(body["n"])] = true
		}
		return len(seen) == messages, fmt.Sprint(len(seen))
	})
}

// account returns the broker account of a step, as its pods get it.
func account(t *testing.T, flow, step string) *url.URL {
	t.Helper()
	var secret corev1.Secret
	if err := world.client.Get(t.Context(), client.ObjectKey{Namespace: flows, Name: kube.SecretName(flow)}, &secret); err != nil {
		t.Fatal(err)
	}
	for _, v := range pod(t, flow, step).Spec.Containers[0].Env {
		if v.Name != "ELASTICIO_AMQP_URI" {
			continue
		}
		u, err := url.Parse(string(secret.Data[v.ValueFrom.SecretKeyRef.Key]))
		if err != nil {
			t.Fatal(err)
		}
		u.Host = serviceIP(t, "rabbitmq") + ":5672"
		return u
	}
	t.Fatal("no ELASTICIO_AMQP_URI")
	return nil
}

// "Platform use same rabbitmq account for itself and for tasks. And requires that account has privileges to create queues and exchanges in virtual
// host."
func TestAccountPerStep(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	f, other := chain("accounts", hook("in"), relay("work", "w"), to("out", out.url)), chain("others", hook("in"))
	create(t, f)
	create(t, other)
	ready(t, f.Name)
	ready(t, other.Name)
	send(t, f.Name, map[string]any{"n": 1})
	out.waitFor(t, "n", 1)
	address := account(t, f.Name, "work")
	if in := account(t, f.Name, "in"); in.User.String() == address.User.String() {
		t.Fatalf("two steps have the account %s", address.User)
	}
	conn, err := amqp091.DialConfig(address.String(), amqp091.Config{Heartbeat: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	queue := topology.StepQueue(f.Name, "work")
	publish := func(exchange, key string) func(*amqp091.Channel) error {
		return func(c *amqp091.Channel) error {
			closed := c.NotifyClose(make(chan *amqp091.Error, 1))
			if err := c.Confirm(false); err != nil {
				return err
			}
			confirm, err := c.PublishWithDeferredConfirmWithContext(t.Context(), exchange, key, false, false, amqp091.Publishing{Body: []byte("x")})
			if err != nil {
				return err
			}
			select {
			case <-confirm.Done():
				if confirm.Acked() {
					return nil
				}
				return <-closed
			case err := <-closed:
				return err
			}
		}
	}
	get := func(queue string) func(*amqp091.Channel) error {
		return func(c *amqp091.Channel) error {
			_, _, err := c.Get(queue, false)
			return err
		}
	}
	for what, try := range map[string]func(*amqp091.Channel) error{
		"declare a queue": func(c *amqp091.Channel) error {
			_, err := c.QueueDeclare("mine", false, true, false, false, nil)
			return err
		},
		"declare an exchange": func(c *amqp091.Channel) error {
			return c.ExchangeDeclare("mine", "topic", false, true, false, false, nil)
		},
		"delete its queue": func(c *amqp091.Channel) error { _, err := c.QueueDelete(queue, false, false, false); return err },
		"purge another step's queue": func(c *amqp091.Channel) error {
			_, err := c.QueuePurge(topology.StepQueue(f.Name, "out"), false)
			return err
		},
		"bind its queue":                     func(c *amqp091.Channel) error { return c.QueueBind(queue, "#", other.Name, false, nil) },
		"read another step's queue":          get(topology.StepQueue(f.Name, "out")),
		"read the flow's errors":             get(topology.ErrorQueue(f.Name)),
		"read another flow's queue":          get(topology.StepQueue(other.Name, "in")),
		"publish into another flow":          publish(other.Name, topology.Key(other.Name, "in", topology.Input)),
		"publish as another step":            publish(f.Name, topology.Key(f.Name, "in", topology.Message)),
		"publish an error of another step":   publish(f.Name, topology.Key(f.Name, "in", topology.Error)),
		"publish past the exchange":          publish("", topology.StepQueue(other.Name, "in")),
		"publish a tick":                     publish(f.Name, topology.Key(f.Name, "in", topology.Tick)),
		"publish to the broker's own topics": publish("amq.topic", "x"),
	} {
		c, err := conn.Channel()
		if err != nil {
			t.Fatal(err)
		}
		err = try(c)
		var refused *amqp091.Error
		if !errors.As(err, &refused) || refused.Code != amqp091.AccessRefused {
			t.Errorf("a step's account may %s: %v", what, err)
		}
		c.Close()
	}
	for _, vhost := range []string{"/", "default"} {
		address := *address
		address.Path, address.RawPath = "/"+vhost, "/"+url.PathEscape(vhost)
		if conn, err := amqp091.Dial(address.String()); err == nil {
			conn.Close()
			t.Errorf("a step's account may enter the virtual host %s", vhost)
		}
	}
	password, _ := address.User.Password()
	if code := codeOf(t, "http://"+serviceIP(t, "rabbitmq")+":15672/api/queues", address.User.Username(), password); code < 400 {
		t.Errorf("a step's account may look into the management API: %d", code)
	}
	notTheAPI(t, f.Name, other.Name)
}

// notTheAPI tries what a step must not do with the platform's API and with Kubernetes.
func notTheAPI(t *testing.T, own, other string) {
	t.Helper()
	var secret corev1.Secret
	if err := world.client.Get(t.Context(), client.ObjectKey{Namespace: flows, Name: kube.SecretName(own)}, &secret); err != nil {
		t.Fatal(err)
	}
	name, key := topology.StepUser(flows, own, "work"), string(secret.Data["step.work.api-key"])
	base := "http://" + serviceIP(t, "api-service") + ":3000"
	if code := codeOf(t, base+"/v1/tasks/"+own+"/steps/work", name, key); code != http.StatusOK {
		t.Errorf("a step's own configuration: %d, want 200", code)
	}
	for _, path := range []string{"/v1/tasks/" + own + "/steps/in", "/v1/tasks/" + other + "/steps/in", "/api/errors", "/api/flows/flows/" + own + "/errors"} {
		if code := codeOf(t, base+path, name, key); code < 400 {
			t.Errorf("a step gets %s: %d", path, code)
		}
	}
	p := pod(t, own, "work")
	if auto := p.Spec.AutomountServiceAccountToken; auto == nil || *auto {
		t.Error("a step's pod has a service account's token")
	}
	script := `
const https = require('https'), fs = require('fs');
if (fs.existsSync('/var/run/secrets/kubernetes.io')) console.log('token');
https.get({host: process.argv[1], port: 16443, path: '/api/v1/namespaces/flows/secrets', rejectUnauthorized: false}, r => console.log(r.statusCode)).on('error', e => console.log(e.code));`
	got := must(t, fmt.Sprintf("kubectl exec -n flows %s -- node -e %q %s", p.Name, strings.ReplaceAll(script, "\n", " "), world.nodeIP))
	if got = strings.TrimSpace(got); got != "401" && got != "403" {
		t.Errorf("a step asks Kubernetes for secrets, and the answer is %s, want 401 or 403", got)
	}
}

// codeOf returns the status of a GET with Basic authentication.
func codeOf(t *testing.T, address, user, password string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(user, password)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}
