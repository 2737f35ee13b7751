package flow

import (
	"fmt"

	v1 "github.com/openintegrationhub/leat/api/v1"
)

// The fields of a flow file, one function for each object. They mirror api/v1.

// document reads one document of a file: a flow, or a list of them.
func (d *decoder) document(v *value) {
	d.current = &decoded{file: d.file, root: v, bad: map[string]bool{}}
	if v.kind != object {
		d.report(v, "", "expected a flow, found %s", v)
		return
	}
	switch kind := v.get("kind"); {
	case kind == nil || kind.kind == null:
		d.report(v, "kind", "missing; write kind: Flow")
	case kind.kind == text && (kind.text == "List" || kind.text == "FlowList"):
		d.items(v)
		return
	default:
		if !d.isFlow(kind) {
			return
		}
	}
	d.flow(v, "")
}

// isFlow tells whether to go on with what has this kind, and reports one that isn't Flow.
func (d *decoder) isFlow(kind *value) bool {
	if kind.kind == text && kind.text == v1.Kind {
		return true
	}
	if near, ok := nearest(kind.text, []string{"Flow", "Flows", "List"}); kind.kind == text && ok {
		if near == "Flows" {
			near = v1.Kind
		}
		d.report(kind, "kind", "unknown kind %q, did you mean %q?", shorten(kind.text), near)
		return near == v1.Kind
	}
	d.report(kind, "kind", `expected "Flow" or "List", found %s`, kind)
	return false
}

func (d *decoder) items(v *value) {
	version := v1.APIVersion
	if v.get("kind").text == "List" {
		version = "v1"
	}
	d.version(v, version)
	for _, k := range v.keys {
		switch k.name {
		case "apiVersion", "kind", "metadata", "items":
		default:
			d.unknown(k, "", []string{"apiVersion", "kind", "metadata", "items"})
		}
	}
	items := v.get("items")
	if items == nil || items.kind == null || items.kind == list && len(items.list) == 0 {
		d.report(v, "items", "missing; the list needs a flow")
		return
	}
	if !d.isList(items, "items") {
		return
	}
	for i, item := range items.list {
		d.current = &decoded{file: d.file, root: item, prefix: fmt.Sprintf("items[%d]", i), bad: map[string]bool{}}
		if item.kind != object {
			d.report(item, "", "expected a flow, found %s", item)
			continue
		}
		kind := item.get("kind")
		if kind == nil || kind.kind == null {
			if v.get("kind").text == "List" {
				d.report(item, "kind", "missing; write kind: Flow")
			}
		} else if !d.isFlow(kind) {
			continue
		}
		d.flow(item, v.get("kind").text)
	}
}

// version checks apiVersion.
func (d *decoder) version(v *value, want string) {
	switch got := v.get("apiVersion"); {
	case got == nil || got.kind == null:
		d.report(v, "apiVersion", "missing; write apiVersion: %s", want)
	case got.kind != text || got.text != want:
		d.report(got, "apiVersion", "expected %q, found %s", want, got)
	}
}

// flow reads one flow. One inside a FlowList may leave out its kind and version.
func (d *decoder) flow(v *value, in string) {
	if in != "FlowList" || v.get("apiVersion") != nil {
		d.version(v, v1.APIVersion)
	}
	decode(d, v, "", &d.current.flow, flowFields())
	d.decoded = append(d.decoded, d.current)
}

func flowFields() []field[v1.Flow] {
	skip := func(*decoder, *value, string, *v1.Flow) {}
	return []field[v1.Flow]{
		{"apiVersion", skip}, {"kind", skip}, {"status", skip},
		{"metadata", func(d *decoder, v *value, path string, f *v1.Flow) { decode(d, v, path, f, metadataFields()) }},
		{"spec", func(d *decoder, v *value, path string, f *v1.Flow) { decode(d, v, path, &f.Spec, specFields()) }},
	}
}

// metadataFields are all that Kubernetes knows, because people keep what kubectl get prints.
func metadataFields() []field[v1.Flow] {
	skip := func(*decoder, *value, string, *v1.Flow) {}
	return []field[v1.Flow]{
		{"name", func(d *decoder, v *value, path string, f *v1.Flow) { d.text(v, path, &f.Name) }},
		{"namespace", func(d *decoder, v *value, path string, f *v1.Flow) { d.text(v, path, &f.Namespace) }},
		{"labels", func(d *decoder, v *value, path string, f *v1.Flow) { d.dictionary(v, path, &f.Labels) }},
		{"annotations", func(d *decoder, v *value, path string, f *v1.Flow) { d.dictionary(v, path, &f.Annotations) }},
		{"creationTimestamp", skip}, {"deletionGracePeriodSeconds", skip}, {"deletionTimestamp", skip}, {"finalizers", skip},
		{"generation", skip}, {"managedFields", skip}, {"ownerReferences", skip}, {"resourceVersion", skip}, {"selfLink", skip}, {"uid", skip},
	}
}

