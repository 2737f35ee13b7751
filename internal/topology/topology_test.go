package topology_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/topology"
)

var update = flag.Bool("update", false, "write the golden files")

// Each file of testdata has a flow and the topology that it gets.
func TestTopologyOf(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("files of testdata: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f := parse(t, string(archive.Files[0].Data))
			got := print(topology.For(f, topology.Options{DeliveryLimit: 20}), f)
			if *update {
				archive.Files = append(archive.Files[:1], txtar.File{Name: "topology", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(archive.Files) != 2 {
				t.Fatalf("%s has %d files, want a flow and its topology; go test -update writes it", file, len(archive.Files))
			}
			if diff := cmp.Diff(string(archive.Files[1].Data), got); diff != "" {
				t.Errorf("topology (-want +got):\n%s", diff)
			}
		})
	}
}

// print writes everything that a topology says, a thing a line.
func print(t topology.Topology, f *flow.Flow) string {
	var b bytes.Buffer
	for _, e := range t.Exchanges {
		fmt.Fprintf(&b, "exchange %s %s alternate=%s\n", e.Name, e.Kind, e.Alternate)
	}
	for _, q := range t.Queues {
		fmt.Fprintf(&b, "queue %s dead=%s max=%d deliveries=%d ttl=%v\n", q.Name, strings.TrimSpace(q.DeadLetterExchange+" "+q.DeadLetterKey), q.MessagesMax, q.DeliveryLimit, q.TTL)
	}
	for _, x := range t.Bindings {
		fmt.Fprintf(&b, "binding %s -[%s]-> queue=%s exchange=%s %v\n", x.Source, x.Key, x.Queue, x.Exchange, x.Arguments())
	}
	for _, n := range f.Nodes {
		a := topology.StepAccount(f, n)
		fmt.Fprintf(&b, "account %s in %s\n  configure %s\n  write %s\n  read %s\n  keys of %s %s\n", a.User, a.VHost, a.Configure, a.Write, a.Read, a.TopicExchange, a.TopicWrite)
	}
	return b.String()
}

func parse(t *testing.T, text string) *flow.Flow {
	t.Helper()
	flows, err := flow.Parse("flow.yaml", []byte(text))
	if err != nil || len(flows) != 1 {
		t.Fatalf("parse flow: %d flows, %v", len(flows), err)
	}
	return flows[0]
}

const diamond = `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: diamond, namespace: flows}
spec:
  nodes:
    - {id: "a:1", image: acme/a, function: f, first: true}
    - {id: "a", image: acme/b, function: f}
    - {id: "a_1", image: acme/c, function: f}
    - {id: "A", image: acme/d, function: f}
  connections: [{from: "a:1", to: a}, {from: "a:1", to: a_1}, {from: a, to: A}, {from: a_1, to: A}]
`

// Contract.md rule 8: what a component publishes must not vanish.
func TestEveryKeyThatAStepMayPublishHasAQueueOrAnEnd(t *testing.T) {
	f := parse(t, diamond)
	all := topology.For(f, topology.Options{})
	for _, n := range f.Nodes {
		for _, kind := range []string{"message", "error", "rebound", "snapshot", "state"} {
			key := topology.Key(f.Name, n.ID, kind)
			if allowed := regexp.MustCompile(topology.StepAccount(f, n).TopicWrite); !allowed.MatchString(key) {
				t.Errorf("%s may not publish %s", n.ID, key)
			}
			bound := false
			for _, b := range all.Bindings {
				bound = bound || b.Source == f.Name && b.Key == key
			}
			if !bound {
				t.Errorf("nothing is bound to %s", key)
			}
		}
	}
}

func TestAccountsMayDoNothingToOtherSteps(t *testing.T) {
	f := parse(t, diamond)
	all := topology.For(f, topology.Options{})
	for _, n := range f.Nodes {
		a := topology.StepAccount(f, n)
		for _, other := range f.Nodes {
			if other == n {
				continue
			}
			for _, q := range all.Queues {
				if q.Name != topology.StepQueue(f.Name, n.ID) && regexp.MustCompile(a.Read).MatchString(q.Name) {
					t.Errorf("%s may read %s", a.User, q.Name)
				}
			}
			for _, kind := range []string{"message", "error", "snapshot", "rebound", "tick", "requeue", "deadletter", "state"} {
				if key := topology.Key(f.Name, other.ID, kind); regexp.MustCompile(a.TopicWrite).MatchString(key) {
					t.Errorf("%s may publish %s", a.User, key)
				}
			}
		}
		for _, name := range []string{"diamond2", "xdiamond", "diamond:end", ""} {
			if regexp.MustCompile(a.Write).MatchString(name) {
				t.Errorf("%s may write to exchange %q", a.User, name)
			}
		}
		if regexp.MustCompile(a.Configure).MatchString("diamond") {
			t.Errorf("%s may declare and delete", a.User)
		}
	}
}

// Steps may differ in their first delay; each round of each has a queue in which all messages wait equally long.
func TestEachDelayHasAQueueOfItsOwn(t *testing.T) {
	f := parse(t, `
apiVersion: elastic.io/v1
kind: Flow
metadata: {name: f, namespace: flows}
spec:
  nodes:
    - {id: a, image: x, function: f, first: true, env: {ELASTICIO_REBOUND_INITIAL_EXPIRATION: "1000", ELASTICIO_REBOUND_LIMIT: "3"}}
    - {id: b, image: x, function: f, env: {ELASTICIO_REBOUND_INITIAL_EXPIRATION: "2000", ELASTICIO_REBOUND_LIMIT: "2"}}
    - {id: c, image: x, function: f, env: {ELASTICIO_REBOUND_INITIAL_EXPIRATION: "1000", ELASTICIO_REBOUND_LIMIT: "1"}}
  connections: [{from: a, to: b}, {from: b, to: c}]
`)
	all := topology.For(f, topology.Options{})
	got := map[string]string{}
	for _, b := range all.Bindings {
		if b.Arguments() != nil {
			got[fmt.Sprint(b.Source, " ", b.Arguments()["reboundIteration"])] = b.Queue
		}
	}
	want := map[string]string{
		"f:rebounds:1000 1": "f:rebounds:1000", "f:rebounds:1000 2": "f:rebounds:2000", "f:rebounds:1000 3": "f:rebounds:4000",
		"f:rebounds:2000 1": "f:rebounds:2000", "f:rebounds:2000 2": "f:rebounds:4000",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rounds (-want +got):\n%s", diff)
	}
	waits := map[string]time.Duration{}
	for _, q := range all.Queues {
		delay, ok := topology.ReboundDelay(f.Name, q.Name)
		if ok != (q.TTL > 0) || delay != q.TTL {
			t.Errorf("queue %s: delay %v, %v, and messages stay %v", q.Name, delay, ok, q.TTL)
		}
		if ok {
			waits[q.Name] = delay
		}
	}
	if diff := cmp.Diff(map[string]time.Duration{"f:rebounds": 10 * time.Minute, "f:rebounds:1000": time.Second, "f:rebounds:2000": 2 * time.Second, "f:rebounds:4000": 4 * time.Second}, waits); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
}

func TestRoundsAreBounded(t *testing.T) {
	for limit, want := range map[string]int{"": 10, "0": 10, "x": 10, "20": 20, "1000": 25} { // 2^24 rounds of 15 s are eight years
		f := parse(t, strings.Replace(diamond, "function: f, first: true}", "function: f, first: true, env: {ELASTICIO_REBOUND_LIMIT: '"+limit+"'}}", 1))
		rounds := 0
		for _, b := range topology.For(f, topology.Options{}).Bindings {
			if b.Arguments() != nil {
				rounds++
			}
		}
		if rounds != want {
			t.Errorf("limit %q: %d rounds, want %d", limit, rounds, want)
		}
	}
}

func TestStepUsersAreNeverTheSame(t *testing.T) {
	users := map[string]string{}
	for _, step := range []struct{ namespace, flow, id string }{
		{"a", "b", "c"}, {"a", "b", "c:d"}, {"a", "b", "c-d"}, {"a", "b", "c_d"}, {"a", "b-c", "d"}, {"a-b", "c", "d"}, {"a", "b", "c::d"},
	} {
		user := topology.StepUser(step.namespace, step.flow, step.id)
		if strings.ContainsAny(user, ":@/%") {
			t.Errorf("user %q of %v has a character that means something in a URI", user, step)
		}
		if before, taken := users[user]; taken {
			t.Errorf("%v and %s both have the user %q", step, before, user)
		}
		users[user] = fmt.Sprint(step)
	}
}

func TestMinusKeepsWhatIsNotInTheOther(t *testing.T) {
	small := topology.For(parse(t, strings.Replace(diamond, `, {from: a_1, to: A}`, ``, 1)), topology.Options{})
	large := topology.For(parse(t, diamond), topology.Options{})
	if diff := cmp.Diff(topology.Topology{}, large.Minus(large)); diff != "" {
		t.Errorf("a topology minus itself (-want +got):\n%s", diff)
	}
	want := topology.Topology{Bindings: []topology.Binding{{Source: "diamond", Key: "diamond.a_1.message", Queue: "diamond:A:messages"}}}
	if diff := cmp.Diff(want, large.Minus(small)); diff != "" {
		t.Errorf("the removed connection (-want +got):\n%s", diff)
	}
	// The last step's binding to the end is what the smaller one has besides.
	want = topology.Topology{Bindings: []topology.Binding{{Source: "diamond", Key: "diamond.a_1.message", Exchange: "diamond:end", Description: "last step"}}}
	if diff := cmp.Diff(want, small.Minus(large)); diff != "" {
		t.Errorf("what is no longer the end (-want +got):\n%s", diff)
	}
}
