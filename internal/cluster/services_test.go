package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authentication "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/cluster"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/topology"
)

const shop = `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: shop}
spec:
  http: {reply: %v}
  nodes:
    - {id: in, image: acme/in, function: receive, first: true, data: {greeting: hello}}
    - {id: "out:1", image: acme/out, function: send}
  connections: [{from: in, to: "out:1"}]
`

// ask sends a request and returns status and body.
func ask(t testing.TB, method, url string, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// answers waits until an address answers like this.
func (w *world) answers(method, url string, status int, text string, header ...string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%s answers %d %s", url, status, text), 20*time.Second, func() (bool, any) {
		code, body := ask(w.t, method, url, header...)
		return code == status && strings.Contains(body, text), fmt.Sprint(code, " ", body)
	})
}

func TestTheRouterTakesRequestsWhileTheFlowIsThere(t *testing.T) {
	w := newWorld(t)
	r := w.start(w.options("router"), cluster.RunRouter)
	w.answers("GET", r.health+"/readyz", 200, "OK")
	w.answers("GET", r.http+"/flow/shop", 404, "unknown flow")
	f := w.apply(fmt.Sprintf(shop, false))
	w.answers("GET", r.http+"/flow/shop", 503, "being prepared")
	w.prepare(f)
	w.answers("GET", r.http+"/flow/shop", 503, "doesn't have its queues yet")
	w.declareReady(f)
	w.answers("GET", r.http+"/flow/shop", 200, "OK")
	w.answers("GET", r.http+"/flow/shop."+w.namespace, 200, "OK")
	w.answers("GET", r.health+"/metrics", 200, `leat_router_requests_total{code="200",flow="shop"`)
	if n, _, err := w.conn.Pending(topology.StepQueue("shop", "in")); err != nil || n != 2 {
		t.Errorf("%d messages wait (%v), want 2", n, err)
	}
	f.Spec.Suspended = true
	if err := w.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	w.answers("GET", r.http+"/flow/shop", 409, "suspended")
	if err := w.Delete(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	w.answers("GET", r.http+"/flow/shop", 409, "being deleted")
	f.Finalizers = nil
	if err := w.Patch(t.Context(), f, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
		t.Fatal(err)
	}
	w.answers("GET", r.http+"/flow/shop", 404, "unknown flow")
	r.stop()
	if code, _ := ask(t, "GET", r.http+"/flow/shop"); code != 0 {
		t.Errorf("a router that was stopped answers %d", code)
	}
}

// A reply finds the router whose client waits for it, whichever of several that is.
func TestRepliesFindTheirRouter(t *testing.T) {
	w := newWorld(t)
	routers := []*service{w.start(w.options("router"), cluster.RunRouter), w.start(w.options("router"), cluster.RunRouter)}
	f := w.apply(fmt.Sprintf(shop, true))
	secrets := w.prepare(f)
	w.declareReady(f)
	cipher, err := message.NewCipher(secrets.CryptoPassword, secrets.CryptoIV)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := w.conn.Consume(topology.StepQueue("shop", "in"), 10)
	if err != nil {
		t.Fatal(err)
	}
	publisher, err := w.conn.Publisher()
	if err != nil {
		t.Fatal(err)
	}
	go func() { // a step that says where it was asked from; ends with the connection
		for d, ok := consumer.Next(); ok; d, ok = consumer.Next() {
			key := d.Headers.Text(message.HeaderReplyTo)
			body := cipher.Encrypt(fmt.Appendf(nil, `{"statusCode":201,"body":%q,"headers":{}}`, key))
			if err := publisher.Publish(context.Background(), amqp.Publishing{Exchange: "shop", Key: key, Headers: message.Headers{}, Body: body}); err != nil {
				t.Error(err)
			}
			consumer.Ack(d)
		}
	}()
	for _, r := range routers {
		w.answers("GET", r.http+"/flow/shop", 201, "reply.")
	}
}

func TestTheAPIKnowsStepsByTheirKeysAndPeopleByTheirTokens(t *testing.T) {
	w := newWorld(t)
	database := filepath.Join(t.TempDir(), "leat.db")
	run := func(ctx context.Context, o cluster.Options) error {
		return cluster.RunAPI(ctx, o, cluster.APIOptions{Database: database, Token: "own"})
	}
	var apis []*service // one collects, both answer
	for i := range 2 {
		o := w.options("api")
		o.Identity = fmt.Sprint("api", i)
		apis = append(apis, w.start(o, run))
	}
	f := w.apply(fmt.Sprintf(shop, false))
	secrets := w.prepare(f)
	user := topology.StepUser(w.namespace, "shop", "in")
	for _, a := range apis {
		r := a.http + "/v1/tasks/shop/steps/in"
		w.eventually("the step's configuration", 20*time.Second, func() (bool, any) {
			request, _ := http.NewRequestWithContext(t.Context(), "GET", r, nil)
			request.SetBasicAuth(user, secrets.Steps["in"].APIKey)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return false, err.Error()
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			return response.StatusCode == 200 && strings.Contains(string(body), `"config":{"greeting":"hello"}`), string(body)
		})
		w.answers("GET", r, 401, "credentials")
		w.answers("GET", a.http+"/api/errors?namespace="+w.namespace, 401, "bearer token", "Authorization", "Bearer "+secrets.Steps["in"].APIKey)
	}
	w.declareReady(f)

	// What fails is collected by one of the two, and shown by both.
	publisher, err := w.conn.Publisher()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"shop.in.deadletter", "shop.in.nowhere"} {
		err = publisher.Publish(t.Context(), amqp.Publishing{Exchange: "shop", Key: key, Headers: message.Headers{"messageId": key}, Body: []byte("{}")})
		if err != nil {
			t.Fatal(err)
		}
	}
	reader, writer := w.account("reader", "get"), w.account("writer", "get", "update")
	for _, a := range apis {
		list := a.http + "/api/errors?namespace=" + w.namespace
		w.answers("GET", list, 200, "given up", api.TokenHeader, reader)
		w.answers("GET", list, 200, "no queue takes", "Authorization", "Bearer "+reader)
		w.answers("GET", a.http+"/api/errors", 403, "in all namespaces", api.TokenHeader, reader)
		w.answers("GET", a.http+"/api/errors", 200, "given up", api.TokenHeader, "own")
		w.answers("POST", a.http+"/api/errors/replay?flow=shop&namespace="+w.namespace, 403, "may not update flows.elastic.io", api.TokenHeader, reader)
	}
	id := w.errorID(apis[0].http, "own", "given up")
	w.answers("POST", fmt.Sprintf("%s/api/errors/%d/replay?namespace=%s", apis[1].http, id, w.namespace), 200, `"changed":1`, api.TokenHeader, writer)
	if n, _, err := w.conn.Pending(topology.StepQueue("shop", "in")); err != nil || n != 1 {
		t.Errorf("%d messages wait (%v), want the replayed one", n, err)
	}

	// When the one that collects stops, the other one goes on.
	leader, other := apis[0], apis[1]
	if w.holder("leat-collector") == "api1" {
		leader, other = other, leader
	}
	leader.stop()
	err = publisher.Publish(t.Context(), amqp.Publishing{Exchange: "shop", Key: "shop.in.deadletter", Headers: message.Headers{"messageId": "late"}, Body: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	w.answers("GET", other.http+"/api/errors?namespace="+w.namespace, 200, `"late"`, api.TokenHeader, reader)
}

// account makes a service account that may do this with flows in the world's namespace, and returns a token of it for Leat's API.
func (w *world) account(name string, verbs ...string) string {
	w.t.Helper()
	place := metav1.ObjectMeta{Name: name, Namespace: w.namespace}
	w.create(&corev1.ServiceAccount{ObjectMeta: place})
	c, err := kubernetes.NewForConfig(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	role := &rbac.Role{ObjectMeta: place, Rules: []rbac.PolicyRule{{APIGroups: []string{"elastic.io"}, Resources: []string{"flows"}, Verbs: verbs}}}
	if _, err := c.RbacV1().Roles(w.namespace).Create(w.t.Context(), role, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	binding := &rbac.RoleBinding{ObjectMeta: place, RoleRef: rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "Role", Name: name},
		Subjects: []rbac.Subject{{Kind: "ServiceAccount", Name: name, Namespace: w.namespace}}}
	if _, err := c.RbacV1().RoleBindings(w.namespace).Create(w.t.Context(), binding, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	request := &authentication.TokenRequest{Spec: authentication.TokenRequestSpec{Audiences: []string{api.Audience}}}
	request, err = c.CoreV1().ServiceAccounts(w.namespace).CreateToken(w.t.Context(), name, request, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return request.Status.Token
}

// errorID is the id of the error with this reason.
func (w *world) errorID(address, token, reason string) int64 {
	w.t.Helper()
	_, body := ask(w.t, "GET", address+"/api/errors", api.TokenHeader, token)
	var answer struct {
		Errors []struct {
			ID     int64
			Reason string
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		w.t.Fatal(err)
	}
	for _, e := range answer.Errors {
		if strings.Contains(e.Reason, reason) {
			return e.ID
		}
	}
	w.t.Fatalf("no error %q in %s", reason, body)
	return 0
}
