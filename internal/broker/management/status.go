package management

import (
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"

	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/broker/core"
)

func (a *api) statusRoutes() map[string]route {
	ok := func(*call) (int, any, error) { return http.StatusOK, object{"status": "ok"}, nil }
	alone := func(*call) (int, any, error) {
		return http.StatusOK, object{"status": "ok", "reason": "single node cluster"}, nil
	}
	return map[string]route{
		"GET /api/overview":     {anyone, a.overview},
		"GET /api/cluster-name": {anyone, func(*call) (int, any, error) { return http.StatusOK, object{"name": a.opts.Node}, nil }},
		"GET /api/nodes":        {monitoring, func(*call) (int, any, error) { return http.StatusOK, []object{a.node()}, nil }},
		"GET /api/nodes/{name}": {monitoring, func(c *call) (int, any, error) {
			if c.PathValue("name") != a.opts.Node {
				return 0, nil, errObject
			}
			return http.StatusOK, a.node(), nil
		}},
		"GET /api/health/checks/alarms":                       {anyone, a.alarms},
		"GET /api/health/checks/local-alarms":                 {anyone, a.alarms},
		"GET /api/healthchecks/node":                          {anyone, a.alarms},
		"GET /api/health/checks/virtual-hosts":                {anyone, ok},
		"GET /api/health/checks/node-is-mirror-sync-critical": {anyone, alone},
		"GET /api/health/checks/node-is-quorum-critical":      {anyone, alone},
		"GET /api/health/checks/port-listener/{port}":         {anyone, a.portListener},
		"GET /api/health/checks/protocol-listener/{protocol}": {anyone, a.protocolListener},
		"GET /api/aliveness-test/{vhost}":                     {anyone, ok},
		"GET /api/auth":                                       {anyone, func(*call) (int, any, error) { return http.StatusOK, object{"enable_uaa": false}, nil }},
		"GET /api/extensions":                                 {anyone, none},
		"GET /api/parameters":                                 {policymaker, a.parameters},
		"GET /api/parameters/{component}":                     {policymaker, a.parameters},
		"GET /api/parameters/{component}/{vhost}":             {policymaker, a.parameters},
		"GET /api/global-parameters":                          {policymaker, none},
		"GET /api/vhost-limits":                               {anyone, none},
		"GET /api/vhost-limits/{vhost}":                       {anyone, none},
		"GET /api/user-limits":                                {administrator, none},
		"GET /api/user-limits/{user}":                         {administrator, none},
		"GET /api/feature-flags":                              {anyone, none},
	}
}

// parameters are operator policies; other components that have some are plugins.
func (a *api) parameters(c *call) (int, any, error) {
	out := []object{}
	for _, vhost := range a.vhosts(c) {
		for _, o := range a.exported(vhost)["parameters"] {
			if asked(c, "component", "operator_policy") {
				out = append(out, o)
			}
		}
	}
	return http.StatusOK, out, nil
}

// none answers for what this broker has none of.
func none(*call) (int, any, error) { return http.StatusOK, []object{}, nil }

func rates(fields object) object {
	for _, name := range []string{"messages", "messages_ready", "messages_unacknowledged"} {
		fields[name+"_details"] = object{"rate": 0.0}
	}
	return fields
}

func messageCounts(ready, unacked int) object {
	return rates(object{"messages": ready + unacked, "messages_ready": ready, "messages_unacknowledged": unacked})
}

func counters(n core.Counters) object {
	return object{
		"publish": n.Published, "confirm": n.Confirmed, "return_unroutable": n.Returned, "drop_unroutable": n.Unroutable, "get": n.Got, "get_no_ack": n.GotNoAck,
		"deliver": n.Delivered, "deliver_no_ack": n.DeliveredNoAck, "redeliver": n.Redelivered, "ack": n.Acked,
		"deliver_get": n.Delivered + n.DeliveredNoAck + n.Got + n.GotNoAck,
	}
}

func queueStats(n core.QueueStats) object {
	return object{
		"publish": n.Published, "deliver": n.Delivered, "deliver_no_ack": n.DeliveredNoAck, "get": n.Got, "get_no_ack": n.GotNoAck, "get_empty": n.GetEmpty,
		"redeliver": n.Redelivered, "ack": n.Acked, "deliver_get": n.Delivered + n.DeliveredNoAck + n.Got + n.GotNoAck,
	}
}

func exchangeTypes() []object {
	out := []object{}
	for _, kind := range []string{"direct", "fanout", "headers", "topic"} {
		out = append(out, object{"name": kind, "description": "AMQP " + kind + " exchange, as per the AMQP specification", "enabled": true})
	}
	return out
}

