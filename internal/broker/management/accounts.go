package management

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/openintegrationhub/leat/internal/broker"
)

func (a *api) accountRoutes() map[string]route {
	return map[string]route{
		"GET /api/whoami":                                        {anyone, a.whoAmI},
		"GET /api/vhosts":                                        {anyone, a.listVHosts},
		"GET /api/vhosts/{name}":                                 {administrator, a.getVHost},
		"PUT /api/vhosts/{name}":                                 {administrator, a.putVHost},
		"DELETE /api/vhosts/{name}":                              {administrator, a.deleteVHost},
		"GET /api/vhosts/{name}/permissions":                     {administrator, a.listPermissions},
		"GET /api/vhosts/{name}/topic-permissions":               {administrator, a.listTopicPermissions},
		"GET /api/users":                                         {administrator, a.listUsers},
		"GET /api/users/{user}":                                  {administrator, a.getUser},
		"PUT /api/users/{user}":                                  {administrator, a.putUser},
		"DELETE /api/users/{user}":                               {administrator, a.deleteUser},
		"GET /api/users/{user}/permissions":                      {administrator, a.listPermissions},
		"GET /api/users/{user}/topic-permissions":                {administrator, a.listTopicPermissions},
		"GET /api/permissions":                                   {administrator, a.listPermissions},
		"GET /api/permissions/{name}/{user}":                     {administrator, a.getPermission},
		"PUT /api/permissions/{name}/{user}":                     {administrator, a.putPermission},
		"DELETE /api/permissions/{name}/{user}":                  {administrator, a.deletePermission},
		"GET /api/topic-permissions":                             {administrator, a.listTopicPermissions},
		"GET /api/topic-permissions/{name}/{user}":               {administrator, a.getTopicPermissions},
		"PUT /api/topic-permissions/{name}/{user}":               {administrator, a.putTopicPermission},
		"DELETE /api/topic-permissions/{name}/{user}":            {administrator, a.deleteTopicPermissions},
		"DELETE /api/topic-permissions/{name}/{user}/{exchange}": {administrator, a.deleteTopicPermissions},
	}
}

type object = map[string]any

func (a *api) whoAmI(c *call) (int, any, error) {
	return http.StatusOK, object{"name": c.user.Name, "tags": list(c.user.Tags)}, nil
}

// list is never null in JSON.
func list[T any](in []T) []T {
	if in == nil {
		return []T{}
	}
	return in
}

func (a *api) vhostObject(name string) object {
	out := object{
		"name": name, "description": "", "tags": []string{}, "default_queue_type": "undefined", "tracing": false,
		"metadata": object{"description": "", "tags": []string{}}, "cluster_state": object{a.opts.Node: "running"},
	}
	ready, unacked := 0, 0
	for _, q := range a.broker.Queues(name) {
		ready, unacked = ready+q.Ready, unacked+q.Unacked
	}
	maps.Copy(out, messageCounts(ready, unacked))
	out["message_stats"] = counters(a.broker.Counters(name))
	return out
}

func (a *api) listVHosts(c *call) (int, any, error) {
	out := []object{}
	for _, name := range a.broker.Vhosts() {
		if c.sees() || c.mayEnter(name) {
			out = append(out, a.vhostObject(name))
		}
	}
	return http.StatusOK, out, nil
}

func (a *api) getVHost(c *call) (int, any, error) {
	if !a.hasVHost(c.PathValue("name")) {
		return 0, nil, errObject
	}
	return http.StatusOK, a.vhostObject(c.PathValue("name")), nil
}

func (a *api) hasVHost(name string) bool { return slices.Contains(a.broker.Vhosts(), name) }

// putVHost gives the user who made the virtual host all permissions in it, as RabbitMQ does.
func (a *api) putVHost(c *call) (int, any, error) {
	name := c.PathValue("name")
	if _, err := c.read(); err != nil {
		return 0, nil, err
	}
	if a.hasVHost(name) {
		return http.StatusNoContent, nil, nil
	}
	if err := a.broker.PutVhost(name); err != nil {
		return 0, nil, badRequest(err.Error())
	}
	all := broker.Permissions{Configure: ".*", Write: ".*", Read: ".*"}
	return http.StatusCreated, nil, a.broker.PutPermissions(name, c.user.Name, all)
}

