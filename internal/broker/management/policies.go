package management

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/openintegrationhub/leat/internal/broker"
	"github.com/openintegrationhub/leat/internal/broker/core"
)

func (a *api) policyRoutes() map[string]route {
	routes := map[string]route{}
	for path, operator := range map[string]bool{"/api/policies": false, "/api/operator-policies": true} {
		change := policymaker
		if operator {
			change = administrator
		}
		list := func(c *call) (int, any, error) { return http.StatusOK, a.policyObjects(c, operator), nil }
		routes["GET "+path] = route{anyone, list}
		routes["GET "+path+"/{vhost}"] = route{anyone, list}
		routes["GET "+path+"/{vhost}/{name}"] = route{anyone, func(c *call) (int, any, error) {
			found := a.policyObjects(c, operator)
			if len(found) == 0 {
				return 0, nil, errObject
			}
			return http.StatusOK, found[0], nil
		}}
		routes["PUT "+path+"/{vhost}/{name}"] = route{change, func(c *call) (int, any, error) { return a.putPolicy(c, operator) }}
		routes["DELETE "+path+"/{vhost}/{name}"] = route{change, func(c *call) (int, any, error) {
			return http.StatusNoContent, nil, a.broker.DeletePolicy(c.PathValue("vhost"), c.PathValue("name"), operator)
		}}
	}
	return routes
}

// policyObjects are all policies, or those that the path asks for.
func (a *api) policyObjects(c *call, operator bool) []object {
	out := []object{}
	for _, vhost := range a.vhosts(c) {
		for _, p := range a.broker.Policies(vhost, operator) {
			if asked(c, "name", p.Name) {
				out = append(out, policyObject(vhost, p))
			}
		}
	}
	return out
}

func policyObject(vhost string, p core.Policy) object {
	return object{"vhost": vhost, "name": p.Name, "pattern": p.Pattern, "apply-to": p.ApplyTo, "definition": tableJSON(p.Definition), "priority": p.Priority}
}

func (a *api) putPolicy(c *call, operator bool) (int, any, error) {
	fields, err := c.read("pattern", "definition")
	if err != nil {
		return 0, nil, err
	}
	p, err := policyOf(c.PathValue("name"), operator, fields)
	if err != nil {
		return 0, nil, err
	}
	existed := len(a.policyObjects(c, operator)) > 0
	return declared(existed), nil, a.storePolicy(c.PathValue("vhost"), p)
}

func (a *api) storePolicy(vhost string, p core.Policy) error {
	err := a.broker.PutPolicy(vhost, p)
	if err == nil || errors.Is(err, broker.ErrNotFound) || errors.Is(err, broker.ErrClosed) {
		return err
	}
	return invalid(err.Error())
}

// invalid is RabbitMQ's answer to a policy that can't be; its text is made fit for a page.
func invalid(text string) error {
	return badRequest("Validation failed\n\n" + strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text) + "\n")
}

// policyOf reads a policy from JSON.
func policyOf(name string, operator bool, fields map[string]any) (core.Policy, error) {
	p := core.Policy{Name: name, ApplyTo: core.ApplyToAll, Operator: operator}
	var ok bool
	if p.Pattern, ok = fields["pattern"].(string); !ok {
		return p, invalid(fmt.Sprintf("pattern should be a binary but was %v", fields["pattern"]))
	}
	if v, there := fields["apply-to"]; there {
		if p.ApplyTo, ok = v.(string); !ok {
			return p, invalid(fmt.Sprintf("apply-to should be a binary but was %v", v))
		}
	}
	if v, there := fields["priority"]; there {
		n, isNumber := v.(json.Number)
		i, err := n.Int64()
		if !isNumber || err != nil {
			return p, invalid(fmt.Sprintf("priority should be a number, actually was <<%q>>", fmt.Sprint(v)))
		}
		p.Priority = i
	}
	definition, err := wireTable(fields["definition"])
	if err != nil {
		return p, err
	}
	p.Definition = definition
	return p, nil
}
