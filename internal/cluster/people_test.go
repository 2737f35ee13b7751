package cluster_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/cluster"
)

// village has anna, who may read the flows of one namespace, bert, who may also change them, and the mayor, who may everything everywhere.
func village(asked *int) *cluster.People {
	return cluster.FakePeople(
		func(_ context.Context, token string) (cluster.Person, error) {
			*asked++
			switch token {
			case "anna", "bert", "mayor":
				return cluster.Person{Name: token}, nil
			case "trouble":
				return cluster.Person{}, errors.New("the cluster is away")
			}
			return cluster.Person{}, cluster.ErrUnknown
		},
		func(_ context.Context, p cluster.Person, verb, namespace string) (bool, error) {
			*asked++
			switch p.Name {
			case "mayor":
				return true, nil
			case "bert":
				return namespace == "flows", nil
			}
			return namespace == "flows" && verb == "get", nil
		})
}

func TestPeopleMayWhatTheyMayDoWithFlows(t *testing.T) {
	asked := 0
	people := village(&asked)
	people.Token = "the platform's own"
	reached := ""
	guard := people.Guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached = r.URL.Path }), slog.New(slog.DiscardHandler))
	for name, test := range map[string]struct {
		method, path, token string
		status              int
		text                string
	}{
		"nobody":                               {"GET", "/api/errors?namespace=flows", "", 401, "bearer token"},
		"a stranger":                           {"GET", "/api/errors?namespace=flows", "eve", 401, "bearer token"},
		"too long a token":                     {"GET", "/api/errors?namespace=flows", strings.Repeat("x", 20000), 401, "bearer token"},
		"while the cluster is away":            {"GET", "/api/errors?namespace=flows", "trouble", 503, "try again"},
		"a reader reads":                       {"GET", "/api/errors?namespace=flows", "anna", 200, ""},
		"a reader replays":                     {"POST", "/api/errors/1/replay?namespace=flows", "anna", 403, "anna may not update flows.elastic.io in namespace flows"},
		"a reader reads elsewhere":             {"GET", "/api/errors?namespace=other", "anna", 403, "in namespace other"},
		"a reader reads everything":            {"GET", "/api/errors", "anna", 403, "in all namespaces: name one"},
		"a reader names two":                   {"GET", "/api/errors?namespace=other&namespace=flows", "anna", 403, "in namespace other"},
		"a writer replays":                     {"POST", "/api/errors/1/replay?namespace=flows", "bert", 200, ""},
		"a writer replays everywhere":          {"POST", "/api/errors/replay?flow=f", "bert", 403, "in all namespaces"},
		"who may everything":                   {"POST", "/api/errors/replay?flow=f", "mayor", 200, ""},
		"the platform's own token":             {"POST", "/api/errors/replay?flow=f", "the platform's own", 200, ""},
		"a part of the platform's own token":   {"GET", "/api/errors", "the platform", 401, ""},
		"any other method is one that changes": {"DELETE", "/api/errors?namespace=flows", "anna", 403, "update"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, header := range []string{"Authorization", api.TokenHeader} {
				reached = ""
				r := httptest.NewRequest(test.method, test.path, nil)
				if header == "Authorization" {
					r.Header.Set(header, "Bearer "+test.token)
				} else {
					r.Header.Set(header, test.token)
				}
				w := httptest.NewRecorder()
				guard.ServeHTTP(w, r)
				if w.Code != test.status || !strings.Contains(w.Body.String(), test.text) || (reached != "") != (test.status == 200) {
					t.Errorf("%s: %d %s, let in to %q; want %d with %q", header, w.Code, w.Body, reached, test.status, test.text)
				}
			}
		})
	}
}

func TestTheClusterIsNotAskedAboutTheSameAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		guard := village(&asked).Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), slog.New(slog.DiscardHandler))
		get := func() {
			r := httptest.NewRequest("GET", "/api/errors?namespace=flows", nil)
			r.Header.Set("Authorization", "Bearer anna")
			guard.ServeHTTP(httptest.NewRecorder(), r)
		}
		for range 10 {
			get()
		}
		if asked != 2 {
			t.Errorf("asked %d times, want once who it is and once for the right", asked)
		}
		time.Sleep(cluster.AnswerAge)
		get()
		if asked != 4 {
			t.Errorf("asked %d times, want 4 when the answers are old", asked)
		}
	})
}