func (a *api) deleteVHost(c *call) (int, any, error) {
	return http.StatusNoContent, nil, a.broker.DeleteVhost(c.PathValue("name"))
}

func userObject(u broker.User) object {
	return object{"name": u.Name, "password_hash": u.PasswordHash, "hashing_algorithm": hashing, "tags": list(u.Tags), "limits": object{}}
}

const hashing = "rabbit_password_hashing_sha256"

func (a *api) listUsers(*call) (int, any, error) {
	out := []object{}
	for _, u := range a.broker.Users() {
		out = append(out, userObject(u))
	}
	return http.StatusOK, out, nil
}

func (a *api) getUser(c *call) (int, any, error) {
	u, ok := a.broker.User(c.PathValue("user"))
	if !ok {
		return 0, nil, errObject
	}
	return http.StatusOK, userObject(u), nil
}

func (a *api) putUser(c *call) (int, any, error) {
	name := c.PathValue("user")
	fields, err := c.read()
	if err != nil {
		return 0, nil, err
	}
	tags, err := tagsOf(fields["tags"])
	if err != nil {
		return 0, nil, err
	}
	status := http.StatusCreated
	if _, ok := a.broker.User(name); ok {
		status = http.StatusNoContent
	}
	if password, ok := fields["password"].(string); ok {
		if password == "" {
			return 0, nil, badRequest("empty password")
		}
		return status, nil, a.broker.PutUser(name, password, tags...)
	}
	hash, _ := fields["password_hash"].(string)
	if _, err := base64.StdEncoding.DecodeString(hash); err != nil {
		return 0, nil, badRequest([]string{"not_base64", hash})
	}
	if err := a.broker.PutUserHash(name, hash, tags...); err != nil {
		return 0, nil, badRequest(err.Error())
	}
	return status, nil, nil
}

// tagsOf takes tags as a text with commas or as a list.
func tagsOf(v any) ([]string, error) {
	switch v := v.(type) {
	case string:
		return strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' }), nil
	case []any:
		tags := []string{}
		for _, tag := range v {
			name, ok := tag.(string)
			if !ok {
				return nil, badRequest([]any{"not_a_string", tag})
			}
			tags = append(tags, name)
		}
		return tags, nil
	}
	return nil, badRequest("tags_not_present")
}

func (a *api) deleteUser(c *call) (int, any, error) {
	return http.StatusNoContent, nil, a.broker.DeleteUser(c.PathValue("user"))
}

func permissionObject(user, vhost string, p broker.Permissions) object {
	return object{"user": user, "vhost": vhost, "configure": p.Configure, "write": p.Write, "read": p.Read}
}

// listPermissions covers all, or those of the user or virtual host in the path.
func (a *api) listPermissions(c *call) (int, any, error) {
	if err := a.checkPath(c); err != nil {
		return 0, nil, err
	}
	out := []object{}
	for _, u := range a.broker.Users() {
		for _, vhost := range slices.Sorted(maps.Keys(u.Permissions)) {
			if asked(c, "user", u.Name) && asked(c, "name", vhost) {
				out = append(out, permissionObject(u.Name, vhost, u.Permissions[vhost]))
			}
		}
	}
	return http.StatusOK, out, nil
}

// asked tells whether a list that may be narrowed by the path includes the value.
func asked(c *call, field, value string) bool {
	want := c.PathValue(field)
	return want == "" || want == value
}

// checkPath makes sure that the user and the virtual host named in the path exist.
func (a *api) checkPath(c *call) error {
	if name := c.PathValue("name"); name != "" && !a.hasVHost(name) {
		return errObject
	}
	if user := c.PathValue("user"); user != "" {
		if _, ok := a.broker.User(user); !ok {
			return errObject
		}
	}
	return nil
}

func (a *api) getPermission(c *call) (int, any, error) {
	u, _ := a.broker.User(c.PathValue("user"))
	p, ok := u.Permissions[c.PathValue("name")]
	if !ok {
		return 0, nil, errObject
	}
	return http.StatusOK, permissionObject(u.Name, c.PathValue("name"), p), nil
}

