package plan_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/plan"
)

// always are the variables of contract.md 1.3: with them the libraries of every generation start.
const always = `FLOW_ID STEP_ID FUNCTION EXEC_ID USER_ID COMP_ID CONTAINER_ID WORKSPACE_ID
	API_URI API_USERNAME API_KEY
	AMQP_URI LISTEN_MESSAGES_ON PUBLISH_MESSAGES_TO
	DATA_ROUTING_KEY ERROR_ROUTING_KEY REBOUND_ROUTING_KEY SNAPSHOT_ROUTING_KEY
	MESSAGE_CRYPTO_PASSWORD MESSAGE_CRYPTO_IV
	AMQP_PERSISTENT_MESSAGES
	BACKCHANNEL_EXCHANGE NODE_EXCHANGE OUTPUT_ROUTING_KEY STATE_ROUTING_KEY
	SNAPSHOTS_SERVICE_BASE_URL SECRET_SERVICE_BASE_URL
	OBJECT_STORAGE_URI OBJECT_STORAGE_TOKEN`

// variables returns those of each step of f.
func variables(t *testing.T, f *flow.Flow) map[string]map[string]plan.Variable {
	t.Helper()
	all := map[string]map[string]plan.Variable{}
	for _, s := range plan.For(f, plan.Seen{}, secrets(f), platform).Steps {
		all[s.ID] = map[string]plan.Variable{}
		for _, v := range s.Variables {
			if _, twice := all[s.ID][v.Name]; twice {
				t.Errorf("%s has %s twice", s.ID, v.Name)
			}
			all[s.ID][v.Name] = v
		}
	}
	return all
}

func TestEveryStepGetsWhatEveryGenerationNeeds(t *testing.T) {
	for step, all := range variables(t, change(t)) {
		for _, name := range strings.Fields(always) {
			if all["ELASTICIO_"+name].Value == "" {
				t.Errorf("%s: ELASTICIO_%s is missing or empty", step, name)
			}
		}
		for name, v := range all {
			if v.Value == "" {
				t.Errorf("%s: %s is empty", step, name)
			}
			switch strings.ToLower(v.Value) {
			case "false", "no", "off":
				t.Errorf("%s: %s=%s counts as true in components (contract.md rule 7)", step, name, v.Value)
			}
		}
		if iv := all["ELASTICIO_MESSAGE_CRYPTO_IV"].Value; len(iv) != 16 {
			t.Errorf("%s: the IV has %d bytes, want 16", step, len(iv))
		}
		if uri := all["ELASTICIO_API_URI"].Value; strings.HasSuffix(uri, "/") {
			t.Errorf("%s: ELASTICIO_API_URI %s ends in a slash", step, uri)
		}
		if user := all["ELASTICIO_API_USERNAME"].Value; strings.Contains(user, ":") {
			t.Errorf("%s: ELASTICIO_API_USERNAME %s has a colon", step, user)
		}
	}
}

func TestSecretsAreMarked(t *testing.T) {
	f := change(t, "function: shape", `function: shape, env: {
		MANDRILL_API_KEY: a, smtp_password: b, Token: c, SMTP_URL: "smtp://me:pass@host", DB: "postgres://me@host/db", COLOUR: blue, PUBLIC_URL: "https://example.com"}`)
	all := variables(t, f)["shape"]
	for _, name := range []string{
		"ELASTICIO_API_KEY", "ELASTICIO_OBJECT_STORAGE_TOKEN", "ELASTICIO_AMQP_URI", "ELASTICIO_MESSAGE_CRYPTO_PASSWORD", "ELASTICIO_MESSAGE_CRYPTO_IV",
		"MANDRILL_API_KEY", "smtp_password", "Token", "SMTP_URL",
	} {
		if v, ok := all[name]; !ok || !v.Secret {
			t.Errorf("%s isn't marked as secret", name)
		}
	}
	for _, name := range []string{"COLOUR", "PUBLIC_URL", "DB", "ELASTICIO_FLOW_ID", "ELASTICIO_DATA_ROUTING_KEY"} {
		if v, ok := all[name]; !ok || v.Secret {
			t.Errorf("%s is marked as secret, or missing", name)
		}
	}
}

