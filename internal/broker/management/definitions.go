package management

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/broker/core"
)

func (a *api) definitionRoutes() map[string]route {
	return map[string]route{
		"GET /api/definitions":          {administrator, a.exportAll},
		"POST /api/definitions":         {administrator, a.importAll},
		"GET /api/definitions/{vhost}":  {policymaker, a.exportVHost},
		"POST /api/definitions/{vhost}": {policymaker, a.importVHost},
	}
}

// exportAll gives all definitions in the form that RabbitMQ imports.
func (a *api) exportAll(c *call) (int, any, error) {
	out := object{
		"rabbit_version": broker.Version, "rabbitmq_version": broker.Version, "product_name": "Leat", "product_version": broker.Version,
		"global_parameters": []object{},
	}
	users, vhosts, permissions, topics := []object{}, []object{}, []object{}, []object{}
	for _, u := range a.broker.Users() {
		users = append(users, userObject(u))
		for _, vhost := range a.broker.Vhosts() {
			if p, ok := u.Permissions[vhost]; ok {
				permissions = append(permissions, permissionObject(u.Name, vhost, p))
			}
			topics = append(topics, topicObjects(u, vhost)...)
		}
	}
	out["users"], out["permissions"], out["topic_permissions"] = users, permissions, topics
	lists := map[string][]object{"parameters": {}, "policies": {}, "queues": {}, "exchanges": {}, "bindings": {}}
	for _, vhost := range a.broker.Vhosts() {
		vhosts = append(vhosts, object{"name": vhost})
		for name, part := range a.exported(vhost) {
			lists[name] = append(lists[name], part...)
		}
	}
	out["vhosts"] = vhosts
	for name, list := range lists {
		out[name] = list
	}
	offer(c)
	return http.StatusOK, out, nil
}

// exportVHost gives what is in one virtual host; its objects don't name it.
func (a *api) exportVHost(c *call) (int, any, error) {
	out := object{"rabbit_version": broker.Version}
	for name, list := range a.exported(c.PathValue("vhost")) {
		for _, o := range list {
			if name != "parameters" && name != "policies" {
				delete(o, "vhost")
			}
		}
		out[name] = list
	}
	offer(c)
	return http.StatusOK, out, nil
}

// offer lets a browser save the answer under the name that was asked for.
func offer(c *call) {
	if name := c.URL.Query().Get("download"); name != "" {
		c.header.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	}
}

// exported is what a virtual host has, without what belongs to connections or is always there.
func (a *api) exported(vhost string) map[string][]object {
	lists := map[string][]object{"parameters": {}, "policies": {}, "queues": {}, "exchanges": {}, "bindings": {}}
	add := func(list string, o object) { lists[list] = append(lists[list], o) }
	for _, p := range a.broker.Policies(vhost, true) {
		value := policyObject(vhost, p)
		delete(value, "vhost")
		delete(value, "name")
		add("parameters", object{"vhost": vhost, "component": "operator_policy", "name": p.Name, "value": value})
	}
	for _, p := range a.broker.Policies(vhost, false) {
		add("policies", policyObject(vhost, p))
	}
	exclusive := map[string]bool{}
	for _, q := range sorted(a.broker.Queues(vhost), func(q core.QueueInfo) string { return q.Name }) {
		if exclusive[q.Name] = q.Exclusive; !q.Exclusive {
			add("queues", object{"name": q.Name, "vhost": vhost, "durable": q.Durable, "auto_delete": q.AutoDelete, "arguments": tableJSON(q.Args)})
		}
	}
	for _, x := range sorted(a.broker.Exchanges(vhost), func(x core.ExchangeInfo) string { return x.Name }) {
		if x.Name != "" && !strings.HasPrefix(x.Name, "amq.") {
			add("exchanges", object{
				"name": x.Name, "vhost": vhost, "type": x.Kind, "durable": x.Durable, "auto_delete": x.AutoDelete, "internal": x.Internal, "arguments": tableJSON(x.Args),
			})
		}
	}
	for _, b := range sorted(a.broker.Bindings(vhost), func(b core.BindingInfo) string { return b.Source + "\x00" + b.Destination + "\x00" + b.Key }) {
		if b.Source == "" || !b.ToExchange && exclusive[b.Destination] {
			continue
		}
		add("bindings", object{
			"source": b.Source, "vhost": vhost, "destination": b.Destination, "destination_type": kindOf(b), "routing_key": b.Key, "arguments": tableJSON(b.Args),
		})
	}
	return lists
}

func sorted[T any](list []T, by func(T) string) []T {
	slices.SortFunc(list, func(x, y T) int { return cmp.Compare(by(x), by(y)) })
	return list
}

func kindOf(b core.BindingInfo) string {
	if b.ToExchange {
		return "exchange"
	}
	return "queue"
}

func (a *api) importAll(c *call) (int, any, error) {
	fields, err := c.readUpload()
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, a.load(fields, "")
}

func (a *api) importVHost(c *call) (int, any, error) {
	fields, err := c.readUpload()
	if err != nil {
		return 0, nil, err
	}
	for _, list := range []string{"users", "vhosts", "permissions", "topic_permissions"} {
		delete(fields, list) // aren't a virtual host's
	}
	return http.StatusNoContent, nil, a.load(fields, c.PathValue("vhost"))
}

