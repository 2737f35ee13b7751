package router_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openintegrationhub/leat/internal/plan"
	"github.com/openintegrationhub/leat/internal/router"
)

func TestRequestsAreCountedByFlowAndCode(t *testing.T) {
	reg := prometheus.NewRegistry()
	rt := newRouter(t, new(broker), func(o *router.Options) { o.Registerer = reg })
	serve(rt, request("GET", "/flow/wh-flow", "", ""))
	serve(rt, request("GET", "/flow/wh-flow.flows", "", ""))
	serve(rt, request("GET", "/flow/asleep", "", ""))
	serve(rt, request("GET", "/flow/nobody", "", ""))
	want := map[string]float64{"wh-flow 200": 2, "asleep 409": 1, " 404": 1}
	if diff := cmp.Diff(want, requests(t, reg)); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}

	rt.Update([]plan.Entry{entry("asleep")})
	if diff := cmp.Diff([]string{" 404", "asleep 409"}, slices.Sorted(maps.Keys(requests(t, reg)))); diff != "" {
		t.Errorf("series after wh-flow has gone (-want +got):\n%s", diff)
	}
}

// requests returns the counters above zero by "flow code".
func requests(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	return counters(t, reg, "leat_router_requests_total", "flow", "code")
}

// counters returns the counters of a name that are above zero, by the values of some labels.
func counters(t *testing.T, reg *prometheus.Registry, name string, by ...string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var values []string
			for _, label := range by {
				for _, l := range m.GetLabel() {
					if l.GetName() == label {
						values = append(values, l.GetValue())
					}
				}
			}
			if n := m.GetCounter().GetValue(); n > 0 {
				got[strings.Join(values, " ")] += n
			}
		}
	}
	return got
}
