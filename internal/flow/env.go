package flow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/openintegrationhub/leat/api/v1"
)

// valueFrom reads variables whose values are kept elsewhere.
func (d *decoder) valueFrom(v *value, path string, to *map[string]v1.ValueSource) {
	if v.kind != object {
		d.report(v, path, "expected an object, found %s", v)
		return
	}
	*to = make(map[string]v1.ValueSource, len(v.keys))
	for _, k := range v.keys {
		var s v1.ValueSource
		decode(d, k.value, join(path, k.name), &s, valueSourceFields())
		(*to)[k.name] = s
	}
}

func valueSourceFields() []field[v1.ValueSource] {
	type source = v1.ValueSource
	return []field[source]{
		{"secretKeyRef", func(d *decoder, v *value, path string, s *source) {
			s.SecretKeyRef = new(v1.KeyRef)
			decode(d, v, path, s.SecretKeyRef, keyRefFields())
		}},
		{"configMapKeyRef", func(d *decoder, v *value, path string, s *source) {
			s.ConfigMapKeyRef = new(v1.KeyRef)
			decode(d, v, path, s.ConfigMapKeyRef, keyRefFields())
		}},
	}
}

func envSourceFields() []field[v1.EnvSource] {
	type source = v1.EnvSource
	return []field[source]{
		{"prefix", func(d *decoder, v *value, path string, s *source) { d.text(v, path, &s.Prefix) }},
		{"secretRef", func(d *decoder, v *value, path string, s *source) {
			s.SecretRef = new(v1.Ref)
			decode(d, v, path, s.SecretRef, refFields())
		}},
		{"configMapRef", func(d *decoder, v *value, path string, s *source) {
			s.ConfigMapRef = new(v1.Ref)
			decode(d, v, path, s.ConfigMapRef, refFields())
		}},
	}
}

func keyRefFields() []field[v1.KeyRef] {
	return []field[v1.KeyRef]{
		{"name", func(d *decoder, v *value, path string, r *v1.KeyRef) { d.text(v, path, &r.Name) }},
		{"key", func(d *decoder, v *value, path string, r *v1.KeyRef) { d.text(v, path, &r.Key) }},
		{"optional", func(d *decoder, v *value, path string, r *v1.KeyRef) { d.boolean(v, path, &r.Optional) }},
	}
}

func refFields() []field[v1.Ref] {
	return []field[v1.Ref]{
		{"name", func(d *decoder, v *value, path string, r *v1.Ref) { d.text(v, path, &r.Name) }},
		{"optional", func(d *decoder, v *value, path string, r *v1.Ref) { d.boolean(v, path, &r.Optional) }},
	}
}

// env checks the variables of a node, wherever their values are kept.
func (c *checker) env(path string, n *v1.Node) {
	for _, name := range slices.Sorted(maps.Keys(n.Env)) {
		c.variable(path+".env."+name, name)
		if strings.ContainsRune(n.Env[name], 0) {
			c.report(path+".env."+name, "the value holds a zero byte, which no variable can; remove it")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.ValueFrom)) {
		at, s := path+".valueFrom."+name, n.ValueFrom[name]
		c.variable(at, name)
		if _, twice := n.Env[name]; twice {
			c.report(at, "%q is in env too; remove one", shorten(name))
		}
		c.oneOf(at, s.SecretKeyRef != nil, s.ConfigMapKeyRef != nil, "secretKeyRef", "configMapKeyRef")
		for _, r := range []struct {
			name string
			ref  *v1.KeyRef
		}{{"secretKeyRef", s.SecretKeyRef}, {"configMapKeyRef", s.ConfigMapKeyRef}} {
			if r.ref != nil {
				c.required(join(at, r.name)+".name", r.ref.Name, "name the object that holds the value")
				c.required(join(at, r.name)+".key", r.ref.Key, "name the entry that is the value")
			}
		}
	}
	for i, s := range n.EnvFrom {
		at := fmt.Sprintf("%s.envFrom[%d]", path, i)
		if s.Prefix != "" {
			c.variable(at+".prefix", s.Prefix)
		}
		c.oneOf(at, s.SecretRef != nil, s.ConfigMapRef != nil, "secretRef", "configMapRef")
		if s.SecretRef != nil {
			c.required(at+".secretRef.name", s.SecretRef.Name, "name the secret")
		}
		if s.ConfigMapRef != nil {
			c.required(at+".configMapRef.name", s.ConfigMapRef.Name, "name the config map")
		}
	}
}

func (c *checker) variable(path, name string) {
	if !envRule.MatchString(name) {
		c.report(path, "%q is no name of a variable; use letters, digits, _, - and ., with no digit first", shorten(name))
	}
}

// oneOf checks that an object has exactly one of two fields.
func (c *checker) oneOf(path string, a, b bool, nameA, nameB string) {
	if a == b && !c.spoiled(join(path, nameA)) && !c.spoiled(join(path, nameB)) {
		c.report(path, "must have either %s or %s", nameA, nameB)
	}
}
