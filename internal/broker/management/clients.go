package management

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/broker/server"
)

func (a *api) clientRoutes() map[string]route {
	return map[string]route{
		"GET /api/connections":                 {anyone, a.listConnections},
		"GET /api/vhosts/{vhost}/connections":  {anyone, a.listConnections},
		"GET /api/connections/{name}":          {anyone, a.getConnection},
		"DELETE /api/connections/{name}":       {anyone, a.closeConnection},
		"GET /api/connections/{name}/channels": {anyone, a.connectionChannels},
		"GET /api/channels":                    {anyone, a.listChannels},
		"GET /api/vhosts/{vhost}/channels":     {anyone, a.listChannels},
		"GET /api/channels/{name}":             {anyone, a.getChannel},
		"GET /api/consumers":                   {anyone, a.listConsumers},
		"GET /api/consumers/{vhost}":           {anyone, a.listConsumers},
	}
}

// address splits "HOST:PORT"; in-memory connections have neither.
func address(addr string) (host string, port int) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return addr, 0
	}
	port, _ = strconv.Atoi(text)
	return host, port
}

// connections are those that the user may see, sorted by name.
func (a *api) connections(c *call) []server.ConnInfo {
	all := slices.DeleteFunc(a.broker.Connections(), func(i server.ConnInfo) bool {
		for _, field := range i.Properties {
			if field.Name == own {
				return true
			}
		}
		return !(c.sees() || i.User == c.user.Name) || !asked(c, "vhost", i.VHost)
	})
	slices.SortFunc(all, func(x, y server.ConnInfo) int { return cmp.Compare(x.Name, y.Name) })
	return all
}

func (a *api) connectionObject(i server.ConnInfo) object {
	host, port := address(i.Host)
	peerHost, peerPort := address(i.Peer)
	properties := tableJSON(i.Properties)
	state := "running"
	if i.Blocked {
		state = "blocked"
	}
	out := object{
		"name": i.Name, "user": i.User, "user_who_performed_action": i.User, "vhost": i.VHost, "state": state, "channels": i.Channels, "protocol": "AMQP 0-9-1",
		"type": "network", "host": host, "port": port, "peer_host": peerHost, "peer_port": peerPort, "connected_at": i.Connected.UnixMilli(),
		"client_properties": properties, "auth_mechanism": i.Mechanism, "frame_max": i.FrameMax, "channel_max": i.ChannelMax,
		"timeout": int(i.Heartbeat.Seconds()), "ssl": i.TLS, "recv_oct": i.Received, "send_oct": i.Sent, "send_pend": i.SendPending, "node": a.opts.Node,
	}
	if name, ok := properties["connection_name"]; ok {
		out["user_provided_name"] = name
	}
	return out
}

func (a *api) listConnections(c *call) (int, any, error) {
	out := []object{}
	for _, i := range a.connections(c) {
		out = append(out, a.connectionObject(i))
	}
	return http.StatusOK, out, nil
}

func (a *api) findConnection(c *call) (server.ConnInfo, error) {
	all := a.connections(c)
	i := slices.IndexFunc(all, func(i server.ConnInfo) bool { return i.Name == c.PathValue("name") })
	if i < 0 {
		return server.ConnInfo{}, errObject
	}
	return all[i], nil
}

func (a *api) getConnection(c *call) (int, any, error) {
	i, err := a.findConnection(c)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, a.connectionObject(i), nil
}

func (a *api) closeConnection(c *call) (int, any, error) {
	i, err := a.findConnection(c)
	if err != nil {
		return 0, nil, err
	}
	reason := cmp.Or(c.Header.Get("X-Reason"), "Closed via management plugin")
	return http.StatusNoContent, nil, a.broker.CloseConnection(i.Name, reason)
}

func channelName(connection string, number uint16) string {
	return connection + " (" + strconv.Itoa(int(number)) + ")"
}

// channels are those of the connections that the user may see.
func (a *api) channels(c *call, keep func(broker.Channel) bool) []object {
	peers := map[string]server.ConnInfo{}
	var vhosts []string
	for _, i := range a.connections(c) {
		peers[i.Name] = i
		if !slices.Contains(vhosts, i.VHost) {
			vhosts = append(vhosts, i.VHost)
		}
	}
	slices.Sort(vhosts)
	out := []object{}
	for _, vhost := range vhosts {
		for _, ch := range a.broker.Channels(vhost) {
			conn, seen := peers[ch.Connection]
			if !seen || !keep(ch) {
				continue
			}
			peerHost, peerPort := address(conn.Peer)
			out = append(out, object{
				"name": channelName(ch.Connection, ch.Number), "number": ch.Number, "user": ch.User, "user_who_performed_action": ch.User, "vhost": ch.VHost,
				"state": "running", "confirm": ch.Confirming, "transactional": false, "consumer_count": ch.Consumers,
				"messages_unacknowledged": ch.Unacked, "messages_unconfirmed": ch.Unconfirmed, "messages_uncommitted": 0, "acks_uncommitted": 0,
				"prefetch_count": ch.PrefetchConsumers, "global_prefetch_count": ch.PrefetchGlobal, "node": a.opts.Node,
				"connection_details": object{"name": ch.Connection, "peer_host": peerHost, "peer_port": peerPort},
			})
		}
	}
	return out
}

func (a *api) listChannels(c *call) (int, any, error) {
	return http.StatusOK, a.channels(c, func(broker.Channel) bool { return true }), nil
}

func (a *api) connectionChannels(c *call) (int, any, error) {
	if _, err := a.findConnection(c); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, a.channels(c, func(ch broker.Channel) bool { return ch.Connection == c.PathValue("name") }), nil
}

func (a *api) getChannel(c *call) (int, any, error) {
	found := a.channels(c, func(ch broker.Channel) bool { return channelName(ch.Connection, ch.Number) == c.PathValue("name") })
	if len(found) == 0 {
		return 0, nil, errObject
	}
	return http.StatusOK, found[0], nil
}

func (a *api) consumerObject(i broker.Consumer) object {
	peer, _, _ := strings.Cut(i.Connection, " -> ")
	peerHost, peerPort := address(peer)
	status := "up"
	if !i.Active {
		status = "waiting"
	}
	return object{
		"consumer_tag": i.Tag, "exclusive": i.Exclusive, "ack_required": !i.NoAck, "prefetch_count": i.Prefetch, "active": i.Active,
		"activity_status": status, "arguments": tableJSON(i.Args), "queue": object{"name": i.Queue, "vhost": i.VHost},
		"channel_details": object{
			"name": channelName(i.Connection, i.Channel), "number": i.Channel, "user": i.User, "connection_name": i.Connection,
			"peer_host": peerHost, "peer_port": peerPort, "node": a.opts.Node,
		},
	}
}

func (a *api) listConsumers(c *call) (int, any, error) {
	out := []object{}
	for _, vhost := range a.vhosts(c) {
		for _, i := range a.broker.Consumers(vhost) {
			out = append(out, a.consumerObject(i))
		}
	}
	return http.StatusOK, out, nil
}