// load makes what the definitions name, in the order in which things need each other. What exists already stays as it is, but for accounts and
// policies, which are replaced. vhost is for objects that name none.
func (a *api) load(fields map[string]any, vhost string) error {
	for _, part := range []struct {
		list string
		put  func(o map[string]any, vhost string) error
	}{
		{"users", a.loadUser}, {"vhosts", a.loadVHost}, {"permissions", a.loadPermission}, {"topic_permissions", a.loadTopicPermission},
		{"parameters", a.loadParameter}, {"policies", a.loadPolicy}, {"queues", a.loadQueue}, {"exchanges", a.loadExchange}, {"bindings", a.loadBinding},
	} {
		items, isList := fields[part.list].([]any)
		if !isList && fields[part.list] != nil {
			return badRequest(part.list + " must be a list")
		}
		for _, item := range items {
			o, isObject := item.(map[string]any)
			if !isObject {
				return badRequest(part.list + " must be a list of objects")
			}
			if err := part.put(o, cmp.Or(vhost, str(o, "vhost"))); err != nil {
				return loadError(part.list, o, err)
			}
		}
	}
	return nil
}

// loadError says which object couldn't be made.
func loadError(list string, o map[string]any, err error) error {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	return badRequest(fmt.Sprintf("%s: %q: %v", list, cmp.Or(str(o, "name"), str(o, "user"), str(o, "source")), err))
}

// str is a field when it's a text, else "".
func str(o map[string]any, name string) string {
	s, _ := o[name].(string)
	return s
}

// is is a field when it's true.
func is(o map[string]any, name string) bool {
	b, _ := o[name].(bool)
	return b
}

func (a *api) loadUser(o map[string]any, _ string) error {
	tags, err := tagsOf(o["tags"])
	if err != nil {
		return err
	}
	if password := str(o, "password"); password != "" {
		return a.broker.PutUser(str(o, "name"), password, tags...)
	}
	if kind := str(o, "hashing_algorithm"); kind != "" && kind != hashing {
		return fmt.Errorf("hashing algorithm %q isn't supported, only %s", kind, hashing)
	}
	return a.broker.PutUserHash(str(o, "name"), str(o, "password_hash"), tags...)
}

func (a *api) loadVHost(o map[string]any, _ string) error { return a.broker.PutVhost(str(o, "name")) }

func (a *api) loadPermission(o map[string]any, vhost string) error {
	return a.broker.PutPermissions(vhost, str(o, "user"), broker.Permissions{Configure: str(o, "configure"), Write: str(o, "write"), Read: str(o, "read")})
}

func (a *api) loadTopicPermission(o map[string]any, vhost string) error {
	return a.broker.PutTopicPermissions(vhost, str(o, "user"), str(o, "exchange"), broker.TopicPermissions{Write: str(o, "write"), Read: str(o, "read")})
}

// loadParameter takes operator policies. Other parameters belong to plugins that aren't here.
func (a *api) loadParameter(o map[string]any, vhost string) error {
	value, _ := o["value"].(map[string]any)
	if str(o, "component") != "operator_policy" {
		return nil
	}
	p, err := policyOf(str(o, "name"), true, value)
	if err != nil {
		return err
	}
	return a.storePolicy(vhost, p)
}

func (a *api) loadPolicy(o map[string]any, vhost string) error {
	p, err := policyOf(str(o, "name"), false, o)
	if err != nil {
		return err
	}
	return a.storePolicy(vhost, p)
}

func (a *api) loadQueue(o map[string]any, vhost string) error {
	args, err := wireTable(o["arguments"])
	if err != nil {
		return err
	}
	name := str(o, "name")
	if slices.ContainsFunc(a.broker.Queues(vhost), func(q core.QueueInfo) bool { return q.Name == name }) {
		return nil
	}
	return a.broker.DeclareQueue(vhost, core.QueueSpec{Name: name, Durable: is(o, "durable"), AutoDelete: is(o, "auto_delete"), Args: args})
}

func (a *api) loadExchange(o map[string]any, vhost string) error {
	args, err := wireTable(o["arguments"])
	if err != nil {
		return err
	}
	name := str(o, "name")
	if slices.ContainsFunc(a.broker.Exchanges(vhost), func(x core.ExchangeInfo) bool { return x.Name == name }) {
		return nil
	}
	return a.broker.DeclareExchange(vhost, core.ExchangeSpec{
		Name: name, Kind: str(o, "type"), Durable: is(o, "durable"), AutoDelete: is(o, "auto_delete"), Internal: is(o, "internal"), Args: args,
	})
}

func (a *api) loadBinding(o map[string]any, vhost string) error {
	args, err := wireTable(o["arguments"])
	if err != nil {
		return err
	}
	return a.broker.Bind(vhost, core.BindingSpec{
		Source: str(o, "source"), Destination: str(o, "destination"), ToExchange: str(o, "destination_type") == "exchange", Key: str(o, "routing_key"), Args: args,
	})
}
