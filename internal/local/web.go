package local

import (
	"cmp"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/openintegrationhub/leat/internal/api"
	"github.com/openintegrationhub/leat/internal/plan"
)

// handler serves everything that speaks HTTP: requests for flows, the platform API, health and metrics.
func (w *World) handler() http.Handler {
	w.registry.MustRegister(stepCollector{&w.stats})
	mux := http.NewServeMux()
	mux.HandleFunc("/flow/", w.serveFlow)
	// A page of another site, open in the same browser, must not be able to replay, discard or overwrite.
	mux.Handle("/api/", http.NewCrossOriginProtection().Handler(w.errors))
	mux.Handle("/api/secrets/", http.NewCrossOriginProtection().Handler(api.NewSecretAPI(w.store, w.opts.Logger)))
	mux.Handle("GET /metrics", promhttp.HandlerFor(w.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, r *http.Request) {
		answer(rw, http.StatusOK, map[string]any{"status": "OK"})
	})
	mux.HandleFunc("GET /readyz", w.ready)
	return api.Mount(w.api, mux)
}

// serveFlow hands a request to the router. Until the first Apply is through no flow is known, which isn't the same as one that doesn't exist:
// the sender should come again.
func (w *World) serveFlow(rw http.ResponseWriter, r *http.Request) {
	if !w.applied.Load() {
		rw.Header().Set("Retry-After", "1")
		answer(rw, http.StatusServiceUnavailable, map[string]any{"error": "starting: the flows aren't there yet"})
		return
	}
	w.router.ServeHTTP(rw, r)
}

// ready tells whether messages are taken and worked on: the broker answers and every step consumes.
func (w *World) ready(rw http.ResponseWriter, r *http.Request) {
	waiting := map[string]string{}
	if err := w.client.Ready(r.Context(), "/"); err != nil {
		waiting["broker"] = err.Error()
	}
	if !w.applied.Load() {
		waiting["flows"] = "not started yet"
	}
	for _, s := range w.Steps() {
		if s.State != Running {
			waiting[s.Flow+"/"+s.Step] = string(s.State)
			if s.Failure != nil {
				waiting[s.Flow+"/"+s.Step] += ": " + s.Failure.Error()
			}
		}
	}
	w.mu.Lock()
	for key, reason := range w.troubles {
		_, step, _ := strings.Cut(key, "/")
		waiting[step] = "it " + reason
	}
	w.mu.Unlock()
	if len(waiting) > 0 {
		answer(rw, http.StatusServiceUnavailable, map[string]any{"error": "not ready", "waiting": waiting})
		return
	}
	answer(rw, http.StatusOK, map[string]any{"status": "OK"})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// StepStatus is how a replica of a step does.
type StepStatus struct {
	Flow, Step string
	State      State
	Restarts   int
	Failure    error // the last; nil if there was none
}

// Steps tells how every replica of every step does, in the order of their names.
func (w *World) Steps() []StepStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []StepStatus
	for _, r := range w.flows {
		for id, units := range r.units {
			for _, u := range units {
				s := StepStatus{Flow: r.plan.Flow.Name, Step: id}
				s.State, s.Restarts, s.Failure = u.status()
				all = append(all, s)
			}
		}
	}
	slices.SortFunc(all, func(a, b StepStatus) int { return cmp.Or(cmp.Compare(a.Flow, b.Flow), cmp.Compare(a.Step, b.Step)) })
	return all
}

// stepCollector makes metrics of the steps' counts.
type stepCollector struct{ stats *stats }

var stepMessages = prometheus.NewDesc("leat_step_messages_total", "Messages of a step by what became of them.", []string{"flow", "step", "result"}, nil)

func (c stepCollector) Describe(ch chan<- *prometheus.Desc) { ch <- stepMessages }

func (c stepCollector) Collect(ch chan<- prometheus.Metric) {
	c.stats.mu.Lock()
	defer c.stats.mu.Unlock()
	for key, s := range c.stats.steps {
		parts := strings.SplitN(key, "/", 3) // namespace, flow, step
		for result, n := range map[string]int64{"processed": s.Processed.Load(), "failed": s.Failed.Load(), "rebounded": s.Rebounded.Load(), "emitted": s.Emitted.Load()} {
			ch <- prometheus.MustNewConstMetric(stepMessages, prometheus.CounterValue, float64(n), parts[1], parts[2], result)
		}
	}
}

// getenv reads the variables of a step; what it doesn't have comes from our own environment, so that `SMTP_URL=... leat run` works.
func getenv(s plan.Step) func(string) string {
	own := make(map[string]string, len(s.Variables))
	for _, v := range s.Variables {
		own[v.Name] = v.Value
	}
	return func(name string) string {
		if value, ok := own[name]; ok || strings.HasPrefix(name, "ELASTICIO_") {
			return value
		}
		return os.Getenv(name)
	}
}
