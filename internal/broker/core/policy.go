package core

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/openintegrationhub/leat/internal/broker/wire"
)

// What a policy applies to.
const (
	ApplyToAll       = "all"
	ApplyToQueues    = "queues"
	ApplyToExchanges = "exchanges"
)

// Policy gives arguments to the queues and exchanges whose names it matches, now and in future. Of those that match, the one with the
// highest priority counts. A limit that the queue's own arguments have, too, is the lower of both; else the arguments win.
type Policy struct {
	Name       string
	Pattern    string // regular expression
	ApplyTo    string // see above
	Priority   int64
	Definition wire.Table // such as max-length: arguments without the "x-"
	// Operator makes it an operator policy, of which one more counts. Its limits can be lowered by users' policies, not lifted.
	Operator bool

	re *regexp.Regexp
}

// policyKeys are the settings that RabbitMQ 3.10 knows, and how it calls those that are wrong. Those without a name are taken and do nothing here.
var policyKeys = map[string]string{
	"alternate-exchange": "alternate exchange name", "dead-letter-exchange": "dead letter exchange name", "dead-letter-routing-key": "dead letter routing key",
	"message-ttl": "message TTL", "expires": "queue expiry", "max-length": "maximum length", "max-length-bytes": "maximum length in bytes",
	"overflow": "overflow value", "delivery-limit": "delivery limit", "queue-mode": "queue-mode value", "queue-version": "queue-version value",

	"consumer-timeout": "", "dead-letter-strategy": "", "max-in-memory-length": "", "max-in-memory-bytes": "", "max-age": "",
	"stream-max-segment-size-bytes": "", "queue-leader-locator": "", "initial-cluster-size": "", "queue-master-locator": "",
	"ha-mode": "", "ha-params": "", "ha-sync-mode": "", "ha-promote-on-shutdown": "", "ha-promote-on-failure": "", "ha-sync-batch-size": "",
	"federation-upstream": "", "federation-upstream-set": "",
}

// check says what is wrong with the policy, in RabbitMQ's words.
func (p *Policy) check() error {
	if !slices.Contains([]string{ApplyToAll, ApplyToQueues, ApplyToExchanges}, p.ApplyTo) {
		return fmt.Errorf("apply-to '%s' unrecognised; should be 'queues', 'exchanges' or 'all'", p.ApplyTo)
	}
	if len(p.Definition) == 0 {
		return errors.New("no policy provided")
	}
	var unknown []string
	for _, f := range p.Definition {
		what, known := policyKeys[f.Name]
		if !known {
			unknown = append(unknown, fmt.Sprintf("{<<%q>>,%s}", f.Name, term(f.Value)))
		}
		if what == "" {
			continue
		}
		if !settable(f.Name, f.Value) {
			return fmt.Errorf("%s is not a valid %s", term(f.Value), what)
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("[%s] are not recognised policy settings", strings.Join(unknown, ","))
	}
	re, err := regexp.Compile(p.Pattern)
	if err != nil {
		return fmt.Errorf("pattern should be regular expression but is invalid: %w", err)
	}
	p.re = re
	return nil
}

// settable says whether a setting can have the value.
func settable(name string, value any) bool {
	if name == "alternate-exchange" {
		_, ok := value.(string)
		return ok
	}
	return new(settings).set("x-"+name, value) == ""
}

// term writes a value as Erlang does.
func term(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("<<%q>>", s)
	}
	return erlang(v)
}

// PutPolicy makes a policy, or replaces the one of that name. The error is a text for the user.
func (v *VHost) PutPolicy(p Policy) error {
	if err := p.check(); err != nil {
		return err
	}
	v.takePolicy(p)
	v.define(v.policyKey(p.Name, p.Operator), wire.Table{
		{Name: "name", Value: p.Name}, {Name: "pattern", Value: p.Pattern}, {Name: "apply-to", Value: p.ApplyTo},
		{Name: "priority", Value: p.Priority}, {Name: "definition", Value: p.Definition}, {Name: "operator", Value: p.Operator},
	}, false)
	v.applyPolicies()
	return nil
}

func (v *VHost) takePolicy(p Policy) {
	v.policies = append(v.otherPolicies(p.Name, p.Operator), &p)
	slices.SortStableFunc(v.policies, func(a, b *Policy) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), strings.Compare(a.Name, b.Name))
	})
}

func (v *VHost) otherPolicies(name string, operator bool) []*Policy {
	return slices.DeleteFunc(slices.Clone(v.policies), func(p *Policy) bool { return p.Name == name && p.Operator == operator })
}