func TestNodesOwnVariablesWin(t *testing.T) {
	f := change(t, "function: shape", "function: shape, env: {ELASTICIO_API_URI: 'http://mine', LEAT_OUTBOX: other, A: b}")
	all := variables(t, f)
	for name, want := range map[string]string{"ELASTICIO_API_URI": "http://mine", "LEAT_OUTBOX": "other", "A": "b"} {
		if got := all["shape"][name].Value; got != want {
			t.Errorf("%s of shape: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{"ELASTICIO_API_URI": "http://api.example.com", "LEAT_OUTBOX": "outbox", "A": ""} {
		if got := all["in"][name].Value; got != want {
			t.Errorf("%s of in: %q, want %q", name, got, want)
		}
	}
}

func TestPrefetchOfANode(t *testing.T) {
	all := variables(t, change(t, "function: shape", "function: shape, prefetch: 7"))["shape"]
	if got := all["ELASTICIO_RABBITMQ_PREFETCH_SAILOR"].Value; got != "7" {
		t.Errorf("prefetch: %s, want 7", got)
	}
}

func TestRateLimitOfANodeIsSharedByItsReplicas(t *testing.T) {
	tests := map[string]struct{ limit, interval string }{
		"":                               {"10000", "100"},
		", rateLimit: 50":                {"1", "20"},
		", rateLimit: 0.5":               {"1", "2000"},
		", rateLimit: 50, replicas: 5":   {"1", "100"},
		", rateLimit: 2000":              {"200", "100"},
		", rateLimit: 2000, replicas: 0": {"200", "100"},
	}
	for fields, want := range tests {
		all := variables(t, change(t, "function: shape", "function: shape"+fields))["shape"]
		limit, interval := all["ELASTICIO_DATA_RATE_LIMIT"].Value, all["ELASTICIO_RATE_INTERVAL"].Value
		if limit != want.limit || interval != want.interval {
			t.Errorf("%q: %s messages in %s ms, want %s in %s", fields, limit, interval, want.limit, want.interval)
		}
	}
}

// Queues are there for the rounds that the plan knows, so an image's own must not differ.
func TestRoundsOfRebounds(t *testing.T) {
	tests := map[string]struct{ initial, limit string }{
		"": {"15000", "10"},
		", env: {ELASTICIO_REBOUND_INITIAL_EXPIRATION: '500', ELASTICIO_REBOUND_LIMIT: '3'}": {"500", "3"},
	}
	for fields, want := range tests {
		all := variables(t, change(t, "function: shape", "function: shape"+fields))["shape"]
		initial, limit := all["ELASTICIO_REBOUND_INITIAL_EXPIRATION"].Value, all["ELASTICIO_REBOUND_LIMIT"].Value
		if initial != want.initial || limit != want.limit {
			t.Errorf("%q: %s ms, %s rounds, want %s and %s", fields, initial, limit, want.initial, want.limit)
		}
	}
}

// What ferryman components send has to be made over before others understand it (internal/ferry).
func TestFerrymanStepsSendByWayOfTheFerry(t *testing.T) {
	f := change(t, "function: shape", "function: shape, env: {LEAT_LIBRARY: ferryman}")
	all := variables(t, f)
	for step, want := range map[string][3]string{
		"shape": {"shop.shape.output", "shop", "10000"},
		"in":    {"shop.in.message", "", ""},
	} {
		got := [3]string{all[step]["ELASTICIO_OUTPUT_ROUTING_KEY"].Value, all[step]["ELASTICIO_SNAPSHOTS_EXCHANGE"].Value, all[step]["ELASTICIO_OUTPUT_RATE_LIMIT"].Value}
		if got != want {
			t.Errorf("%s: %v, want %v", step, got, want)
		}
	}
	entry := plan.For(f, plan.Seen{}, secrets(f), platform).Entry
	want := []plan.Ferryman{{Step: "shape", Function: "shape", Config: []byte(`{"depth":1}`), APIKey: "api-shape", Previous: []string{"in"}}}
	if diff := cmp.Diff(want, entry.Ferrymen); diff != "" {
		t.Errorf("ferrymen (-want +got):\n%s", diff)
	}
}

func TestBrokerAddressNamesTheVirtualHost(t *testing.T) {
	for namespace, want := range map[string]string{"flows": "/flows", "a-b": "/a-b"} {
		f := change(t, "namespace: flows", "namespace: "+namespace)
		uri, err := url.Parse(variables(t, f)["in"]["ELASTICIO_AMQP_URI"].Value)
		if err != nil {
			t.Fatal(err)
		}
		if uri.Path != want || uri.Host != "broker.example.com:5672" || uri.User.String() != namespace+".shop.in:broker-in" {
			t.Errorf("ELASTICIO_AMQP_URI of %s: %s", namespace, uri)
		}
	}
}
