package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// route is a path of the API and what can be done there.
type route struct {
	name    string   // for the metrics
	path    []string // segments; "*" takes any, and is one of the ids
	methods methods
	check   func(s *step, ids []string) answer // whether the ids are the step's own; a zero answer lets it go on; nil for always
	objects bool                               // only there with Options.Objects
}

// methods are what can be done at a path, by the names of HTTP.
type methods = map[string]func(*API, *http.Request, *step, []string) (answer, error)

func routes() []route {
	info := methods{http.MethodGet: (*API).stepInfo}
	account := methods{http.MethodPut: (*API).putAccount}
	startup := methods{http.MethodGet: (*API).getStartup, http.MethodPost: (*API).postStartup, http.MethodDelete: (*API).deleteStartup}
	signed := methods{http.MethodPost: (*API).postSignedURL}
	secret, refresh := methods{http.MethodGet: (*API).getSecret}, methods{http.MethodPost: (*API).getSecret}
	object := methods{http.MethodGet: (*API).getObject, http.MethodHead: (*API).getObject, http.MethodPut: (*API).putObject, http.MethodDelete: (*API).deleteObject}
	return []route{
		{name: "step", path: []string{"v1", "tasks", "*", "steps", "*"}, methods: info, check: ownStep},
		{name: "step", path: []string{"v2", "tasks", "*", "steps", "*"}, methods: info, check: ownStep},
		{name: "account", path: []string{"v1", "accounts", "*"}, methods: account, check: ownAccount},
		{name: "account", path: []string{"v2", "accounts", "*"}, methods: account, check: ownAccount},
		{name: "startup", path: []string{"sailor-support", "hooks", "task", "*", "startup", "data"}, methods: startup, check: ownFlow},
		{name: "storage", path: []string{"v1", "resources", "storage", "signed-url"}, methods: signed, objects: true},
		{name: "storage", path: []string{"v2", "resources", "storage", "signed-url"}, methods: signed, objects: true},
		{name: "storage", path: []string{"v1", "resources", "s3", "signed-url"}, methods: signed, objects: true},
		{name: "object", path: []string{"objects"}, methods: methods{http.MethodPost: (*API).postObject}, objects: true},
		{name: "object", path: []string{"objects", "*"}, methods: object, objects: true},
		{name: "secret", path: []string{"v2", "workspaces", "*", "secrets", "*"}, methods: secret, check: ownSecret},
		{name: "secret", path: []string{"v2", "workspaces", "*", "secrets", "*", "refresh"}, methods: refresh, check: ownSecret},
		{name: "secret", path: []string{"secrets", "*"}, methods: methods{http.MethodGet: (*API).getFerrymanSecret}, check: ownSecret},
		{name: "snapshot", path: []string{"snapshots", "flows", "*", "steps", "*"}, methods: methods{http.MethodGet: (*API).getSnapshot}, check: ownStep},
	}
}

// match returns the ids in the path.
func (r *route) match(path []string) (ids []string, ok bool) {
	if len(path) != len(r.path) {
		return nil, false
	}
	for i, want := range r.path {
		switch {
		case want == "*":
			ids = append(ids, path[i])
		case want != path[i]:
			return nil, false
		}
	}
	return ids, true
}

func (r *route) allow() string {
	return strings.Join(slices.Sorted(maps.Keys(r.methods)), ", ")
}

// segments splits the path of a request. Ids may hold colons, and are compared with what's known, but never become part of another path:
// nothing that looks like one gets through.
func segments(r *http.Request) ([]string, bool) {
	text := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	if text == "objects/" { // the JVM library has the slash, the others don't
		text = "objects"
	}
	path := strings.Split(text, "/")
	for i, text := range path {
		plain, err := url.PathUnescape(text)
		if err != nil || plain == "" || plain == "." || plain == ".." || strings.ContainsAny(plain, "/\\\x00") {
			return nil, false
		}
		path[i] = plain
	}
	return path, true
}

// What isn't a step's own is forbidden whether it exists or not, so that nobody learns what there is.

func ownStep(s *step, ids []string) answer {
	if ids[0] != s.Flow || ids[1] != s.ID {
		return refusal(http.StatusForbidden, "these are the credentials of step %q of flow %q: it can read only its own configuration", s.ID, s.Flow)
	}
	return answer{}
}

func ownFlow(s *step, ids []string) answer {
	if ids[0] != s.Flow {
		return refusal(http.StatusForbidden, "these are the credentials of step %q of flow %q: it can reach only its own flow", s.ID, s.Flow)
	}
	return answer{}
}

func ownAccount(s *step, ids []string) answer {
	switch {
	case s.account == "":
		return refusal(http.StatusNotFound, "step %q has no account: its data has no _account", s.ID)
	case ids[0] != s.account:
		return refusal(http.StatusForbidden, "step %q can change only its own account, the one in _account of its data", s.ID)
	}
	return answer{}
}
