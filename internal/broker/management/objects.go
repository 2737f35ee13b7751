package management

import (
	"cmp"
	"maps"
	"net/http"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/broker/core"
)

func (a *api) objectRoutes() map[string]route {
	return map[string]route{
		"GET /api/queues":                                               {anyone, a.listQueues},
		"GET /api/queues/{vhost}":                                       {anyone, a.listQueues},
		"GET /api/queues/{vhost}/{queue}":                               {anyone, a.getQueue},
		"PUT /api/queues/{vhost}/{queue}":                               {anyone, a.putQueue},
		"DELETE /api/queues/{vhost}/{queue}":                            {anyone, a.deleteQueue},
		"DELETE /api/queues/{vhost}/{queue}/contents":                   {anyone, a.purgeQueue},
		"GET /api/queues/{vhost}/{queue}/bindings":                      {anyone, a.queueBindings},
		"GET /api/exchanges":                                            {anyone, a.listExchanges},
		"GET /api/exchanges/{vhost}":                                    {anyone, a.listExchanges},
		"GET /api/exchanges/{vhost}/{exchange}":                         {anyone, a.getExchange},
		"PUT /api/exchanges/{vhost}/{exchange}":                         {anyone, a.putExchange},
		"DELETE /api/exchanges/{vhost}/{exchange}":                      {anyone, a.deleteExchange},
		"GET /api/exchanges/{vhost}/{exchange}/bindings/{side}":         {anyone, a.exchangeBindings},
		"GET /api/bindings":                                             {anyone, a.listBindings},
		"GET /api/bindings/{vhost}":                                     {anyone, a.listBindings},
		"GET /api/bindings/{vhost}/e/{source}/{kind}/{target}":          {anyone, a.pairBindings},
		"POST /api/bindings/{vhost}/e/{source}/{kind}/{target}":         {anyone, a.postBinding},
		"GET /api/bindings/{vhost}/e/{source}/{kind}/{target}/{key}":    {anyone, a.getBinding},
		"DELETE /api/bindings/{vhost}/e/{source}/{kind}/{target}/{key}": {anyone, a.deleteBinding},
	}
}

func (a *api) queueObject(vhost string, q core.QueueInfo) object {
	kind := "classic"
	for _, field := range q.Args {
		if field.Name == "x-queue-type" {
			kind, _ = field.Value.(string)
		}
	}
	out := object{
		"name": q.Name, "vhost": vhost, "durable": q.Durable, "auto_delete": q.AutoDelete, "exclusive": q.Exclusive, "arguments": tableJSON(q.Args),
		"type": kind, "node": a.opts.Node, "state": "running", "consumers": q.Consumers,
		"message_bytes": q.ReadyBytes + q.UnackedBytes, "message_bytes_ready": q.ReadyBytes, "message_bytes_unacknowledged": q.UnackedBytes,
		"messages_ready_ram": q.InMemory, "messages_unacknowledged_ram": q.Unacked, "messages_ram": q.InMemory + q.Unacked,
		"policy": nullable(q.Policy), "operator_policy": nullable(q.OperatorPolicy), "effective_policy_definition": tableJSON(q.Effective), "exclusive_consumer_tag": nil, "single_active_consumer_tag": nil,
		"message_stats": queueStats(q.Stats),
	}
	maps.Copy(out, messageCounts(q.Ready, q.Unacked))
	if q.SingleActiveConsumer != "" {
		out["single_active_consumer_tag"] = q.SingleActiveConsumer
	}
	return out
}

func (a *api) listQueues(c *call) (int, any, error) {
	out := []object{}
	for _, vhost := range a.vhosts(c) {
		queues := a.broker.Queues(vhost)
		slices.SortFunc(queues, func(x, y core.QueueInfo) int { return cmp.Compare(x.Name, y.Name) })
		for _, q := range queues {
			out = append(out, a.queueObject(vhost, q))
		}
	}
	return http.StatusOK, out, nil
}

func (a *api) findQueue(c *call) (core.QueueInfo, error) {
	queues := a.broker.Queues(c.PathValue("vhost"))
	i := slices.IndexFunc(queues, func(q core.QueueInfo) bool { return q.Name == c.PathValue("queue") })
	if i < 0 {
		return core.QueueInfo{}, errObject
	}
	return queues[i], nil
}

func (a *api) getQueue(c *call) (int, any, error) {
	q, err := a.findQueue(c)
	if err != nil {
		return 0, nil, err
	}
	out := a.queueObject(c.PathValue("vhost"), q)
	consumers := []object{}
	for _, consumer := range a.broker.Consumers(c.PathValue("vhost")) {
		if consumer.Queue == q.Name {
			consumers = append(consumers, a.consumerObject(consumer))
		}
	}
	out["consumer_details"], out["incoming"], out["deliveries"] = consumers, []object{}, []object{}
	return http.StatusOK, out, nil
}