// DeletePolicy removes a policy, and says whether there was one.
func (v *VHost) DeletePolicy(name string, operator bool) bool {
	rest := v.otherPolicies(name, operator)
	if len(rest) == len(v.policies) {
		return false
	}
	v.policies = rest
	v.define(v.policyKey(name, operator), nil, true)
	v.applyPolicies()
	return true
}

// Policies lists the policies, or operator policies, by name.
func (v *VHost) Policies(operator bool) []Policy {
	var list []Policy
	for _, p := range v.policies {
		if p.Operator == operator {
			list = append(list, *p)
		}
	}
	slices.SortFunc(list, func(a, b Policy) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (v *VHost) policyKey(name string, operator bool) string {
	kind := "user"
	if operator {
		kind = "operator"
	}
	return v.key(DefinePolicy, kind, name)
}

func (v *VHost) restorePolicy(t wire.Table) error {
	priority, _ := t.Get("priority")
	p := Policy{
		Name: t.String("name"), Pattern: t.String("pattern"), ApplyTo: t.String("apply-to"), Definition: t.Table("definition"), Operator: t.Bool("operator"),
	}
	p.Priority, _ = wire.Integer(priority)
	if err := p.check(); err != nil {
		return fmt.Errorf("restore policy %q: %w", p.Name, err)
	}
	v.takePolicy(p)
	return nil
}

func (p *Policy) name() string {
	if p == nil {
		return ""
	}
	return p.Name
}

// match is the policy that counts for a name, nil when there's none.
func (v *VHost) match(kind, name string, operator bool) *Policy {
	for _, p := range v.policies {
		if p.Operator == operator && (p.ApplyTo == ApplyToAll || p.ApplyTo == kind) && p.re.MatchString(name) {
			return p
		}
	}
	return nil
}

// applyPolicies finds out anew which policies count, after a change.
func (v *VHost) applyPolicies() {
	for _, x := range v.exchanges {
		x.applyPolicy()
	}
	for _, q := range v.queues {
		before := q.expires
		q.applyPolicy()
		if q.expires != before {
			q.usedAt = v.now
		}
		v.touch(q)
	}
}

func (x *Exchange) applyPolicy() {
	x.policy = x.vhost.match(ApplyToExchanges, x.name, false)
	x.alternate = x.args.String("alternate-exchange")
	if _, own := x.args.Get("alternate-exchange"); !own && x.policy != nil {
		x.alternate = x.policy.Definition.String("alternate-exchange")
	}
}

func (q *Queue) applyPolicy() {
	q.policy, q.operator = q.vhost.match(ApplyToQueues, q.name, false), q.vhost.match(ApplyToQueues, q.name, true)
	q.settings = q.own
	for _, p := range []*Policy{q.policy, q.operator} {
		if p != nil {
			q.settings.add(p.Definition)
		}
	}
}

// add takes over what a policy sets.
func (s *settings) add(definition wire.Table) {
	p := noSettings()
	for _, f := range definition {
		p.set("x-"+f.Name, f.Value)
	}
	s.ttl, s.maxLength, s.maxBytes = lower(s.ttl, p.ttl), lower(s.maxLength, p.maxLength), lower(s.maxBytes, p.maxBytes)
	if s.quorum {
		s.deliveryLimit = lower(s.deliveryLimit, p.deliveryLimit)
	}
	if p.expires > 0 && (s.expires == 0 || p.expires < s.expires) {
		s.expires = p.expires
	}
	if !s.hasDLX {
		s.dlx, s.hasDLX = p.dlx, p.hasDLX
	}
	if !s.hasDLK {
		s.dlk, s.hasDLK = p.dlk, p.hasDLK
	}
	if !s.hasOverflow {
		s.overflow, s.hasOverflow = p.overflow, p.hasOverflow
	}
}

// lower is the lower one of two limits, where -1 is none.
func lower[N int | int64](a, b N) N {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// effective is what policies give a queue: the user's and the operator's together, and of limits that both have the lower one.
func effective(user, operator *Policy) wire.Table {
	if user == nil || operator == nil {
		if p := cmp.Or(user, operator); p != nil {
			return p.Definition
		}
		return nil
	}
	out := user.Definition
	for _, f := range operator.Definition {
		old, has := out.Get(f.Name)
		a, isNumber := wire.Integer(old)
		b, _ := wire.Integer(f.Value)
		if !has || isNumber && b < a {
			out = out.With(f.Name, f.Value)
		}
	}
	return out
}
