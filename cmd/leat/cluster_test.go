package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	corev1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	rbac "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/cluster"
	"github.com/openintegrationhub/leat/internal/kubetest"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/store"
)

// TestClusterScripts runs the stories of testdata/cluster: the command line against a real API server, through which it reaches the platform's services.
// Behind those are the real guard and the real list of errors; the router just says what it was asked.
func TestClusterScripts(t *testing.T) {
	config := kubetest.Config(t)
	k, err := clientset.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{t: t, config: config, client: k}
	p.install()
	folder := t.TempDir()
	p.write(filepath.Join(folder, "admin"), &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData})
	p.write(filepath.Join(folder, "nobody"), &clientcmdapi.AuthInfo{Token: p.token("nobody")})
	p.write(filepath.Join(folder, "wrong"), &clientcmdapi.AuthInfo{Token: "wrong"})
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/cluster",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("CONFIGS", folder)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// platform is Leat as the command line sees it in a cluster.
type platform struct {
	t      *testing.T
	config *rest.Config
	client *clientset.Clientset
}

func (p *platform) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *platform) install() {
	p.t.Helper()
	for _, name := range []string{"platform", "flows", "other"} {
		_, err := p.client.CoreV1().Namespaces().Create(p.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		p.must(err)
	}
	p.account("leat-cli", "flows", "get", "update")
	p.account("nobody", "other", "get")
	for _, flow := range []string{
		`{"apiVersion":"elastic.io/v1","kind":"Flow","metadata":{"name":"shop"},"spec":{"nodes":[{"id":"in","image":"elasticio/webhook","function":"receive","first":true}]}}`,
		`{"apiVersion":"elastic.io/v1","kind":"Flow","metadata":{"name":"clock"},"spec":{"nodes":[{"id":"in","image":"elasticio/timer","function":"timer","first":true,"isPolling":true}]}}`,
	} {
		p.must(p.client.RESTClient().Post().AbsPath("/apis", v1.APIVersion, "namespaces", "flows", "flows").Body([]byte(flow)).Do(p.t.Context()).Error())
	}
	s, err := store.New(store.Options{Database: filepath.Join(p.t.TempDir(), "leat.db"), Logger: slog.New(slog.DiscardHandler)})
	p.must(err)
	p.t.Cleanup(func() { s.Close() })
	for i, namespace := range []string{"flows", "flows", "other"} {
		_, err := s.Record(p.t.Context(), store.Failure{Source: store.DeadLetter, Namespace: namespace, Flow: "shop", Step: "in", Message: fmt.Sprint("m-", i),
			Time: time.Now(), Reason: fmt.Sprint("boom ", i), Headers: message.Headers{}, Input: []byte(`{"body":{}}`)})
		p.must(err)
	}
	failures := api.NewErrorAPI(s, nowhere{}, slog.New(slog.DiscardHandler))
	failures.Update([]plan.Entry{{Namespace: "flows", Flow: "shop", VHost: "flows", Exchange: "shop"}})
	people, err := cluster.NewPeople(p.config)
	p.must(err)
	p.service("api-service", 3000, people.Guard(failures, slog.New(slog.DiscardHandler)))
	p.service("communication-router-service", 1234, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/flow/missing") {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":"unknown flow"}`)
			return
		}
		fmt.Fprintf(w, `{"asked":%q}`, r.Method+" "+r.URL.Path)
	}))
}

// nowhere takes messages.
type nowhere struct{}

func (nowhere) Publish(context.Context, string, amqp.Publishing) error { return nil }

// service makes a Service of an HTTP server on this machine. The API server doesn't connect to loopback addresses.
func (p *platform) service(name string, port int32, h http.Handler) {
	p.t.Helper()
	listener, err := net.Listen("tcp", ownAddress(p.t)+":0")
	p.must(err)
	server := httptest.NewUnstartedServer(h)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	p.t.Cleanup(server.Close)
	address := listener.Addr().(*net.TCPAddr)
	own := int32(address.Port)
	// The proxy goes only where a pod is.
	pod, err := p.client.CoreV1().Pods("platform").Create(p.t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}, metav1.CreateOptions{})
	p.must(err)
	pod.Status.PodIP, pod.Status.PodIPs = address.IP.String(), []corev1.PodIP{{IP: address.IP.String()}}
	_, err = p.client.CoreV1().Pods("platform").UpdateStatus(p.t.Context(), pod, metav1.UpdateOptions{})
	p.must(err)
	target := &corev1.ObjectReference{Kind: "Pod", Name: name, Namespace: "platform"}
	meta := metav1.ObjectMeta{Name: name, Namespace: "platform", Labels: map[string]string{discovery.LabelServiceName: name}}
	_, err = p.client.CoreV1().Services("platform").Create(p.t.Context(), &corev1.Service{ObjectMeta: meta,
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: port}}}}, metav1.CreateOptions{})
	p.must(err)
	_, err = p.client.DiscoveryV1().EndpointSlices("platform").Create(p.t.Context(), &discovery.EndpointSlice{ObjectMeta: meta, AddressType: discovery.AddressTypeIPv4,
		Endpoints: []discovery.Endpoint{{Addresses: []string{address.IP.String()}, TargetRef: target}}, Ports: []discovery.EndpointPort{{Name: new("http"), Port: &own}}}, metav1.CreateOptions{})
	p.must(err)
	//lint:ignore SA1019 API servers before 1.33 ask for Endpoints
	subset := corev1.EndpointSubset{Addresses: []corev1.EndpointAddress{{IP: address.IP.String(), TargetRef: target}}, Ports: []corev1.EndpointPort{{Name: "http", Port: own}}}
	//lint:ignore SA1019 API servers before 1.33 ask for Endpoints
	endpoints := &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "platform"}, Subsets: []corev1.EndpointSubset{subset}}
	_, err = p.client.CoreV1().Endpoints("platform").Create(p.t.Context(), endpoints, metav1.CreateOptions{})
	p.must(err)
}

func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Fatal(errors.New("this machine has no address but loopback"))
	return ""
}

// account makes a service account of the platform that may do this with flows in a namespace.
func (p *platform) account(name, namespace string, verbs ...string) {
	p.t.Helper()
	_, err := p.client.CoreV1().ServiceAccounts("platform").Create(p.t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	p.must(err)
	_, err = p.client.RbacV1().Roles(namespace).Create(p.t.Context(), &rbac.Role{ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules: []rbac.PolicyRule{{APIGroups: []string{v1.Group}, Resources: []string{"flows"}, Verbs: verbs}}}, metav1.CreateOptions{})
	p.must(err)
	_, err = p.client.RbacV1().RoleBindings(namespace).Create(p.t.Context(), &rbac.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:  rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "Role", Name: name},
		Subjects: []rbac.Subject{{Kind: "ServiceAccount", Name: name, Namespace: "platform"}}}, metav1.CreateOptions{})
	p.must(err)
}

func (p *platform) token(account string) string {
	p.t.Helper()
	text, err := p.client.RESTClient().Post().AbsPath("/api/v1/namespaces/platform/serviceaccounts", account, "token").
		Body([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}`)).Do(p.t.Context()).Raw()
	p.must(err)
	_, rest, _ := strings.Cut(string(text), `"token":"`)
	token, _, _ := strings.Cut(rest, `"`)
	return token
}

// write writes a kubeconfig whose namespace is "flows".
func (p *platform) write(path string, user *clientcmdapi.AuthInfo) {
	p.t.Helper()
	kubetest.Kubeconfig(p.t, path, p.config, "flows", user)
}
