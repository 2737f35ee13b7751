package plan

import (
	"cmp"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/topology"
)

// variables are what every generation of the libraries starts with (contract.md 1.3), then what the flow's author wants: the node's own
// come last and win. Booleans are set to "true" or left out, since presence alone counts (contract.md rule 7).
func variables(f *flow.Flow, n *flow.Node, account topology.Account, secrets Secrets, p Platform) []Variable {
	own := secrets.Steps[n.ID]
	broker := p.Broker
	broker.User = url.UserPassword(account.User, own.BrokerPassword)
	broker.Path, broker.RawPath = "/"+account.VHost, "/"+url.PathEscape(account.VHost)
	key := func(kind string) string { return topology.Key(f.Name, n.ID, kind) }
	all := map[string]Variable{}
	set := func(name, value string) { all[name] = Variable{Name: name, Value: value} }
	secret := func(name, value string) { all[name] = Variable{Name: name, Value: value, Secret: true} }

	for name, value := range p.Variables {
		set(name, value)
	}
	set("ELASTICIO_FLOW_ID", f.Name)
	set("ELASTICIO_TASK_ID", f.Name)
	set("ELASTICIO_STEP_ID", n.ID)
	set("ELASTICIO_FUNCTION", n.Function)
	set("ELASTICIO_EXEC_ID", f.Name) // of the container, not of an execution: that one travels with each message
	set("ELASTICIO_USER_ID", userID)
	set("ELASTICIO_WORKSPACE_ID", workspaceID)
	set("ELASTICIO_COMP_ID", n.Image)
	set("ELASTICIO_CONTAINER_ID", account.User)
	set("ELASTICIO_API_URI", p.APIURI)
	set("ELASTICIO_API_USERNAME", account.User)
	secret("ELASTICIO_API_KEY", own.APIKey)
	secret("ELASTICIO_AMQP_URI", broker.String())
	set("ELASTICIO_LISTEN_MESSAGES_ON", topology.StepQueue(f.Name, n.ID))
	set("ELASTICIO_PUBLISH_MESSAGES_TO", f.Name)
	set("ELASTICIO_DATA_ROUTING_KEY", key(topology.Message))
	set("ELASTICIO_ERROR_ROUTING_KEY", key(topology.Error))
	set("ELASTICIO_REBOUND_ROUTING_KEY", key(topology.Rebound))
	set("ELASTICIO_SNAPSHOT_ROUTING_KEY", key(topology.Snapshot))
	set("ELASTICIO_OBJECT_STORAGE_URI", p.APIURI) // with its token: the JVM library fails with one of them alone (contract.md section 8, 26)
	secret("ELASTICIO_OBJECT_STORAGE_TOKEN", own.APIKey)
	limit, interval := rate(n)
	for name, value := range ferryman(f, n, limit, p) {
		set(name, value)
	}
	secret("ELASTICIO_MESSAGE_CRYPTO_PASSWORD", secrets.CryptoPassword)
	secret("ELASTICIO_MESSAGE_CRYPTO_IV", secrets.CryptoIV)
	set("ELASTICIO_AMQP_PERSISTENT_MESSAGES", "true") // the libraries' default is to lose messages with the broker
	set("ELASTICIO_AMQP_RECONNECT_ATTEMPTS", "120")   // with _TIMEOUT: a minute of patience instead of 0.3 s
	set("ELASTICIO_AMQP_RECONNECT_TIMEOUT", "500")
	set("ELASTICIO_RABBITMQ_PREFETCH_SAILOR", strconv.Itoa(n.Prefetch))
	// An image may have others; queues are there for these.
	rounds := topology.RoundsOf(n)
	set(topology.ReboundInitialVariable, strconv.FormatInt(rounds.Initial.Milliseconds(), 10))
	set(topology.ReboundLimitVariable, strconv.Itoa(rounds.Limit))
	// Go steps needn't send what nobody is there to receive. The libraries know nothing of it, and send it to the flow's end.
	if len(f.Next(n.ID)) == 0 {
		set("LEAT_LAST_STEP", "true")
	}
	// The libraries' defaults are 10 data messages, 2 errors and 2 snapshots in 100 ms.
	set("ELASTICIO_DATA_RATE_LIMIT", strconv.Itoa(limit))
	set("ELASTICIO_ERROR_RATE_LIMIT", "1000")
	set("ELASTICIO_SNAPSHOT_RATE_LIMIT", "1000")
	set("ELASTICIO_RATE_INTERVAL", strconv.FormatInt(interval.Milliseconds(), 10))

	for name, value := range n.Env {
		all[name] = Variable{Name: name, Value: value, Secret: looksSecret(name, value)}
	}
	list := make([]Variable, 0, len(all))
	for _, v := range all {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b Variable) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// ferryman are the variables of components of the Open Integration Hub. With some of them their library starts, with the rest it works, which takes
// a node that says so.
func ferryman(f *flow.Flow, n *flow.Node, limit int, p Platform) map[string]string {
	all := map[string]string{
		"ELASTICIO_BACKCHANNEL_EXCHANGE":       f.Name,
		"ELASTICIO_NODE_EXCHANGE":              f.Name,
		"ELASTICIO_OUTPUT_ROUTING_KEY":         topology.Key(f.Name, n.ID, topology.Message),
		"ELASTICIO_STATE_ROUTING_KEY":          topology.Key(f.Name, n.ID, topology.State),
		"ELASTICIO_SNAPSHOTS_SERVICE_BASE_URL": p.APIURI,
		"ELASTICIO_SECRET_SERVICE_BASE_URL":    p.APIURI,
	}
	if topology.IsFerryman(n) {
		all["ELASTICIO_OUTPUT_ROUTING_KEY"] = topology.Key(f.Name, n.ID, topology.Output)
		all["ELASTICIO_SNAPSHOTS_EXCHANGE"] = f.Name
		all["ELASTICIO_OUTPUT_RATE_LIMIT"] = strconv.Itoa(limit)
	}
	return all
}

// rate returns how many messages one replica may emit in an interval of whole milliseconds: the node's limit, shared by its replicas, or so
// many that it's no limit.
func rate(n *flow.Node) (limit int, interval time.Duration) {
	each := n.RateLimit / float64(max(1, n.Replicas)) // a second
	switch {
	case n.RateLimit <= 0:
		return 10_000, 100 * time.Millisecond
	case each > 100: // else the interval would be too coarse
		return int(math.Round(each / 10)), 100 * time.Millisecond
	}
	return 1, time.Duration(math.Round(1000/each)) * time.Millisecond
}

// looksSecret tells whether a variable of a flow's author may be a secret, so that it's better not shown: by its name, or because it's an
// address with a password.
func looksSecret(name, value string) bool {
	upper := strings.ToUpper(name)
	for _, word := range []string{"KEY", "PASSWORD", "PASSWD", "SECRET", "TOKEN", "CREDENTIAL"} {
		if strings.Contains(upper, word) {
			return true
		}
	}
	u, err := url.Parse(value)
	if err != nil || u.User == nil {
		return false
	}
	_, has := u.User.Password()
	return has
}