// put runs a change of permissions, with the status and errors that all of them have.
func (a *api) put(c *call, existed bool, change func() error) (int, any, error) {
	if a.checkPath(c) != nil {
		return 0, nil, badRequest("vhost_or_user_not_found")
	}
	if err := change(); err != nil {
		if errors.Is(err, broker.ErrNotFound) {
			return 0, nil, badRequest("vhost_or_user_not_found")
		}
		return 0, nil, badRequest([]string{"invalid_regexp", err.Error()})
	}
	if existed {
		return http.StatusNoContent, nil, nil
	}
	return http.StatusCreated, nil, nil
}

func (a *api) putPermission(c *call) (int, any, error) {
	fields, err := c.read("configure", "write", "read")
	if err != nil {
		return 0, nil, err
	}
	p := broker.Permissions{}
	for name, to := range map[string]*string{"configure": &p.Configure, "write": &p.Write, "read": &p.Read} {
		if *to, err = text(fields, name); err != nil {
			return 0, nil, err
		}
	}
	u, _ := a.broker.User(c.PathValue("user"))
	_, existed := u.Permissions[c.PathValue("name")]
	return a.put(c, existed, func() error { return a.broker.PutPermissions(c.PathValue("name"), c.PathValue("user"), p) })
}

func (a *api) deletePermission(c *call) (int, any, error) {
	u, _ := a.broker.User(c.PathValue("user"))
	if _, ok := u.Permissions[c.PathValue("name")]; !ok {
		return 0, nil, errObject
	}
	return http.StatusNoContent, nil, a.broker.DeletePermissions(c.PathValue("name"), c.PathValue("user"))
}

func topicObjects(u broker.User, vhost string) []object {
	out := []object{}
	for _, exchange := range slices.Sorted(maps.Keys(u.Topics[vhost])) {
		p := u.Topics[vhost][exchange]
		out = append(out, object{"user": u.Name, "vhost": vhost, "exchange": exchange, "write": p.Write, "read": p.Read})
	}
	return out
}

func (a *api) listTopicPermissions(c *call) (int, any, error) {
	if err := a.checkPath(c); err != nil {
		return 0, nil, err
	}
	out := []object{}
	for _, u := range a.broker.Users() {
		for _, vhost := range slices.Sorted(maps.Keys(u.Topics)) {
			if asked(c, "user", u.Name) && asked(c, "name", vhost) {
				out = append(out, topicObjects(u, vhost)...)
			}
		}
	}
	return http.StatusOK, out, nil
}

func (a *api) getTopicPermissions(c *call) (int, any, error) {
	u, _ := a.broker.User(c.PathValue("user"))
	out := topicObjects(u, c.PathValue("name"))
	if len(out) == 0 {
		return 0, nil, errObject
	}
	return http.StatusOK, out, nil
}

func (a *api) putTopicPermission(c *call) (int, any, error) {
	fields, err := c.read("exchange", "write", "read")
	if err != nil {
		return 0, nil, err
	}
	var exchange string
	p := broker.TopicPermissions{}
	for name, to := range map[string]*string{"exchange": &exchange, "write": &p.Write, "read": &p.Read} {
		if *to, err = text(fields, name); err != nil {
			return 0, nil, err
		}
	}
	u, _ := a.broker.User(c.PathValue("user"))
	_, existed := u.Topics[c.PathValue("name")][exchange]
	return a.put(c, existed, func() error {
		return a.broker.PutTopicPermissions(c.PathValue("name"), c.PathValue("user"), exchange, p)
	})
}

func (a *api) deleteTopicPermissions(c *call) (int, any, error) {
	u, _ := a.broker.User(c.PathValue("user"))
	if len(u.Topics[c.PathValue("name")]) == 0 {
		return 0, nil, errObject
	}
	return http.StatusNoContent, nil, a.broker.DeleteTopicPermissions(c.PathValue("name"), c.PathValue("user"), c.PathValue("exchange"))
}