// declared is the status of a put: 201 for what is new.
func declared(existed bool) int {
	if existed {
		return http.StatusNoContent
	}
	return http.StatusCreated
}

func (a *api) putQueue(c *call) (int, any, error) {
	fields, err := c.read()
	if err != nil {
		return 0, nil, err
	}
	durable, err := flag(fields, "durable")
	if err != nil {
		return 0, nil, err
	}
	autoDelete, err := flag(fields, "auto_delete")
	if err != nil {
		return 0, nil, err
	}
	args, err := tableOf(fields["arguments"])
	if err != nil {
		return 0, nil, err
	}
	_, missing := a.findQueue(c)
	err = a.as(c, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(c.PathValue("queue"), durable, autoDelete, false, false, args)
		return err
	})
	return declared(missing == nil), nil, err
}

func (c *call) asks(name string) bool { return c.URL.Query().Get(name) == "true" }

func (a *api) deleteQueue(c *call) (int, any, error) {
	if _, err := a.findQueue(c); err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, a.as(c, func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(c.PathValue("queue"), c.asks("if-unused"), c.asks("if-empty"), false)
		return err
	})
}

func (a *api) purgeQueue(c *call) (int, any, error) {
	if _, err := a.findQueue(c); err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, a.as(c, func(ch *amqp.Channel) error {
		_, err := ch.QueuePurge(c.PathValue("queue"), false)
		return err
	})
}

// nullable is null in JSON for "".
func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func exchangeObject(vhost string, x core.ExchangeInfo) object {
	out := object{
		"name": x.Name, "vhost": vhost, "type": x.Kind, "durable": x.Durable, "auto_delete": x.AutoDelete, "internal": x.Internal,
		"arguments": tableJSON(x.Args), "user_who_performed_action": "", "message_stats": object{"publish_in": x.In, "publish_out": x.Out},
	}
	if x.Policy != "" {
		out["policy"] = x.Policy
	}
	return out
}

func (a *api) listExchanges(c *call) (int, any, error) {
	out := []object{}
	for _, vhost := range a.vhosts(c) {
		exchanges := a.broker.Exchanges(vhost)
		slices.SortFunc(exchanges, func(x, y core.ExchangeInfo) int { return cmp.Compare(x.Name, y.Name) })
		for _, x := range exchanges {
			out = append(out, exchangeObject(vhost, x))
		}
	}
	return http.StatusOK, out, nil
}

// exchangeName is the one in the path; the default exchange, which has no name, is amq.default there.
func exchangeName(name string) string {
	if name == "amq.default" {
		return ""
	}
	return name
}

func (a *api) findExchange(c *call) (core.ExchangeInfo, error) {
	exchanges := a.broker.Exchanges(c.PathValue("vhost"))
	i := slices.IndexFunc(exchanges, func(x core.ExchangeInfo) bool { return x.Name == exchangeName(c.PathValue("exchange")) })
	if i < 0 {
		return core.ExchangeInfo{}, errObject
	}
	return exchanges[i], nil
}

func (a *api) getExchange(c *call) (int, any, error) {
	x, err := a.findExchange(c)
	if err != nil {
		return 0, nil, err
	}
	out := exchangeObject(c.PathValue("vhost"), x)
	out["incoming"], out["outgoing"] = []object{}, []object{}
	return http.StatusOK, out, nil
}

func (a *api) putExchange(c *call) (int, any, error) {
	fields, err := c.read()
	if err != nil {
		return 0, nil, err
	}
	kind, err := text(fields, "type")
	if err != nil {
		return 0, nil, err
	}
	var durable, autoDelete, internal bool
	for name, to := range map[string]*bool{"durable": &durable, "auto_delete": &autoDelete, "internal": &internal} {
		if *to, err = flag(fields, name); err != nil {
			return 0, nil, err
		}
	}
	args, err := tableOf(fields["arguments"])
	if err != nil {
		return 0, nil, err
	}
	_, missing := a.findExchange(c)
	err = a.as(c, func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(c.PathValue("exchange"), cmp.Or(kind, "direct"), durable, autoDelete, internal, false, args)
	})
	return declared(missing == nil), nil, err
}

func (a *api) deleteExchange(c *call) (int, any, error) {
	if _, err := a.findExchange(c); err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, a.as(c, func(ch *amqp.Channel) error {
		return ch.ExchangeDelete(c.PathValue("exchange"), c.asks("if-unused"), false)
	})
}
