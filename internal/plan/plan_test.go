package plan_test

import (
	"flag"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/topology"
)

var update = flag.Bool("update", false, "write the golden files")

const threeSteps = `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: shop, namespace: flows}
spec:
  nodes:
    - {id: in, image: elasticio/webhook, function: receive, first: true}
    - {id: shape, image: acme/shape, function: shape, data: {depth: 1}}
    - {id: out, image: acme/out, function: send, replicas: 2}
  connections: [{from: in, to: shape}, {from: shape, to: out}]
`

// change returns threeSteps with something replaced.
func change(t *testing.T, pairs ...string) *flow.Flow {
	t.Helper()
	text := threeSteps
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the flow has no %q", pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return parse(t, "flow.yaml", text)
}

func parse(t *testing.T, name, text string) *flow.Flow {
	t.Helper()
	flows, err := flow.Parse(name, []byte(text))
	if err != nil || len(flows) != 1 {
		t.Fatalf("parse flow: %d flows, %v", len(flows), err)
	}
	return flows[0]
}

func secrets(f *flow.Flow) plan.Secrets {
	s := plan.Secrets{CryptoPassword: "crypto-password", CryptoIV: "0123456789abcdef", Steps: map[string]plan.StepSecrets{}}
	for _, n := range f.Nodes {
		s.Steps[n.ID] = plan.StepSecrets{BrokerPassword: "broker-" + n.ID, APIKey: "api-" + n.ID}
	}
	return s
}

var platform = plan.Platform{
	Builtin: func(image string) string {
		name, builtin := strings.CutPrefix(image, "elasticio/")
		if !builtin {
			return ""
		}
		return name
	},
	APIURI:        "http://api.example.com",
	Broker:        url.URL{Scheme: "amqp", Host: "broker.example.com:5672"},
	Variables:     map[string]string{"LEAT_OUTBOX": "outbox"},
	DeliveryLimit: 20,
}

// running is what is seen when all of f runs.
func running(f *flow.Flow) plan.Seen {
	p := plan.For(f, plan.Seen{}, secrets(f), platform)
	seen := plan.Seen{Steps: map[string]string{}, Topology: p.Declare}
	for _, s := range p.Start {
		seen.Steps[s.ID] = s.Hash
	}
	return seen
}

// deed is what a plan does, by ids and names.
type deed struct{ Start, Stop, Unbind, Drain, Queues, Bindings []string }

func deedOf(p plan.Plan) deed {
	d := deed{Stop: p.Stop, Drain: p.Drain}
	for _, s := range p.Start {
		d.Start = append(d.Start, fmt.Sprintf("%s x %d", s.ID, s.Replicas))
	}
	for _, q := range p.Remove.Queues {
		d.Queues = append(d.Queues, q.Name)
	}
	for _, b := range p.Unbind {
		d.Unbind = append(d.Unbind, b.Key+" -> "+b.Queue+b.Exchange)
	}
	for _, b := range p.Remove.Bindings {
		d.Bindings = append(d.Bindings, b.Key+" -> "+b.Queue+b.Exchange)
	}
	return d
}