func (a *api) listeners() []object {
	out := []object{}
	for _, l := range a.opts.Listeners {
		host, port := address(l.Addr.String())
		out = append(out, object{"node": a.opts.Node, "protocol": l.Protocol, "ip_address": host, "port": port, "socket_opts": object{}})
	}
	return out
}

// overview counts what is in the virtual hosts that the user may see.
func (a *api) overview(c *call) (int, any, error) {
	var total core.Counters
	ready, unacked, queues, exchanges, consumers := 0, 0, 0, 0, 0
	for _, vhost := range a.broker.Vhosts() {
		if !c.sees() && !c.mayEnter(vhost) {
			continue
		}
		for _, q := range a.broker.Queues(vhost) {
			ready, unacked, queues, consumers = ready+q.Ready, unacked+q.Unacked, queues+1, consumers+q.Consumers
		}
		exchanges += len(a.broker.Exchanges(vhost))
		add(&total, a.broker.Counters(vhost))
	}
	connections := a.connections(c)
	channels := 0
	for _, i := range connections {
		channels += i.Channels
	}
	return http.StatusOK, object{
		"product_name": "Leat", "product_version": broker.Version, "rabbitmq_version": broker.Version, "management_version": broker.Version, "cluster_name": a.opts.Node, "node": a.opts.Node,
		"rates_mode": "none", "disable_stats": false, "enable_queue_totals": false, "exchange_types": exchangeTypes(), "listeners": a.listeners(), "contexts": []object{},
		"message_stats": counters(total), "queue_totals": messageCounts(ready, unacked), "statistics_db_event_queue": 0,
		"object_totals": object{"connections": len(connections), "channels": channels, "exchanges": exchanges, "queues": queues, "consumers": consumers},
	}, nil
}

func add(to *core.Counters, n core.Counters) {
	to.Published += n.Published
	to.Confirmed += n.Confirmed
	to.Delivered += n.Delivered
	to.DeliveredNoAck += n.DeliveredNoAck
	to.Got += n.Got
	to.GotNoAck += n.GotNoAck
	to.Redelivered += n.Redelivered
	to.Acked += n.Acked
	to.Returned += n.Returned
	to.Unroutable += n.Unroutable
}

func (a *api) node() object {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	alarm := a.broker.Alarm()
	return object{
		"name": a.opts.Node, "type": "disc", "running": true, "os_pid": strconv.Itoa(os.Getpid()), "processors": runtime.NumCPU(), "mem_used": mem.Sys,
		"mem_alarm":       slices.Contains([]string{"low on memory", "low on memory & disk"}, alarm),
		"disk_free_alarm": slices.Contains([]string{"low on disk", "low on memory & disk"}, alarm),
		"partitions":      []string{}, "exchange_types": exchangeTypes(), "rates_mode": "none",
		"auth_mechanisms": []object{
			{"name": "PLAIN", "description": "SASL PLAIN authentication mechanism", "enabled": true},
			{"name": "AMQPLAIN", "description": "QPid AMQPLAIN mechanism", "enabled": true},
		},
	}
}

// failed is RabbitMQ's answer to a health check that failed.
func failed(fields object) (int, any, error) {
	fields["status"] = "failed"
	return http.StatusServiceUnavailable, fields, nil
}

func (a *api) alarms(*call) (int, any, error) {
	if alarm := a.broker.Alarm(); alarm != "" {
		return failed(object{"reason": "There are alarms in effect in the cluster", "alarms": []object{{"node": a.opts.Node, "resource": alarm}}})
	}
	return http.StatusOK, object{"status": "ok"}, nil
}

func (a *api) portListener(c *call) (int, any, error) {
	want, err := strconv.Atoi(c.PathValue("port"))
	if err != nil {
		return 0, nil, badRequest("could not parse port number: " + c.PathValue("port"))
	}
	ports := []int{}
	for _, l := range a.opts.Listeners {
		_, port := address(l.Addr.String())
		if port == want {
			return http.StatusOK, object{"status": "ok", "port": want}, nil
		}
		ports = append(ports, port)
	}
	return failed(object{"reason": "No active listener", "missing": want, "ports": ports})
}

func (a *api) protocolListener(c *call) (int, any, error) {
	want := c.PathValue("protocol")
	protocols := []string{}
	for _, l := range a.opts.Listeners {
		if l.Protocol == want {
			return http.StatusOK, object{"status": "ok", "protocol": want}, nil
		}
		protocols = append(protocols, l.Protocol)
	}
	return failed(object{"reason": "No active listener", "missing": want, "protocols": protocols})
}
