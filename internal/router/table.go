package router

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/plan"
)

// table finds flows by what stands in an address. It's never changed, only replaced.
type table struct {
	byName map[string]*target // "flow" and "flow.namespace"; names are DNS labels, so a dot can't be part of one
	flows  []flowName
}

type flowName struct{ namespace, flow string }

// target is a flow as requests see it.
type target struct {
	entry  plan.Entry
	cipher *message.Cipher
	refuse *failure           // why it takes no requests; nil when it does
	ok     prometheus.Counter // of requests answered with 200
}

func newTable(entries []plan.Entry, refusals []Refusal, m *metrics, logger *slog.Logger) *table {
	t := &table{byName: make(map[string]*target, 2*len(entries))}
	same := make(map[string][]string) // addresses of the flows of one name
	add := func(e plan.Entry, entry *target) {
		t.flows = append(t.flows, flowName{e.Namespace, e.Flow})
		full := e.Flow + "." + e.Namespace
		t.byName[full] = entry
		t.byName[e.Flow] = entry
		same[e.Flow] = append(same[e.Flow], Prefix+full)
	}
	for _, e := range entries {
		entry := &target{entry: e, refuse: reason(e), ok: m.requests.WithLabelValues(e.Namespace, e.Flow, "200")}
		var err error
		if entry.cipher, err = message.NewCipher(e.CryptoPassword, e.CryptoIV); err != nil {
			logger.Error("flow takes no requests", "namespace", e.Namespace, "flow", e.Flow, "err", err)
			entry.refuse = &failure{status: http.StatusInternalServerError, text: "flow has no valid message encryption"}
		}
		add(e, entry)
	}
	for _, r := range refusals {
		e := plan.Entry{Namespace: r.Namespace, Flow: r.Flow}
		refuse := &failure{status: http.StatusConflict, text: fmt.Sprintf("flow %q: %s", r.Flow, r.Reason)}
		if r.Soon {
			refuse.status, refuse.retry = http.StatusServiceUnavailable, true
		}
		add(e, &target{entry: e, refuse: refuse})
	}
	for name, addresses := range same {
		if len(addresses) > 1 {
			slices.Sort(addresses)
			t.byName[name] = &target{refuse: &failure{status: http.StatusConflict,
				text: fmt.Sprintf("%d namespaces have a flow %q: use %s", len(addresses), name, strings.Join(addresses, " or "))}}
		}
	}
	return t
}

// reason tells why a flow takes no requests, nil when it does.
func reason(e plan.Entry) *failure {
	switch {
	case !e.HTTP && e.Polling:
		return &failure{status: http.StatusConflict, text: fmt.Sprintf("flow %q takes no HTTP requests: its first step is driven by a schedule", e.Flow)}
	case !e.HTTP:
		return &failure{status: http.StatusConflict, text: fmt.Sprintf("flow %q takes no HTTP requests", e.Flow)}
	case e.Suspended:
		return &failure{status: http.StatusConflict, text: fmt.Sprintf("flow %q is suspended", e.Flow)}
	}
	return nil
}

// find returns the flow of that name, or nil.
func (t *table) find(id string) *target {
	if strings.IndexByte(id, '%') >= 0 {
		plain, err := url.PathUnescape(id)
		if err != nil {
			return nil
		}
		id = plain
	}
	return t.byName[id]
}