func TestWhatHasToBeDoneFollowsFromWhatIsSeen(t *testing.T) {
	for name, test := range map[string]struct {
		before []string // replacements in the flow that runs; nil if nothing does
		after  []string
		want   deed
	}{
		"nothing is there": {
			after: []string{}, want: deed{Start: []string{"in x 1", "shape x 1", "out x 2"}},
		},
		"all runs as it should": {before: []string{}, after: []string{}},
		"changed data restarts that step": {
			before: []string{}, after: []string{"depth: 1", "depth: 2"},
			want: deed{Start: []string{"shape x 1"}, Stop: []string{"shape"}},
		},
		"a changed image restarts that step": {
			before: []string{}, after: []string{"acme/out", "acme/out:2"},
			want: deed{Start: []string{"out x 2"}, Stop: []string{"out"}},
		},
		"a changed variable restarts that step": {
			before: []string{}, after: []string{"function: shape", "function: shape, env: {A: b}"},
			want: deed{Start: []string{"shape x 1"}, Stop: []string{"shape"}},
		},
		"more replicas restart nothing": {before: []string{}, after: []string{"replicas: 2", "replicas: 5"}},
		"no replicas stop the step, and its queue stays": {
			before: []string{}, after: []string{"replicas: 2", "replicas: 0"}, want: deed{Stop: []string{"out"}},
		},
		"from no replicas to some": {
			before: []string{"replicas: 2", "replicas: 0"}, after: []string{}, want: deed{Start: []string{"out x 2"}},
		},
		"a suspended flow stops and keeps its queues": {
			before: []string{}, after: []string{"spec:", "spec:\n  suspended: true"}, want: deed{Stop: []string{"in", "out", "shape"}},
		},
		"a resumed flow starts": {
			before: []string{"spec:", "spec:\n  suspended: true"}, after: []string{}, want: deed{Start: []string{"in x 1", "shape x 1", "out x 2"}},
		},
		"a removed node is drained: it gets nothing new, and what it sends still arrives": {
			before: []string{},
			after:  []string{"    - {id: shape, image: acme/shape, function: shape, data: {depth: 1}}\n", "", "{from: in, to: shape}, {from: shape, to: out}", "{from: in, to: out}"},
			want: deed{
				Unbind: []string{"shop.in.message -> shop:shape:messages", "shop.shape.input -> shop:shape:messages"},
				Drain:  []string{"shape"},
				Queues: []string{"shop:shape:messages"},
				Bindings: []string{
					"shop.shape.rebound -> shop:shape:messages",
					"shop.shape.deadletter -> shop:deadletters", "shop.shape.error -> shop:errors", "shop.shape.message -> shop:out:messages",
					"shop.shape.rebound -> shop:rebounds:15000", "shop.shape.requeue -> shop:shape:messages", "shop.shape.snapshot -> shop:snapshots", "shop.shape.state -> shop:end",
				},
			},
		},
		"a removed node's rounds stay until it has stopped": {
			before: []string{"function: shape,", "function: shape, env: {ELASTICIO_REBOUND_INITIAL_EXPIRATION: '7', ELASTICIO_REBOUND_LIMIT: '1'},"},
			after:  []string{"    - {id: shape, image: acme/shape, function: shape, data: {depth: 1}}\n", "", "{from: in, to: shape}, {from: shape, to: out}", "{from: in, to: out}"},
			want: deed{
				Unbind: []string{"shop.in.message -> shop:shape:messages", "shop.shape.input -> shop:shape:messages"},
				Drain:  []string{"shape"},
				Queues: []string{"shop:shape:messages", "shop:rebounds:7"},
				Bindings: []string{
					"1 -> shop:rebounds:7", "shop.shape.rebound -> shop:shape:messages",
					"shop.shape.deadletter -> shop:deadletters", "shop.shape.error -> shop:errors", "shop.shape.message -> shop:out:messages",
					"shop.shape.rebound -> shop:rebounds:7", "shop.shape.requeue -> shop:shape:messages", "shop.shape.snapshot -> shop:snapshots", "shop.shape.state -> shop:end",
				},
			},
		},
		"another connection restarts nothing": {before: []string{}, after: []string{"{from: shape, to: out}", "{from: shape, to: out}, {from: in, to: out}"}},
		"a connection less restarts nothing": {
			before: []string{"{from: shape, to: out}", "{from: shape, to: out}, {from: in, to: out}"}, after: []string{},
			want: deed{Unbind: []string{"shop.in.message -> shop:out:messages"}},
		},
		"a step that becomes the last restarts, since it needn't send any more": {
			before: []string{}, after: []string{"{from: shape, to: out}", "{from: in, to: out}"},
			want: deed{Start: []string{"shape x 1"}, Stop: []string{"shape"}, Unbind: []string{"shop.shape.message -> shop:out:messages"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var seen plan.Seen
			if test.before != nil {
				seen = running(change(t, test.before...))
			}
			f := change(t, test.after...)
			if diff := cmp.Diff(test.want, deedOf(plan.For(f, seen, secrets(f), platform))); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRemovedStepsAreDrainedUpstreamFirst(t *testing.T) {
	chain := `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: chain}
spec:
  nodes:
    - {id: in, image: acme/a, function: f, first: true}
    - {id: c, image: acme/a, function: f}
    - {id: a, image: acme/a, function: f}
    - {id: b, image: acme/a, function: f}
  connections: [{from: in, to: c}, {from: c, to: a}, {from: a, to: b}, {from: c, to: b}]
`
	short := parse(t, "flow.yaml", "apiVersion: elastic.io/v1\nkind: Flow\nmetadata: {name: chain}\nspec: {nodes: [{id: in, image: acme/a, function: f, first: true}]}")
	p := plan.For(short, running(parse(t, "flow.yaml", chain)), secrets(short), platform)
	if diff := cmp.Diff([]string{"c", "a", "b"}, p.Drain); diff != "" {
		t.Errorf("drained (-want +got):\n%s", diff)
	}
}

func TestADeletedFlowLeavesNothing(t *testing.T) {
	seen := running(change(t))
	p := plan.Gone(seen)
	if diff := cmp.Diff([]string{"in", "out", "shape"}, p.Stop); diff != "" {
		t.Errorf("stopped (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(seen.Topology, p.Remove); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
}

func TestChangedSecretsRestartAllSteps(t *testing.T) {
	f := change(t)
	other := secrets(f)
	other.CryptoPassword = "another"
	p := plan.For(f, running(f), other, platform)
	if len(p.Start) != 3 || len(p.Stop) != 3 {
		t.Errorf("%d steps start and %d stop, want 3 and 3", len(p.Start), len(p.Stop))
	}
}

// Each file of testdata has the whole plan for one of the examples.
func TestPlanOfExample(t *testing.T) {
	for _, name := range []string{"flow", "flow2", "wh-flow"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("../../example", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			f := parse(t, name+".json", string(text))
			got := print(plan.For(f, plan.Seen{}, secrets(f), platform))
			golden := filepath.Join("testdata", name+".txtar")
			if *update {
				archive := txtar.Archive{Comment: []byte("The plan for example/" + name + ".json.\n"), Files: []txtar.File{{Name: "plan", Data: []byte(got)}}}
				if err := os.WriteFile(golden, txtar.Format(&archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			archive, err := txtar.ParseFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(archive.Files[0].Data), got); diff != "" {
				t.Errorf("plan (-want +got), written by -update:\n%s", diff)
			}
		})
	}
}

// print writes a plan without its topology, which has tests of its own.
func print(p plan.Plan) string {
	var b strings.Builder
	e := p.Entry
	schedule := ""
	if e.Polling {
		schedule = e.Schedule.String()
	}
	fmt.Fprintf(&b, "entry %s/%s step=%s vhost=%s exchange=%s input=%s polling=%v schedule=%q tick=%s ticks=%s http=%v reply=%v suspended=%v user=%s crypto=%s iv=%s\n",
		e.Namespace, e.Flow, e.Step, e.VHost, e.Exchange, e.InputKey, e.Polling, schedule, e.TickKey, e.TickQueue, e.HTTP, e.HTTPReply, e.Suspended,
		e.UserID, e.CryptoPassword, e.CryptoIV)
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "\nstep %s image=%s builtin=%s function=%s replicas=%d\n  config %s\n  api %s %s comp=%s\n",
			s.ID, s.Image, s.Builtin, s.Function, s.Replicas, s.Config, s.APIUser, s.APIKey, s.Comp)
		for _, v := range s.Variables {
			secret := ""
			if v.Secret {
				secret = "  (secret)"
			}
			fmt.Fprintf(&b, "  %s=%s%s\n", v.Name, v.Value, secret)
		}
	}
	b.WriteString("\n")
	for _, a := range p.Accounts {
		fmt.Fprintf(&b, "account %s %s\n", a.User, a.Password)
	}
	d := deedOf(p)
	fmt.Fprintf(&b, "start %v stop %v drain %v\ndeclare %d exchanges, %d queues, %d bindings\n", d.Start, d.Stop, d.Drain,
		len(p.Declare.Exchanges), len(p.Declare.Queues), len(p.Declare.Bindings))
	return b.String()
}

func TestAccountsHaveTheStepsPasswords(t *testing.T) {
	f := change(t)
	p := plan.For(f, plan.Seen{}, secrets(f), platform)
	got := map[string]string{}
	for _, a := range p.Accounts {
		got[a.User] = a.Password
	}
	want := map[string]string{}
	for _, n := range f.Nodes {
		want[topology.StepUser("flows", "shop", n.ID)] = "broker-" + n.ID
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("accounts (-want +got):\n%s\n%v", diff, slices.Sorted(maps.Keys(got)))
	}
}
