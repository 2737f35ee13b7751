package management

import (
	"cmp"
	"encoding/base64"
	"hash/fnv"
	"net/http"
	"net/url"
	"slices"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/broker/core"
	"github.com/openintegrationhub/leat/internal/broker/wire"
)

func destinationType(b core.BindingInfo) string {
	if b.ToExchange {
		return "exchange"
	}
	return "queue"
}

func bindingObject(vhost string, b core.BindingInfo) object {
	return object{
		"source": b.Source, "vhost": vhost, "destination": b.Destination, "destination_type": destinationType(b),
		"routing_key": b.Key, "arguments": tableJSON(b.Args), "properties_key": propertiesKey(b),
	}
}

// propertiesKey tells bindings of the same two apart: the routing key as in a form, and a hash of the arguments if there are any.
func propertiesKey(b core.BindingInfo) string {
	key := strings.ReplaceAll(url.QueryEscape(b.Key), "~", "%7E")
	if len(b.Args) > 0 {
		h := fnv.New32a()
		h.Write(wire.AppendTable(nil, b.Args))
		return key + "~" + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
	}
	if key == "" {
		return "~"
	}
	return key
}

// bindings are those of a virtual host that keep, sorted.
func (a *api) bindings(vhost string, keep func(core.BindingInfo) bool) []object {
	found := a.broker.Bindings(vhost)
	slices.SortFunc(found, func(x, y core.BindingInfo) int {
		return cmp.Or(cmp.Compare(x.Source, y.Source), cmp.Compare(x.Destination, y.Destination), cmp.Compare(x.Key, y.Key))
	})
	out := []object{}
	for _, b := range found {
		if keep(b) {
			out = append(out, bindingObject(vhost, b))
		}
	}
	return out
}

func (a *api) listBindings(c *call) (int, any, error) {
	out := []object{}
	for _, vhost := range a.vhosts(c) {
		out = append(out, a.bindings(vhost, func(core.BindingInfo) bool { return true })...)
	}
	return http.StatusOK, out, nil
}

func (a *api) queueBindings(c *call) (int, any, error) {
	if _, err := a.findQueue(c); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, a.bindings(c.PathValue("vhost"), func(b core.BindingInfo) bool {
		return !b.ToExchange && b.Destination == c.PathValue("queue")
	}), nil
}

func (a *api) exchangeBindings(c *call) (int, any, error) {
	x, err := a.findExchange(c)
	if err != nil {
		return 0, nil, err
	}
	switch c.PathValue("side") {
	case "source":
		return http.StatusOK, a.bindings(c.PathValue("vhost"), func(b core.BindingInfo) bool { return b.Source == x.Name }), nil
	case "destination":
		return http.StatusOK, a.bindings(c.PathValue("vhost"), func(b core.BindingInfo) bool { return b.ToExchange && b.Destination == x.Name }), nil
	}
	return 0, nil, errObject
}

// between tells whether a binding leads between the two that the path names.
func between(c *call, b core.BindingInfo) bool {
	return b.Source == exchangeName(c.PathValue("source")) && b.Destination == c.PathValue("target") && destinationType(b)[:1] == c.PathValue("kind")
}

func (a *api) pairBindings(c *call) (int, any, error) {
	return http.StatusOK, a.bindings(c.PathValue("vhost"), func(b core.BindingInfo) bool { return between(c, b) }), nil
}

// findBinding looks the path's properties key up. Spaces may be escaped in either way.
func (a *api) findBinding(c *call) (core.BindingInfo, error) {
	found := a.broker.Bindings(c.PathValue("vhost"))
	key := strings.ReplaceAll(c.PathValue("key"), "%20", "+")
	i := slices.IndexFunc(found, func(b core.BindingInfo) bool { return between(c, b) && propertiesKey(b) == key })
	if i < 0 {
		return core.BindingInfo{}, errObject
	}
	return found[i], nil
}

func (a *api) getBinding(c *call) (int, any, error) {
	b, err := a.findBinding(c)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, bindingObject(c.PathValue("vhost"), b), nil
}

func (a *api) postBinding(c *call) (int, any, error) {
	fields, err := c.read()
	if err != nil {
		return 0, nil, err
	}
	key, err := text(fields, "routing_key")
	if err != nil {
		return 0, nil, err
	}
	args, err := tableOf(fields["arguments"])
	if err != nil {
		return 0, nil, err
	}
	source, target := exchangeName(c.PathValue("source")), c.PathValue("target")
	err = a.as(c, func(ch *amqp.Channel) error {
		switch c.PathValue("kind") {
		case "q":
			return ch.QueueBind(target, key, source, false, args)
		case "e":
			return ch.ExchangeBind(target, key, source, false, args)
		}
		return errObject
	})
	if err != nil {
		return 0, nil, err
	}
	for _, b := range a.broker.Bindings(c.PathValue("vhost")) {
		if between(c, b) && b.Key == key && sameTable(b.Args, args) {
			c.header.Set("Location", url.PathEscape(target)+"/"+url.PathEscape(propertiesKey(b)))
		}
	}
	return http.StatusCreated, nil, nil
}

func (a *api) deleteBinding(c *call) (int, any, error) {
	b, err := a.findBinding(c)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, a.as(c, func(ch *amqp.Channel) error {
		if b.ToExchange {
			return ch.ExchangeUnbind(b.Destination, b.Key, b.Source, false, amqpTable(b.Args))
		}
		return ch.QueueUnbind(b.Destination, b.Key, b.Source, amqpTable(b.Args))
	})
}