func specFields() []field[v1.FlowSpec] {
	type spec = v1.FlowSpec
	return []field[spec]{
		{"nodes", func(d *decoder, v *value, path string, s *spec) {
			if d.isList(v, path) && d.atMost(v, path, NodesMax, "nodes") {
				s.Nodes = make([]v1.Node, len(v.list))
				for i, item := range v.list {
					decode(d, item, fmt.Sprintf("%s[%d]", path, i), &s.Nodes[i], nodeFields())
				}
			}
		}},
		{"connections", func(d *decoder, v *value, path string, s *spec) {
			if d.isList(v, path) && d.atMost(v, path, ConnectionsMax, "connections") {
				s.Connections = make([]v1.Connection, len(v.list))
				for i, item := range v.list {
					decode(d, item, fmt.Sprintf("%s[%d]", path, i), &s.Connections[i], connectionFields())
				}
			}
		}},
		{"resources", func(d *decoder, v *value, path string, s *spec) { decode(d, v, path, &s.Resources, resourceFields()) }},
		{"suspended", func(d *decoder, v *value, path string, s *spec) { d.boolean(v, path, &s.Suspended) }},
		{"allowCycles", func(d *decoder, v *value, path string, s *spec) { d.boolean(v, path, &s.AllowCycles) }},
		{"http", func(d *decoder, v *value, path string, s *spec) { decode(d, v, path, &s.HTTP, httpFields()) }},
		{"drainTimeout", func(d *decoder, v *value, path string, s *spec) { d.duration(v, path, &s.DrainTimeout) }},
		{"imagePullSecrets", func(d *decoder, v *value, path string, s *spec) { d.secrets(v, path, &s.ImagePullSecrets) }},
		{"workload", func(d *decoder, v *value, path string, s *spec) { d.text(v, path, &s.Workload) }},
		{"podTemplate", func(d *decoder, v *value, path string, s *spec) { d.data(v, path, &s.PodTemplate.Raw) }},
	}
}

// atMost bounds the length of a list.
func (d *decoder) atMost(v *value, path string, most int, what string) bool {
	if len(v.list) > most {
		d.report(v, path, "%d %s; at most %d are allowed", len(v.list), what, most)
	}
	return len(v.list) <= most
}

func nodeFields() []field[v1.Node] {
	type node = v1.Node
	return []field[node]{
		{"id", func(d *decoder, v *value, path string, n *node) { d.text(v, path, &n.ID) }},
		{"image", func(d *decoder, v *value, path string, n *node) { d.text(v, path, &n.Image) }},
		{"function", func(d *decoder, v *value, path string, n *node) { d.text(v, path, &n.Function) }},
		{"first", func(d *decoder, v *value, path string, n *node) { d.boolean(v, path, &n.First) }},
		{"isPolling", func(d *decoder, v *value, path string, n *node) { d.boolean(v, path, &n.IsPolling) }},
		{"schedule", func(d *decoder, v *value, path string, n *node) { d.text(v, path, &n.Schedule) }},
		{"timeZone", func(d *decoder, v *value, path string, n *node) { d.text(v, path, &n.TimeZone) }},
		{"env", func(d *decoder, v *value, path string, n *node) { d.dictionary(v, path, &n.Env) }},
		{"data", func(d *decoder, v *value, path string, n *node) { d.data(v, path, &n.Data.Raw) }},
		{"resources", func(d *decoder, v *value, path string, n *node) { decode(d, v, path, &n.Resources, resourceFields()) }},
		{"command", func(d *decoder, v *value, path string, n *node) { d.texts(v, path, &n.Command) }},
		{"args", func(d *decoder, v *value, path string, n *node) { d.texts(v, path, &n.Args) }},
		{"prefetch", func(d *decoder, v *value, path string, n *node) { d.whole(v, path, &n.Prefetch) }},
		{"replicas", func(d *decoder, v *value, path string, n *node) { d.whole(v, path, &n.Replicas) }},
		{"imagePullSecrets", func(d *decoder, v *value, path string, n *node) { d.secrets(v, path, &n.ImagePullSecrets) }},
		{"imagePullPolicy", func(d *decoder, v *value, path string, n *node) { d.text(v, path, &n.ImagePullPolicy) }},
		{"valueFrom", func(d *decoder, v *value, path string, n *node) { d.valueFrom(v, path, &n.ValueFrom) }},
		{"envFrom", func(d *decoder, v *value, path string, n *node) {
			if d.isList(v, path) {
				n.EnvFrom = make([]v1.EnvSource, len(v.list))
				for i, item := range v.list {
					decode(d, item, fmt.Sprintf("%s[%d]", path, i), &n.EnvFrom[i], envSourceFields())
				}
			}
		}},
		{"workload", func(d *decoder, v *value, path string, n *node) { d.text(v, path, &n.Workload) }},
		{"podTemplate", func(d *decoder, v *value, path string, n *node) { d.data(v, path, &n.PodTemplate.Raw) }},
		{"rateLimit", func(d *decoder, v *value, path string, n *node) { d.number(v, path, &n.RateLimit) }},
	}
}

func connectionFields() []field[v1.Connection] {
	return []field[v1.Connection]{
		{"from", func(d *decoder, v *value, path string, c *v1.Connection) { d.text(v, path, &c.From) }},
		{"to", func(d *decoder, v *value, path string, c *v1.Connection) { d.text(v, path, &c.To) }},
	}
}

func httpFields() []field[v1.HTTP] {
	return []field[v1.HTTP]{
		{"reply", func(d *decoder, v *value, path string, h *v1.HTTP) { d.boolean(v, path, &h.Reply) }},
	}
}

func secretFields() []field[v1.SecretName] {
	return []field[v1.SecretName]{
		{"name", func(d *decoder, v *value, path string, s *v1.SecretName) { d.text(v, path, &s.Name) }},
	}
}

func resourceFields() []field[v1.Resources] {
	return []field[v1.Resources]{
		{"limits", func(d *decoder, v *value, path string, r *v1.Resources) {
			decode(d, v, path, &r.Limits, amountFields())
		}},
		{"requests", func(d *decoder, v *value, path string, r *v1.Resources) {
			decode(d, v, path, &r.Requests, amountFields())
		}},
	}
}

func amountFields() []field[v1.Amounts] {
	return []field[v1.Amounts]{
		{"cpu", func(d *decoder, v *value, path string, a *v1.Amounts) { d.quantity(v, path, &a.CPU) }},
		{"memory", func(d *decoder, v *value, path string, a *v1.Amounts) { d.quantity(v, path, &a.Memory) }},
	}
}
