package install_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/install"
	"github.com/openintegrationhub/leat/internal/rabbitmq"
	broker "github.com/openintegrationhub/leat/test/rabbitmq"
)

var (
	amqp = url.URL{Scheme: "amqp", Host: "rabbitmq.platform:5672"}
	web  = url.URL{Scheme: "http", Host: "rabbitmq.platform:15672"}
)

func secret(t *testing.T) map[string][]byte {
	t.Helper()
	data, err := install.Secret(amqp, web)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEveryServiceHasAPasswordOfItsOwn(t *testing.T) {
	one, other := secret(t), secret(t)
	seen := map[string]bool{}
	for _, data := range []map[string][]byte{one, other} {
		for _, service := range install.Services() {
			u, err := url.Parse(string(data[service+"-uri"]))
			if err != nil {
				t.Fatal(err)
			}
			password, _ := u.User.Password()
			if u.User.Username() != service || u.Host != amqp.Host || len(password) < 20 || seen[password] {
				t.Errorf("%s-uri: account %s with a password of %d characters at %s, seen before: %v",
					service, u.User.Username(), len(password), u.Host, seen[password])
			}
			seen[password] = true
		}
		if management := string(data["operator-management-uri"]); !strings.HasPrefix(management, "http://operator:") {
			t.Errorf("operator-management-uri is %q", management)
		}
		if token := string(data[install.TokenKey]); len(token) < 20 || seen[token] {
			t.Errorf("the API's token has %d characters", len(token))
		}
	}
	var keys []string
	for key := range one {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	want := []string{"api-token", "api-uri", "definitions.json", "operator-management-uri", "operator-uri", "router-uri", "scheduler-uri"}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("keys of the secret (-want +got):\n%s", diff)
	}
}

// RabbitMQ takes the definitions, and then knows the accounts.
func TestRabbitMQLoadsTheDefinitions(t *testing.T) {
	data := secret(t)
	node := broker.Start(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, node.Management+"/api/definitions", strings.NewReader(string(data[install.DefinitionsKey])))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode >= 300 {
		t.Fatalf("import definitions: %s", response.Status)
	}
	client, err := rabbitmq.New(rabbitmq.Options{URL: node.Management})
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range install.Services() {
		user, err := client.User(t.Context(), service)
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(string(data[service+"-uri"]))
		password, _ := u.User.Password()
		if !user.Matches(password) {
			t.Errorf("account %s has another password", service)
		}
		if may := slices.Contains(user.Tags, "administrator"); may != (service == "operator") {
			t.Errorf("account %s may manage the broker: %v", service, may)
		}
	}
}

// apiServer answers as Kubernetes does.
func apiServer(t *testing.T, code int, answer string, got *http.Request, body *map[string]any) install.Cluster {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*got = *r.Clone(context.Background())
		if err := json.NewDecoder(r.Body).Decode(body); err != nil {
			t.Error(err)
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(server.Close)
	return install.Cluster{URL: server.URL, Token: "t0ken", Client: server.Client()}
}

func TestASecretIsCreated(t *testing.T) {
	var request http.Request
	var body map[string]any
	c := apiServer(t, http.StatusCreated, "{}", &request, &body)
	if err := c.CreateSecret(t.Context(), "platform", install.SecretName, map[string][]byte{"k": []byte("value")}); err != nil {
		t.Fatal(err)
	}
	if got := request.Method + " " + request.URL.Path; got != "POST /api/v1/namespaces/platform/secrets" {
		t.Errorf("request was %s", got)
	}
	if got := request.Header.Get("Authorization"); got != "Bearer t0ken" {
		t.Errorf("authorization was %q", got)
	}
	want := map[string]any{"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": map[string]any{"k": "dmFsdWU="}, "metadata": map[string]any{
		"name": install.SecretName, "namespace": "platform", "labels": map[string]any{"app.kubernetes.io/part-of": "leat"},
	}}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("secret (-want +got):\n%s", diff)
	}
}

func TestASecretThatExistsIsLeftAlone(t *testing.T) {
	var request http.Request
	var body map[string]any
	c := apiServer(t, http.StatusConflict, `{"message": "secrets \"x\" already exists"}`, &request, &body)
	if err := c.CreateSecret(t.Context(), "platform", "x", nil); !errors.Is(err, install.ErrExists) {
		t.Errorf("error is %v, want ErrExists", err)
	}
}

func TestARefusalTellsWhy(t *testing.T) {
	for name, test := range map[string]struct{ answer, want string }{
		"with a reason": {`{"message": "secrets is forbidden"}`, `create secret "x": secrets is forbidden`},
		"without":       {`oops`, `create secret "x": 403 Forbidden`},
	} {
		t.Run(name, func(t *testing.T) {
			var request http.Request
			var body map[string]any
			c := apiServer(t, http.StatusForbidden, test.answer, &request, &body)
			err := c.CreateSecret(t.Context(), "platform", "x", nil)
			if err == nil || err.Error() != test.want {
				t.Errorf("error is %v, want %s", err, test.want)
			}
		})
	}
}
