// Package install makes what a platform needs before its first start and no descriptor file may hold: the passwords of its services' broker
// accounts, and the token of its API. They go into one Secret, which each service sees only its own keys of, because its pod mounts no more.
//
// It creates, and leaves alone what is there: it has no right to read or change a Secret. It leaves to others: the broker, which loads the
// accounts at each start from the key DefinitionsKey, and the operator, which gives them their rights in each virtual host.
package install

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/openintegrationhub/leat/internal/rabbitmq"
)

// SecretName is the Secret with the accounts.
const SecretName = "platform-accounts"

// Keys of the Secret besides those of the services: SERVICE-uri for each of Services, operator-management-uri, and these.
const (
	DefinitionsKey = "definitions.json" // what RabbitMQ loads at each start
	TokenKey       = "api-token"        // of people and programs that use the platform's API
)

// Services returns the services that have a broker account. The operator's may manage the broker; the others' can do nothing until the operator
// says what.
func Services() []string { return []string{"operator", "scheduler", "router", "api"} }

// Secret returns the data of a new Secret, with random passwords, for a broker and its management API at these addresses.
func Secret(broker, management url.URL) (map[string][]byte, error) {
	data := map[string][]byte{TokenKey: []byte(rand.Text())}
	type user struct {
		Name         string `json:"name"`
		PasswordHash string `json:"password_hash"`
		Hashing      string `json:"hashing_algorithm"`
		Tags         string `json:"tags"`
	}
	var definitions struct {
		Users       []user              `json:"users"`
		VHosts      []map[string]string `json:"vhosts"`
		Permissions []map[string]string `json:"permissions"`
	}
	definitions.VHosts = []map[string]string{{"name": "/"}}
	definitions.Permissions = []map[string]string{}
	for _, service := range Services() {
		password := rand.Text()
		u := user{Name: service, PasswordHash: rabbitmq.HashPassword(password), Hashing: "rabbit_password_hashing_sha256"}
		broker.User, management.User = url.UserPassword(service, password), url.UserPassword(service, password)
		data[service+"-uri"] = []byte(broker.String())
		if service == "operator" {
			u.Tags = "administrator"
			data[service+"-management-uri"] = []byte(management.String())
		}
		definitions.Users = append(definitions.Users, u)
	}
	text, err := json.Marshal(definitions)
	if err != nil {
		return nil, fmt.Errorf("encode definitions: %w", err)
	}
	data[DefinitionsKey] = text
	return data, nil
}

// Cluster is a Kubernetes API server, as a pod sees it.
type Cluster struct {
	URL    string // without a slash at the end
	Token  string
	Client *http.Client
}

// ErrExists says that the Secret is there already. It's left as it is.
var ErrExists = errors.New("exists already")

// answerBytesMax bounds what is read of the API server's answer.
const answerBytesMax = 1 << 20

// CreateSecret creates a Secret, and nothing else: it returns ErrExists if there is one.
func (c Cluster) CreateSecret(ctx context.Context, namespace, name string, data map[string][]byte) error {
	body, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": data,
		"metadata": map[string]any{"name": name, "namespace": namespace, "labels": map[string]string{"app.kubernetes.io/part-of": "leat"}},
	})
	if err != nil {
		return fmt.Errorf("encode secret: %w", err)
	}
	address := c.URL + "/api/v1/namespaces/" + url.PathEscape(namespace) + "/secrets"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("create secret %q: %w", name, err)
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.Client.Do(request)
	if err != nil {
		return fmt.Errorf("create secret %q: %w", name, err)
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusCreated:
		return nil
	case http.StatusConflict:
		return fmt.Errorf("create secret %q: %w", name, ErrExists)
	}
	var status struct{ Message string }
	if json.NewDecoder(io.LimitReader(response.Body, answerBytesMax)).Decode(&status) != nil || status.Message == "" {
		status.Message = response.Status
	}
	return fmt.Errorf("create secret %q: %s", name, status.Message)
}
