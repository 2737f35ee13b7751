package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/program"
)

// kubernetes is a cluster as the user's kubeconfig says it's to be reached. Parts of the platform are reached through the proxy of its API server,
// so they need no address outside.
type kubernetes struct {
	server    server
	client    *http.Client
	base      string // of the API server
	namespace string
	where     string // for errors: the context
}

// connect reads the kubeconfig. It sends nothing.
func (s server) connect() (*kubernetes, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = s.Kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: s.Context}
	overrides.Context.Namespace = s.Namespace
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, program.Wrong(fmt.Errorf("read kubeconfig: %w", err))
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, program.Wrong(fmt.Errorf("read kubeconfig: %w", err))
	}
	config.UserAgent = "leat"
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, program.Wrong(fmt.Errorf("read kubeconfig: %w", err))
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, program.Wrong(fmt.Errorf("read kubeconfig: %w", err))
	}
	return &kubernetes{server: s, client: client, base: strings.TrimRight(base.String(), "/"), namespace: namespace, where: base.Host}, nil
}

// do sends a request to the API server.
func (k *kubernetes) do(ctx context.Context, method, path string, header http.Header, body []byte) (answered, error) {
	request, err := http.NewRequestWithContext(ctx, method, k.base+path, bytes.NewReader(body))
	if err != nil {
		return answered{}, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := send(k.client, request)
	if err != nil {
		return answered{}, fmt.Errorf("reach cluster %s: %w", k.where, err)
	}
	return response, nil
}

// callPart is server.call for a cluster.
func (k *kubernetes) callPart(ctx context.Context, to part, method, path string, body []byte, v any) error {
	header := http.Header{}
	if to.people {
		token, err := k.token(ctx)
		if err != nil {
			return err
		}
		header.Set(api.TokenHeader, token) // Authorization is the API server's own
	}
	prefix := fmt.Sprintf("/api/v1/namespaces/%s/services/%s:%d/proxy", k.server.Platform, to.service, to.port)
	response, err := k.do(ctx, method, prefix+path, header, body)
	if err != nil {
		return err
	}
	status, fromCluster := readStatus(response.body)
	switch {
	case !fromCluster:
	case response.status == http.StatusNotFound:
		return fmt.Errorf("no service %s in namespace %s of cluster %s: is Leat installed there? --platform names another namespace", to.service, k.server.Platform, k.where)
	case response.status == http.StatusForbidden:
		return fmt.Errorf("%s: to reach the service %s takes the right to create services/proxy in namespace %s", status, to.service, k.server.Platform)
	case response.status == http.StatusServiceUnavailable:
		return fmt.Errorf("service %s in namespace %s does not answer: %s", to.service, k.server.Platform, status)
	}
	return response.decode(v)
}

// cliAccount is the service account in whose name people use the platform's API.
const cliAccount = "leat-cli"

// token returns what the platform's API knows the user by. It's made for that API alone, so the user's own token, which may open the whole cluster,
// never leaves for a service.
func (k *kubernetes) token(ctx context.Context) (string, error) {
	if k.server.Token != "" {
		return k.server.Token, nil
	}
	const minutes = 10 // the least that Kubernetes makes
	body, err := json.Marshal(map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
		"spec": map[string]any{"audiences": []string{api.Audience}, "expirationSeconds": minutes * 60},
	})
	if err != nil {
		return "", err
	}
	path := fmt.Sprintf("/api/v1/namespaces/%s/serviceaccounts/%s/token", k.server.Platform, cliAccount)
	response, err := k.do(ctx, http.MethodPost, path, nil, body)
	if err != nil {
		return "", err
	}
	status, _ := readStatus(response.body)
	switch response.status {
	case http.StatusNotFound:
		return "", fmt.Errorf("no service account %s in namespace %s of cluster %s: is Leat installed there? --platform names another namespace", cliAccount, k.server.Platform, k.where)
	case http.StatusForbidden:
		return "", fmt.Errorf("%s: to use the platform's API takes the right to create serviceaccounts/token of %s, or a token of its own with --token", status, cliAccount)
	case http.StatusUnauthorized:
		return "", fmt.Errorf("the cluster %s does not know you: %s", k.where, status)
	}
	var answer struct{ Status struct{ Token string } }
	if err := response.decode(&answer); err != nil {
		return "", fmt.Errorf("make token: %w", err)
	}
	if answer.Status.Token == "" {
		return "", errors.New("make token: the cluster gave none")
	}
	return answer.Status.Token, nil
}

// readStatus returns the message of an answer of the API server itself.
func readStatus(body []byte) (message string, ok bool) {
	var status struct{ Kind, APIVersion, Message string }
	if json.Unmarshal(body, &status) != nil || status.Kind != "Status" || status.APIVersion != "v1" {
		return "", false
	}
	return status.Message, true
}
