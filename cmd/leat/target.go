package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"github.com/openintegrationhub/leat/internal/program"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// server is where leat runs: on this machine, or in a cluster.
type server struct {
	URL        string `env:"LEAT_URL" placeholder:"URL" help:"Where leat run listens (default http://localhost:8080)."`
	Cluster    bool   `help:"The platform of a cluster instead: that of the current context of the kubeconfig."`
	Kubeconfig string `placeholder:"FILE" help:"The same with this kubeconfig. Without any of these flags the cluster is meant where KUBECONFIG is set and there's no leat-data folder."`
	Context    string `placeholder:"NAME" help:"The same with this context of the kubeconfig."`
	Namespace  string `short:"n" placeholder:"NAME" help:"Namespace of the flows in the cluster. By default that of the context."`
	Platform   string `default:"platform" env:"LEAT_PLATFORM" placeholder:"NAME" help:"Namespace where the platform is installed (default ${default})."`
	Token      string `env:"LEAT_TOKEN" placeholder:"TEXT" help:"Bearer token for the platform's API. By default a short-lived one is made, of its service account leat-cli."`
}

const urlDefault = "http://localhost:8080"

// inCluster tells which of the two is meant. What is said on the command line counts first.
func (s server) inCluster() (bool, error) {
	chosen := s.Cluster || s.Kubeconfig != "" || s.Context != "" || s.Namespace != ""
	switch {
	case chosen && s.URL != "" && s.URL != os.Getenv("LEAT_URL"):
		return false, program.Wrong(fmt.Errorf("--url is for leat run, the other flags are for a cluster: give one or the other"))
	case chosen:
		return true, nil
	case s.URL != "" || os.Getenv("KUBECONFIG") == "":
		return false, nil
	}
	_, err := os.Stat(dataDefault)
	return err != nil, nil
}

// part is a part of the platform that answers over HTTP. On one machine all are at one address.
type part struct {
	service string // in the cluster
	port    int
	people  bool // asks who somebody is
}

var (
	apiPart    = part{service: "api-service", port: 3000, people: true}
	routerPart = part{service: "communication-router-service", port: 1234}
)

const callTimeout = 40 * time.Second // a reply of a flow may take 30 s

// call sends a request to a part and decodes the JSON answer into v, if it isn't nil. In a cluster, path and query may have to name a namespace:
// see scope.
func (s server) call(ctx context.Context, to part, method, path string, body []byte, v any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	remote, err := s.inCluster()
	if err != nil {
		return err
	}
	if remote {
		c, err := s.connect()
		if err != nil {
			return err
		}
		return c.callPart(ctx, to, method, path, body, v)
	}
	address := s.URL
	if address == "" {
		address = urlDefault
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(address, "/")+path, bytes.NewReader(body))
	if err != nil {
		return program.Wrong(err)
	}
	if s.Token != "" {
		request.Header.Set("Authorization", "Bearer "+s.Token)
	}
	response, err := send(http.DefaultClient, request)
	if err != nil {
		return fmt.Errorf("%w; does leat run, and listen there?", err)
	}
	return response.decode(v)
}

// answered is what came back.
type answered struct {
	status int
	line   string // such as 404 Not Found
	body   []byte
}

func send(client *http.Client, request *http.Request) (answered, error) {
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return answered{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, answerBytes))
	if err != nil {
		return answered{}, fmt.Errorf("read answer: %w", err)
	}
	return answered{status: response.StatusCode, line: response.Status, body: text}, nil
}

// decode returns an error that the answer is, or decodes it into v.
func (a answered) decode(v any) error {
	if a.status >= 400 {
		return fmt.Errorf("%s: %s", a.line, errorText(a.body))
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}

// scope returns the namespace that is meant: "" on one machine, where flows are known by their names.
func (s server) scope() (string, error) {
	remote, err := s.inCluster()
	if err != nil || !remote {
		return "", err
	}
	c, err := s.connect()
	if err != nil {
		return "", err
	}
	return c.namespace, nil
}

// scoped adds the namespace to a query.
func (s server) scoped(query url.Values) (url.Values, error) {
	namespace, err := s.scope()
	if err == nil && namespace != "" {
		query.Set("namespace", namespace)
	}
	return query, err
}
