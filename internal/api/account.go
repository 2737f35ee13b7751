package api

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strings"
)

// accounts finds steps by their credentials. They're kept and looked up as hashes, so how long a look-up takes tells nothing about them.
type accounts struct {
	basic  map[[sha256.Size]byte]*step
	bearer map[[sha256.Size]byte]*step
}

// step is a Step with its answer prepared: sailors for Java ask for it with each message.
type step struct {
	Step
	info    []byte // all members but config and snapshot, without the closing brace
	account string // config._account, whose keys are merged into the config
	secret  string // config.secretId
}

func newAccounts(steps []Step) *accounts {
	a := &accounts{basic: make(map[[sha256.Size]byte]*step, len(steps)), bearer: make(map[[sha256.Size]byte]*step, len(steps))}
	for _, s := range steps {
		if s.Key == "" {
			continue
		}
		known := newStep(s)
		a.basic[basicHash(s.User, s.Key)] = known
		a.bearer[sha256.Sum256([]byte(s.Key))] = known
	}
	return a
}

func basicHash(user, key string) [sha256.Size]byte {
	return sha256.Sum256([]byte(user + ":" + key)) // a user has no colon (RFC 7617 section 2)
}

// find returns the step that sends r, nil if its credentials are none that are known.
func (a *accounts) find(r *http.Request) *step {
	if user, key, ok := r.BasicAuth(); ok {
		return a.basic[basicHash(user, key)]
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil
	}
	return a.bearer[sha256.Sum256([]byte(strings.TrimSpace(token)))]
}

func newStep(s Step) *step {
	if s.Variables == nil {
		s.Variables = map[string]string{}
	}
	if len(s.Config) == 0 || string(s.Config) == "null" {
		s.Config = json.RawMessage("{}")
	}
	info, err := json.Marshal(struct {
		ID          string            `json:"id"`
		Component   string            `json:"comp_id"`
		Function    string            `json:"function"`
		Passthrough bool              `json:"is_passthrough"`
		Variables   map[string]string `json:"variables"`
	}{s.ID, s.Component, s.Function, s.Passthrough, s.Variables})
	if err != nil {
		panic(err) // texts always have a JSON form
	}
	var config struct {
		Account any `json:"_account"`
		Secret  any `json:"secretId"`
	}
	_ = json.Unmarshal(s.Config, &config) // a config of another shape has no account
	account, _ := config.Account.(string)
	secret, _ := config.Secret.(string)
	return &step{Step: s, info: info[:len(info)-1], account: account, secret: secret}
}
